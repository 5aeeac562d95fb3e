"""One worker process as its parent sees it: start, run a task, end.

Picture and pixels pass through a piece of memory that only the two share; the pipes carry a few
bytes.
"""

from __future__ import annotations

import asyncio
import json
import mmap
import os
import sys
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError

from .errors import BadPicture
from .worker import READY, SHARED_BYTES, TASK

START_SECONDS = 120.0  # libraries are read from a disk that may be slow
KEPT_BYTES = 16 * 2**20  # a worker keeps between tasks
_MODULE = "facellm.serve.guard.worker"
_PASSED_ON = ("PATH", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH")  # to find its libraries
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


class WorkerEnded(RuntimeError):
    """The worker is gone, or said something that is no answer."""


@dataclass(frozen=True)
class Answer:
    """Of one task.

    Attributes:
        pixels: (F, H, W, 3) uint8, a copy; empty with an error.
        times: F seconds.
        error: Why there are no pixels.
    """

    pixels: NDArray[np.uint8]
    times: tuple[float, ...]
    error: BadPicture | None = None


class WorkerProcess:
    """A running worker."""

    def __init__(self, process: asyncio.subprocess.Process, memory: int) -> None:
        self.process, self._memory = process, memory
        self._shared: mmap.mmap | None = mmap.mmap(memory, SHARED_BYTES)

    @classmethod
    async def start(cls) -> Self:
        """Start one and wait until it is ready.

        Raises:
            WorkerEnded: If it ends before, or takes two minutes.
            FaceLLMError: If the system is not Linux.
        """
        if not hasattr(os, "memfd_create"):
            raise FaceLLMError("the picture guard needs Linux (memfd_create, prctl)")
        memory = os.memfd_create("facellm-guard", os.MFD_CLOEXEC)
        os.ftruncate(memory, SHARED_BYTES)
        environment = {name: os.environ[name] for name in _PASSED_ON if name in os.environ}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-P", "-m", _MODULE, str(memory), str(os.getpid())),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            pass_fds=(memory,),
            cwd="/",
            env={**environment, **dict.fromkeys(_ONE_THREAD, "1")},
        )
        worker = cls(process, memory)
        try:
            line = await asyncio.wait_for(worker._line(), START_SECONDS)
        except (TimeoutError, asyncio.CancelledError, WorkerEnded) as error:
            await worker.end()
            if isinstance(error, asyncio.CancelledError):
                raise
            raise WorkerEnded(f"not ready: {error}") from error
        if line != READY:
            await worker.end()
            raise WorkerEnded(f"not ready: {line[:80]!r}")
        return worker

    async def run(self, kind: bytes, data: bytes) -> Answer:
        """Give a task and wait for its answer.

        Raises:
            WorkerEnded: If it ends, or answers nonsense.
        """
        shared, pipe = self._shared, self.process.stdin
        if shared is None or pipe is None:
            raise WorkerEnded("ended before")
        shared[: len(data)] = data
        try:
            pipe.write(TASK.pack(kind, len(data)))
            await pipe.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerEnded("its pipe is closed") from error
        line = await self._line()
        return self._taken(line, shared)

    def kill(self) -> None:
        """End it now."""
        if self.process.returncode is None:
            self.process.kill()

    async def end(self) -> None:
        """End it, wait for that, and free the memory. May be called twice."""
        self.kill()
        if self.process.stdin is not None:
            self.process.stdin.close()
        await self.process.wait()
        if self._shared is not None:
            self._shared.close()
            os.close(self._memory)
            self._shared = None

    async def _line(self) -> bytes:
        output = self.process.stdout
        if output is None:
            raise WorkerEnded("has no output")
        try:
            line = await output.readline()
        except ValueError as error:  # longer than any answer
            raise WorkerEnded("an endless answer") from error
        if not line.endswith(b"\n"):
            raise WorkerEnded(f"it ended ({self.process.returncode})")
        return line

    def _taken(self, line: bytes, shared: mmap.mmap) -> Answer:
        """Read an answer, copy its pixels and give memory back."""
        try:
            answer = json.loads(line)
            if "status" in answer:
                return Answer(np.empty((0, 0, 0, 3), np.uint8), (), _error(answer))
            shape = tuple(int(side) for side in answer["shape"])
            size = int(np.prod(shape, dtype=np.int64))
            if len(shape) != 4 or min(shape) < 1 or size > SHARED_BYTES:
                raise ValueError(f"shape {shape}")
            pixels = np.frombuffer(shared, np.uint8, size).reshape(shape).copy()
            return Answer(pixels, tuple(float(time) for time in answer["times"]))
        except (ValueError, KeyError, TypeError, OverflowError) as error:
            raise WorkerEnded(f"no answer: {line[:80]!r}") from error
        finally:
            self._give_back()

    def _give_back(self) -> None:
        """Free memory beyond what most pictures need; fresh pages cost more time than copies."""
        if os.fstat(self._memory).st_blocks * 512 > KEPT_BYTES:
            os.ftruncate(self._memory, 0)
            os.ftruncate(self._memory, SHARED_BYTES)


def _error(answer: dict[str, Any]) -> BadPicture:
    return BadPicture(int(answer["status"]), str(answer["code"])[:40], str(answer["message"])[:500])
