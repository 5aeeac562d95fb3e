"""The vLLM engine: readings and answers by ``vllm serve``, a child process on a unix socket.

vLLM lives in an environment of its own (``setup_environment``), so nothing here imports it. Prompts
are the core processor's token ids, what comes back are token ids; words are made here.

Example::

    engine = VllmEngine(load_processor(folder), folder)
    await engine.start()
    async for piece in engine.reply(turns, Bounds()):
        ...

Legend: N faces, Q queries.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from numpy.typing import NDArray

from facellm.answer_words import AnswerWords
from facellm.conversation import FacePart, Turn
from facellm.errors import FaceLLMError
from facellm.labels import QUERIES
from facellm.processor import FaceLLMProcessor

from .engines import Bounds, EngineDown, Piece
from .server_process import Patience, ServerProcess
from .setup_environment import needed_python
from .vllm_command import MODEL, VllmOptions, command, context_length, environment
from .vllm_requests import (
    PATH,
    Body,
    answer_ids,
    answer_sampling,
    body,
    canary_body,
    reading_body,
    reading_tables,
    stream_tokens,
)

CANARY = 15.0  # seconds within which one token has to come


class VllmEngine:
    """A ``ServingEngine``; see the module docstring.

    Args:
        processor: Of the checkpoint; its landmark network is not needed here.
        folder: The checkpoint, as it is.
        options: What a user decides.
        python: Interpreter that has vLLM; None looks for the environment that was set up.
        patience: How long is waited for what.

    Attributes:
        model: Whose answers these are: the weights', or an adapter's name (``as_model``).
    """

    name = "vllm"

    def __init__(
        self,
        processor: FaceLLMProcessor,
        folder: Path,
        options: VllmOptions | None = None,
        python: Path | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.options = options or VllmOptions()
        self.model, self.detail = MODEL, "vllm, not started"
        self._processor, self._folder = processor, folder
        self._python = python or needed_python()
        self._longest = context_length(folder, self.options)
        self.server = ServerProcess(
            command(self._python, folder, self.options),
            environment(self._python, self.options),
            patience,
        )

    def as_model(self, name: str) -> VllmEngine:
        """The same server, answering as one of its adapters.

        Raises:
            FaceLLMError: If it serves no adapter of that name.
        """
        if name != MODEL and name not in self.options.adapters:
            held = ", ".join((MODEL, *self.options.adapters))
            raise FaceLLMError(f"no adapter {name!r} is served, there are {held}")
        other = copy(self)
        other.model = name
        return other

    async def start(self) -> None:
        """See ``ServingEngine``; takes a minute, most of it imports.

        A first reading is taken, of a grey square: it warms up what is slow the first time, and
        shows that readings work before somebody asks for one.
        """
        await self.server.start()
        side = self._processor.crop_size
        await self.logprobs([FacePart(np.full((side, side, 3), 128, np.uint8))])
        version = (await self._ask("GET", "/version")).get("version", "?")
        where = "a GPU" if self.options.gpu else "the CPU"
        self.detail = f"vllm {version} on {where}"

    async def close(self) -> None:
        """See ``ServingEngine``."""
        await self.server.close()

    def check(self) -> None:
        """See ``ServingEngine``."""
        self.server.check()

    async def alive(self) -> None:
        """See ``ServingEngine``."""
        self.server.check()
        try:
            async with asyncio.timeout(CANARY):
                answer = await self._ask("POST", PATH, canary_body(self._processor, self.model))
        except TimeoutError as error:
            raise EngineDown(f"the engine wrote no token in {CANARY:.0f} s") from error
        if not answer.get("choices") or not answer["choices"][0].get("token_ids"):
            raise EngineDown("the engine wrote no token")

    async def logprobs(self, faces: Sequence[FacePart]) -> list[NDArray[np.float32]]:
        """See ``ServingEngine``; landmarks are found anew in each crop, given ones are not sent."""
        if not faces:
            return [np.empty((0, len(query.labels)), np.float32) for query in QUERIES]
        bodies = [reading_body(self._processor, self.model, face) for face in faces]
        tasks = [asyncio.create_task(self._read(body)) for body in bodies]
        try:
            tables = await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()  # one face that failed takes the others along
        return [np.stack(rows) for rows in zip(*tables, strict=True)]

    async def _read(self, request: Body) -> list[NDArray[np.float32]]:
        return reading_tables(await self._ask("POST", PATH, request))

    async def reply(self, turns: Sequence[Turn], bounds: Bounds) -> AsyncIterator[Piece]:
        """See ``ServingEngine``."""
        self.server.check()
        short, whole = answer_ids(self._processor, turns)
        room = self._longest - len(whole)
        if room < 1:
            raise FaceLLMError(
                f"the conversation has {len(whole)} tokens, the model takes {self._longest - 1}"
            )
        bounds = replace(bounds, longest=min(bounds.longest, room))
        faces = [part for turn in turns for part in turn.parts if isinstance(part, FacePart)]
        sampling = answer_sampling(self._processor, whole, bounds)
        request = {**body(self.model, short, faces, sampling), "stream": True}
        words, stop = AnswerWords(self._processor.tokenizer), sampling["stop_token_ids"]
        async with self._stream(request) as lines:
            async for line in lines:
                found = stream_tokens(line)
                if found is None:
                    continue
                tokens = tuple(token for token in found[0] if token not in stop)
                text = "".join(words.add(token) for token in tokens)
                if found[1] is not None:
                    yield Piece(text + words.rest(), tokens, found[1], len(whole))
                    return
                if tokens:
                    yield Piece(text, tokens)
        raise EngineDown("the engine ended an answer without saying so")

    @asynccontextmanager
    async def _stream(self, request: Body) -> AsyncIterator[AsyncIterator[str]]:
        """Lines of a streamed answer; leaving closes the connection, and vLLM stops writing."""
        try:
            async with self.server.client.stream("POST", PATH, json=request) as response:
                if response.is_error:
                    await response.aread()
                    raise refusal(response)
                yield response.aiter_lines()
        except httpx.HTTPError as error:
            raise EngineDown(f"the engine broke off: {error!r}") from error

    async def _ask(self, method: str, path: str, request: Body | None = None) -> dict[str, Any]:
        """One request and its JSON answer."""
        self.server.check()
        try:
            response = await self.server.client.request(method, path, json=request)
        except httpx.HTTPError as error:
            raise EngineDown(f"the engine broke off: {error!r}") from error
        if response.is_error:
            raise refusal(response)
        try:
            return response.json()
        except ValueError as error:
            raise EngineDown(f"the engine sent no JSON: {error}") from error


def refusal(response: httpx.Response) -> FaceLLMError:
    """Why vLLM took no request: the request's fault (4xx), or vLLM's own."""
    try:
        reason = str(json.loads(response.text)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        reason = response.text[:200]
    if response.is_client_error:
        return FaceLLMError(f"vLLM refused the request: {reason}")
    return EngineDown(f"vLLM failed with {response.status_code}: {reason}")
