"""A clip sent to the server, through the real guard, is answered as a local one is."""

import asyncio

import numpy as np
import pytest
from clip_files import write_video
from gateways import client_of, data_uri, new_house, user
from PIL import Image

from facellm.assistant import FaceAssistant
from facellm.clip.asking import ask_clip
from facellm.clip.opening import open_clip
from facellm.serve.doorkeepers import new_guard
from facellm.serve.local_engine import LocalEngine

pytest.importorskip("av", reason="optional: pip install 'av>=14'")
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def clip(photo, tmp_path_factory):
    with Image.open(photo) as picture:
        half = np.asarray(picture.resize((256, 256)))
    frames = [np.roll(half, shift, 1) for shift in (0, 2, 4, 6, 8, 10)]
    return write_video(tmp_path_factory.mktemp("clip") / "a.mp4", frames, rate=2)


def test_a_served_clip_is_answered_as_a_local_one(tiny_checkpoint, clip):
    local = ask_clip(FaceAssistant.load(tiny_checkpoint, engine="torch"), open_clip(clip), None)
    part = {"type": "video_url", "video_url": {"url": data_uri(clip, "video/mp4")}}
    body = {"messages": [{"role": "user", "content": [part]}]}
    begun = data_uri(clip.read_bytes()[:300], "video/mp4")
    cut = {"type": "video_url", "video_url": {"url": begun}}

    async def work():
        engine = LocalEngine(tiny_checkpoint, readings="torch")
        house = new_house(tiny_checkpoint, engine, guard=new_guard())
        async with client_of(house) as client:
            overview = await client.post(CHAT, json=body)
            age = user("How old is she?")
            age["content"].insert(0, part)
            other = await client.post(CHAT, json={"messages": [age], "stream": True})
            bad = await client.post(CHAT, json={"messages": [{"role": "user", "content": [cut]}]})
            return overview, other, bad

    overview, other, bad = asyncio.run(work())
    found = overview.json()
    assert found["facellm"]["intent"] == local.intent == "overview"
    assert found["choices"][0]["message"]["content"] == local.text
    assert len(found["facellm"]["clip"]["tracks"]) == len(local.timeline.tracks)
    assert other.text.endswith("data: [DONE]\n\n")
    assert '"clip"' in other.text
    assert (bad.status_code, bad.json()["error"]["code"]) == (400, "invalid_picture")
