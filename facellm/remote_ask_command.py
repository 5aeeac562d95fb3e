"""The part of ``facellm ask`` that lets a running server answer.

Example::

    $ facellm ask photo.jpg "How old does she look?" --server http://127.0.0.1:8000
    About 34 years ...
"""

from __future__ import annotations

import argparse
import base64
import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from facellm.cli import NOTICE, seconds_since_start
from facellm.clip.opening import begins_as_video, is_clip
from facellm.errors import FaceLLMError
from facellm.remote import Remote, as_data_uri, refuse_local
from facellm.standard_input import STDIN, read_stdin

CHAT = "/v1/chat/completions"
MOST_CLIP_BYTES = 32_000_000
LOCAL_ONLY = (
    "model", "engine", "baseline", "reasoner", "reasoner_model", "send_picture", "samples", "frames"
)  # fmt: skip


def ask_remotely(
    args: argparse.Namespace,
    question: str | None,
    usual: argparse.ArgumentParser,
    write: Callable[[Iterator[str]], None],
) -> int:
    """Let the server answer and print; raises ``FaceLLMError`` for unusable input.

    Args:
        args: Of the verb.
        question: None asks for a full description.
        usual: The verb's parser.
        write: Puts words on standard output as they come.
    """
    refuse_local(args, usual, *LOCAL_ONLY)
    body = {"messages": [message(args.photo, question)], "crops": args.crops}
    remote = Remote(args.server, args.api_key)
    if args.json:
        found = record(remote.post(CHAT, body))
        print(json.dumps(found, indent=2, ensure_ascii=False))
        return 0
    write(words(remote, body))
    if not args.quiet:
        print(NOTICE, file=sys.stderr)
    return 0


def words(remote: Remote, body: dict[str, Any]) -> Iterator[str]:
    """Words of a streamed answer."""
    for chunk in remote.stream(CHAT, body | {"stream": True}):
        for choice in chunk.get("choices", []):
            if text := choice["delta"].get("content"):
                yield text


def message(photo: str, question: str | None) -> dict[str, Any]:
    """The user's message: a picture or clip, and the question where there is one."""
    parts: list[dict[str, Any]] = [media(photo)]
    if question:
        parts.append({"type": "text", "text": question})
    return {"role": "user", "content": parts}


def media(photo: str) -> dict[str, Any]:
    """A file, or standard input, as a content part."""
    if photo == STDIN:
        piped = read_stdin()
        if piped.is_clip:
            with piped.file() as path:
                return clip_part(STDIN, path.read_bytes())
        return picture_part(piped.data)
    path = Path(photo)
    if not path.is_file():
        why = "is a folder, not a picture" if path.is_dir() else "no such file"
        raise FaceLLMError(f"{photo}: {why}")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FaceLLMError(f"{photo}: cannot be read ({error.strerror})") from error
    return clip_part(photo, data) if is_clip(path) else picture_part(data)


def picture_part(data: bytes) -> dict[str, Any]:
    """A picture as a content part."""
    return {"type": "image_url", "image_url": {"url": as_data_uri(data)}}


def clip_part(name: str, data: bytes) -> dict[str, Any]:
    """A clip as a content part."""
    if not begins_as_video(data[:512]):
        raise FaceLLMError(f"{name}: is an animated picture; a server takes pictures and videos")
    if len(data) > MOST_CLIP_BYTES:
        raise FaceLLMError(f"{name}: {len(data):,} bytes; a server takes {MOST_CLIP_BYTES:,}")
    url = f"data:video/mp4;base64,{base64.b64encode(data).decode()}"
    return {"type": "video_url", "video_url": {"url": url}}


def record(answer: dict[str, Any]) -> dict[str, Any]:
    """The JSON of ``--json``, with the names that a local answer has.

    ``look``, ``first_word`` and ``answer`` are the server's seconds, ``total`` is the age of this
    process.
    """
    told = answer["facellm"]
    spent = told["timings"]
    timings = {name: spent[name] for name in ("look", "first_word")}
    timings |= {"answer": spent["total"], "total": round(seconds_since_start(), 4)}
    text = answer["choices"][0]["message"]["content"]
    found = {"answer": text, "intent": told["intent"]}
    if "clip" in told:
        return found | told["clip"] | {"timings": timings, "notice": told["notice"]}
    vision = {
        name: answer["usage"]["vision"][name] for name in ("faces", "crops", "tokens", "size")
    }
    shown = {"faces": told["faces"], "usage": vision}
    return found | shown | {"timings": timings, "notice": told["notice"]}
