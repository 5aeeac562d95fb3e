"""A client that measures: questions to a running server, by streams and in one piece.

A stream is held to its form: one opening, words, one end, one ``[DONE]``, all of one answer.

Example: ``answer = await Asker(client).stream(Question("Age?", (uri,)))``; ``answer.first``
"""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import httpx
from PIL import Image

from facellm.bench_lines import Rgb, new_photo
from facellm.errors import FaceLLMError

CHAT, READINGS = "/v1/chat/completions", "/v1/readings"


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        text: Words.
        pictures: Data URIs.
        longest: Most tokens of the answer; None leaves it to the server.
        crops: Every picture is one face crop.
        earlier: Question and answer that went before, about the same pictures.
    """

    text: str
    pictures: tuple[str, ...] = ()
    longest: int | None = None
    crops: bool = False
    earlier: tuple[str, str] | None = None

    def body(self) -> dict[str, Any]:
        """Of the request."""
        first, *rest = [*(self.earlier or ()), self.text]
        shown = [{"type": "image_url", "image_url": {"url": url}} for url in self.pictures]
        opening = {"role": "user", "content": [*shown, {"type": "text", "text": first}]}
        roles = ("assistant", "user")
        later = [{"role": roles[n % 2], "content": text} for n, text in enumerate(rest)]
        found: dict[str, Any] = {"model": "facellm", "messages": [opening, *later]}
        found |= {"crops": True} if self.crops else {}
        return found | ({"max_tokens": self.longest} if self.longest else {})


@dataclass(frozen=True)
class Answer:
    """What came.

    Attributes:
        text: Words.
        tokens: Of the answer.
        first: Seconds until the first word; of a whole answer, until all of it.
        total: Seconds until the end.
    """

    text: str
    tokens: int
    first: float
    total: float

    @property
    def per_token(self) -> float:
        """Seconds a further token takes."""
        return (self.total - self.first) / max(1, self.tokens - 1)


class Asker:
    """Asks a server.

    Args:
        client: With its address.
    """

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client

    async def whole(self, question: Question) -> Answer:
        """An answer in one piece; ``FaceLLMError`` for any other status than 200."""
        start = time.perf_counter()
        response = await self.client.post(CHAT, json=question.body())
        seconds = time.perf_counter() - start
        record = taken(response)
        text = record["choices"][0]["message"]["content"]
        return Answer(text, record["usage"]["completion_tokens"], seconds, seconds)

    async def stream(self, question: Question) -> Answer:
        """A streamed answer; ``FaceLLMError`` where the stream is not of its form."""
        options = {"stream": True, "stream_options": {"include_usage": True}}
        start, first, events = time.perf_counter(), 0.0, []
        async with self.client.stream("POST", CHAT, json=question.body() | options) as response:
            if response.status_code != httpx.codes.OK:
                await response.aread()
                taken(response)
            async for line in response.aiter_lines():
                if not line:
                    continue
                events.append(line)
                if not first and '"content": ""' not in line:
                    first = time.perf_counter() - start
        total = time.perf_counter() - start
        text, tokens = stream_words(events)
        return Answer(text.strip(), tokens, first, total)

    async def readings(self, pictures: Sequence[str], *, crops: bool = False) -> int:
        """How many faces were read."""
        sent = {"images": list(pictures), "crops": crops}
        record = taken(await self.client.post(READINGS, json=sent))
        return sum(len(entry["faces"]) for entry in record["data"])


def taken(response: httpx.Response) -> dict[str, Any]:
    """The answer's JSON; ``FaceLLMError`` with its words for any other status than 200."""
    if response.status_code != httpx.codes.OK:
        raise FaceLLMError(f"the server said {response.status_code}: {response.text[:200]}")
    return response.json()


def stream_words(events: Sequence[str]) -> tuple[str, int]:
    """Words and number of tokens of a stream's lines.

    Raises:
        FaceLLMError: If it tells of an error, or is not: an opening, words, an end, usage, done.
    """
    if not events or events[-1] != "data: [DONE]" or events.count(events[-1]) != 1:
        raise FaceLLMError("a stream without its one end")
    records = [json.loads(event.removeprefix("data: ")) for event in events[:-1]]
    if failed := [record["error"] for record in records if "error" in record]:
        raise FaceLLMError(f"a stream that broke: {failed[0]['message']}")
    *pieces, usage = records
    deltas = [piece["choices"][0]["delta"] for piece in pieces]
    ends = [piece["choices"][0]["finish_reason"] for piece in pieces]
    sound = len({record["id"] for record in records}) == 1 and usage["choices"] == []
    sound = sound and [bool(delta.get("role")) for delta in deltas] == [True] + [False] * (
        len(deltas) - 1
    )
    if not (sound and ends[-1] and not any(ends[:-1])):
        raise FaceLLMError("a stream whose pieces are not those of one answer")
    text = "".join(delta.get("content") or "" for delta in deltas)
    return text, int(usage["usage"]["completion_tokens"])


def photographs(count: int, first: int = 0) -> list[str]:
    """Different photographs of one face, JPEG of a megapixel, as data URIs."""
    return [data_uri(new_photo(index), "JPEG") for index in range(first, first + count)]


def data_uri(pixels: Rgb, kind: str) -> str:
    """A picture (H, W, 3) uint8 as a data URI of ``JPEG`` or ``PNG``."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **({"quality": 92} if kind == "JPEG" else {}))
    return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
