"""`facellm serve --engine vllm` as people start it: the local answers, and vLLM killed under load.

One server of the shipped weights for the whole module; tests stand in the order they need it in.
"""

import concurrent.futures
import os
import shutil
import signal
import time

import httpx
import numpy as np
import openai
import pytest
from gateways import data_uri, user
from safetensors.torch import load_file, save_file
from vllm_jobs import serve_python

from facellm.adapter_file import language_digest
from facellm.assistant import FaceAssistant
from facellm.checkpoint import SHIPPED, load_checkpoint
from facellm.serve.running import process_row, served

pytestmark = pytest.mark.slow

TOLERANCE = 1e-3
TOGETHER = 8
QUESTIONS = ("What expression does this face show?", "Describe the face.", "How many faces?")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    serve_python()
    words = ("--engine", "vllm", "--rate", "", "--running", str(TOGETHER))
    with served(words, tmp_path_factory.mktemp("vllm") / "log") as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return openai.OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def local():
    return FaceAssistant.load(None, engine="torch")


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """One face, and two: a photograph beside its darker mirror image."""
    from PIL import Image
    from skimage.data import astronaut

    folder, one = tmp_path_factory.mktemp("pictures"), astronaut()
    two = np.concatenate([one, (0.8 * one[:, ::-1]).astype(np.uint8)], 1)
    for name, pixels in (("one", one), ("two", two)):
        Image.fromarray(pixels).save(folder / f"{name}.png")
    return [folder / "one.png", folder / "two.png"]


def ready(server):
    return httpx.get(f"{server.url}/health/ready", timeout=40).status_code


def asked(picture, question):
    return [user(question, data_uri(picture, "image/png"))]


def test_it_says_what_serves_and_is_ready(server, client):
    assert "engine vllm (vllm 0.32.0" in server.log.read_text()
    assert ready(server) == 200
    assert client.models.list().data[0].engine["name"] == "vllm"


@pytest.mark.parametrize("question", QUESTIONS)
def test_answers_about_one_face_and_two_are_the_local_ones(client, local, pictures, question):
    for picture in pictures:
        wanted = local.ask(picture, question)
        found = client.chat.completions.create(model="facellm", messages=asked(picture, question))
        assert found.choices[0].message.content == wanted.text
        assert found.usage.total_tokens == wanted.usage["tokens"]
        assert found.facellm["intent"] == wanted.intent


def test_a_stream_is_the_local_answer_too(client, local, pictures):
    messages = asked(pictures[1], QUESTIONS[0])
    chunks = client.chat.completions.create(model="facellm", messages=messages, stream=True)
    words = [c.choices[0].delta.content for c in chunks if c.choices]
    assert "".join(w for w in words if w) == local.ask(pictures[1], QUESTIONS[0]).text


def test_readings_are_the_local_ones(server, local, pictures):
    images = [data_uri(picture, "image/png") for picture in pictures]
    sent = httpx.post(f"{server.url}/v1/readings", json={"images": images}, timeout=60).json()
    for entry, picture in zip(sent["data"], pictures, strict=True):
        wanted = [face.to_dict()["reading"] for face in local.read(picture)]
        assert [
            same(face["reading"], one) for face, one in zip(entry["faces"], wanted, strict=True)
        ]


def same(found, wanted):
    """Equal but for numbers, which may differ by ``TOLERANCE``."""
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        return all(same(found[name], value) for name, value in wanted.items())
    if isinstance(wanted, list | tuple):
        return all(same(one, two) for one, two in zip(found, wanted, strict=True))
    if isinstance(wanted, float):
        assert found == pytest.approx(wanted, abs=TOLERANCE)
        return True
    assert found == wanted
    return True


def ask_until_down(url, messages, number, seconds=120):
    """Ask again and again until an answer does not come; how it ended, and when."""
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0, timeout=seconds)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        asked_for = {"model": "facellm", "messages": messages, "temperature": 1.0, "seed": number}
        try:
            if number % 2:
                for _ in client.chat.completions.create(**asked_for, stream=True):
                    pass
            else:
                client.chat.completions.create(**asked_for)
        except openai.APIStatusError as error:
            return error.status_code, error.code, time.monotonic()
        except openai.APIError as error:  # an event of a stream that had begun
            return 200, error.code, time.monotonic()
    return 200, "it never went down", time.monotonic()


@pytest.mark.parametrize("victim", ["VLLM::EngineCore", "vllm.entrypoints.cli.main serve"])
def test_killed_under_load_it_ends_requests_cleanly_and_comes_back(
    server, client, local, pictures, victim
):
    messages = asked(pictures[0], QUESTIONS[1])
    with concurrent.futures.ThreadPoolExecutor(TOGETHER) as pool:
        jobs = [pool.submit(ask_until_down, server.url, messages, n) for n in range(TOGETHER)]
        time.sleep(8)
        pids = [pid for pid, line in server.family().items() if victim in line]
        assert pids, server.family()
        killed = time.monotonic()
        os.kill(max(pids), signal.SIGKILL)  # the guard's own command line holds the words too
        ends = [job.result(150) for job in jobs]
    assert {code for _, code, _ in ends} == {"engine_down"}
    assert {status for status, _, _ in ends} <= {200, 503}
    assert max(when for _, _, when in ends) - killed < 20
    assert ready(server) == 503
    end = time.monotonic() + 500
    while ready(server) != 200:
        assert time.monotonic() < end
        time.sleep(1)
    wanted = local.ask(pictures[0], QUESTIONS[1]).text
    found = client.chat.completions.create(model="facellm", messages=messages)
    assert found.choices[0].message.content == wanted


def test_a_stopped_server_ends_what_runs_and_leaves_nothing(server, client, pictures):
    messages = asked(pictures[1], QUESTIONS[1])
    family = server.family()
    chunks = iter(client.chat.completions.create(model="facellm", messages=messages, stream=True))
    next(chunks)
    server.process.send_signal(signal.SIGTERM)
    words = [c.choices[0].delta.content or "" for c in chunks if c.choices]
    assert "".join(words).endswith(".")
    assert server.stop() == 0
    assert not [pid for pid in family if process_row(pid)]


def test_an_adapter_on_top_of_the_weights_own_is_the_local_one(pictures, tmp_path):
    """The own adapter a second time: what is read and said changes, and alike in both engines."""
    serve_python()
    mine = shutil.copytree(SHIPPED / "adapter", tmp_path / "mine")
    file, digest = mine / "adapter_model.safetensors", language_digest(load_checkpoint().model)
    save_file(load_file(file), file, {"base_sha256": digest, "base_name": "shipped"})
    body = {"model": "facellm", "messages": asked(pictures[1], QUESTIONS[1])}
    found = {}
    for words in (("local", "--adapter", str(mine)), ("vllm", "--adapter", str(mine)), ("local",)):
        with served(("--engine", *words), tmp_path / "log") as running:
            answer = httpx.post(f"{running.url}/v1/chat/completions", json=body, timeout=60).json()
            found[words[0], len(words)] = answer
    faces, wanted, plain = (
        [face["reading"] for face in found[key]["facellm"]["faces"]]
        for key in (("vllm", 3), ("local", 3), ("local", 1))
    )
    assert same(faces, wanted)
    told, local = (found[name, 3]["choices"][0]["message"]["content"] for name in ("vllm", "local"))
    assert told == local
    assert abs(wanted[0]["age"]["mean"] - plain[0]["age"]["mean"]) > 10 * TOLERANCE
