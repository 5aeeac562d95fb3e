"""The engine that is always there: the model in this process, in a thread of its own.

Example::

    engine = LocalEngine(None)
    await engine.start()
    async for piece in engine.reply(turns, Bounds()): ...
"""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from facellm.adapted_engine import with_adapter
from facellm.adapter_file import replaces_own
from facellm.adapter_labels import has_labels
from facellm.adapter_merge import merge_adapter
from facellm.checkpoint import SHIPPED, load_checkpoint
from facellm.conversation import FacePart, TextPart, Turn
from facellm.engine import choose_engine
from facellm.engine_names import AUTO, TORCH, check_engine
from facellm.labels import QUERIES

from .engines import Bounds, EngineDown, Piece
from .model_thread import ModelThread

CANARY = (Turn("user", (TextPart("Describe the face."),)),)


class LocalEngine:
    """A ``ServingEngine`` over a checkpoint.

    Args:
        path: Folder of weights; None takes those shipped.
        adapter: A LoRA adapter that is merged in, or a folder of ``facellm adapt``, which corrects
            readings and leaves the words as they are; None takes the weights as they are.
        readings: What takes readings, of ``facellm.engine_names.ENGINES``.

    Raises:
        FaceLLMError: If ``readings`` names no engine.
    """

    name = "local"

    def __init__(
        self, path: Path | None, adapter: Path | None = None, readings: str = AUTO
    ) -> None:
        self._path, self._adapter, self._readings = path, adapter, check_engine(readings)
        self.detail = f"torch {torch.__version__}"
        self._thread: ModelThread | None = None

    async def start(self) -> None:
        """Load; ``FaceLLMError`` if the weights cannot be."""
        if self._thread is None:
            self._thread = await asyncio.to_thread(self._load)

    def _load(self) -> ModelThread:
        adapter = self._adapter
        if adapter is None or has_labels(adapter):
            checkpoint = load_checkpoint(self._path)
            reader = choose_engine(checkpoint, self._readings)
            if adapter is not None:
                reader = with_adapter(reader, checkpoint, adapter)
        else:
            own = not replaces_own(adapter, self._path or SHIPPED)
            checkpoint = load_checkpoint(self._path, own_adapter=own)
            model = merge_adapter(checkpoint.model, adapter).eval()
            checkpoint = dataclasses.replace(checkpoint, model=model)
            reader = choose_engine(checkpoint, TORCH)  # the quantised copy does not hold it
        self.detail = f"torch {torch.__version__}, readings by {reader.detail}"
        return ModelThread(checkpoint, reader)

    async def close(self) -> None:
        """Stop the thread."""
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.to_thread(thread.close)

    @property
    def _running(self) -> ModelThread:
        if self._thread is None:
            raise EngineDown("the local engine is not started")
        return self._thread

    async def logprobs(self, faces: Sequence[FacePart]) -> list[NDArray[np.float32]]:
        """See ``ServingEngine``."""
        if not faces:
            return [np.zeros((0, len(query.labels)), np.float32) for query in QUERIES]
        loop = asyncio.get_running_loop()
        found: asyncio.Queue[Any] = asyncio.Queue()
        self._running.read(faces, lambda result: _call(loop, found, result))
        return _given(await found.get())

    async def reply(self, turns: Sequence[Turn], bounds: Bounds) -> AsyncIterator[Piece]:
        """See ``ServingEngine``."""
        loop = asyncio.get_running_loop()
        found: asyncio.Queue[Any] = asyncio.Queue()
        job = self._running.write(turns, bounds, lambda piece: _call(loop, found, piece))
        try:
            while True:
                piece: Piece = _given(await found.get())
                yield piece
                if piece.finish is not None:
                    return
        finally:
            job.cancelled = True

    def check(self) -> None:
        """See ``ServingEngine``."""
        _ = self._running

    async def alive(self) -> None:
        """See ``ServingEngine``."""
        async for _ in self.reply(CANARY, Bounds(longest=1)):
            pass


def _call(loop: asyncio.AbstractEventLoop, found: asyncio.Queue[Any], result: Any) -> None:
    """Hand a result from the thread to the loop; a loop that has ended wants none."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(found.put_nowait, result)


def _given(result: Any) -> Any:
    """A result, or the exception that came in its place."""
    if isinstance(result, BaseException):
        raise result
    return result
