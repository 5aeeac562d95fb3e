"""Pictures and clips of strangers, decoded in worker processes that are kept warm.

Example::

    guard = PictureGuard(workers=2)
    await guard.start()
    pixels = await guard.picture(data)     # (H, W, 3) uint8 RGB, or BadPicture with a status
    await guard.close()

As many tasks run at once as there are workers; others wait a bounded time. A worker that dies or
does not answer in time is ended and replaced; its request is told so, no other one notices. What a
worker answers is checked like a stranger's word.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.images import MAX_SIDE, Rgb

from .errors import BUSY, INVALID, SLOW, BadPicture
from .kinds import MOST_FRAMES, clip_kind, picture_kind
from .process import Answer, WorkerEnded, WorkerProcess
from .worker import CLIP, PICTURE

_log = logging.getLogger(__name__)
RETRY_AFTER = 1.0  # seconds until a worker that did not start is started again


@dataclass(frozen=True)
class ClipFrames:
    """Frames of a clip, spread evenly.

    Attributes:
        frames: (F, H, W, 3) uint8 RGB, at most 16, longer side at most 1,280 pixels.
        times: F seconds from the first frame, rising.
    """

    frames: NDArray[np.uint8]
    times: tuple[float, ...]


class PictureGuard:
    """Decodes for a server.

    Args:
        workers: Processes, and so the most tasks at once.
        deadline: Seconds a picture may take; a clip may take three times as long.
        wait: Seconds a task waits for a free worker.
    """

    def __init__(self, workers: int = 2, deadline: float = 10.0, wait: float = 10.0) -> None:
        if workers < 1 or deadline <= 0 or wait < 0:
            raise FaceLLMError(f"guard: {workers} workers, {deadline} s, wait {wait} s: too small")
        self.workers, self.deadline, self.wait = workers, deadline, wait
        self.replaced = 0
        self._free: asyncio.Queue[WorkerProcess] = asyncio.Queue()
        self._all: set[WorkerProcess] = set()
        self._starting: set[asyncio.Task[None]] = set()
        self._open = False

    async def start(self) -> None:
        """Start the workers; returns when each can take a task.

        Raises:
            FaceLLMError: If one does not start.
        """
        self._open = True
        try:
            for worker in await asyncio.gather(
                *(WorkerProcess.start() for _ in range(self.workers))
            ):
                self._add(worker)
        except WorkerEnded as error:
            await self.close()
            raise FaceLLMError(f"the picture guard's worker does not start ({error})") from error

    async def close(self) -> None:
        """End the workers; tasks under way fail. May be called twice."""
        self._open = False
        for task in self._starting:
            task.cancel()
        await asyncio.gather(*self._starting, return_exceptions=True)
        await asyncio.gather(*(worker.end() for worker in self._all))
        self._all.clear()
        self._free = asyncio.Queue()

    async def picture(self, data: bytes) -> Rgb:
        """Pixels of one still picture, (H, W, 3) uint8 RGB (``pictures.decode_picture``).

        Raises:
            BadPicture: Why it is not taken.
        """
        picture_kind(data)
        return (await self._run(PICTURE, data, self.deadline)).pixels[0]

    async def clip(self, data: bytes) -> ClipFrames:
        """At most 16 frames of a clip (``clips.decode_clip``).

        Raises:
            BadPicture: Why it is not taken.
        """
        clip_kind(data)
        answer = await self._run(CLIP, data, 3 * self.deadline)
        return ClipFrames(answer.pixels, answer.times)

    async def _run(self, kind: bytes, data: bytes, deadline: float) -> Answer:
        if not self._open:
            raise BadPicture(503, BUSY, "the picture guard is closed")
        try:
            worker = await asyncio.wait_for(self._free.get(), self.wait)
        except TimeoutError as error:
            raise BadPicture(503, BUSY, f"no decoder was free for {self.wait:g} s") from error
        sound = False
        try:
            answer = await asyncio.wait_for(worker.run(kind, data), deadline)
            sound = True
        except TimeoutError as error:
            raise BadPicture(504, SLOW, f"not decoded within {deadline:g} s") from error
        except WorkerEnded as error:
            raise BadPicture(400, INVALID, "decoding it ended the decoder") from error
        finally:  # also where the request was cancelled: its worker is still at it
            if sound:
                self._free.put_nowait(worker)
            else:
                self._replace(worker)
        return _checked(answer)

    def _add(self, worker: WorkerProcess) -> None:
        self._all.add(worker)
        self._free.put_nowait(worker)

    def _replace(self, worker: WorkerProcess) -> None:
        self.replaced += 1
        worker.kill()
        if self._open:
            task = asyncio.create_task(self._start_one(worker))
            self._starting.add(task)
            task.add_done_callback(self._starting.discard)

    async def _start_one(self, ended: WorkerProcess) -> None:
        await ended.end()
        self._all.discard(ended)
        while self._open:
            try:
                return self._add(await WorkerProcess.start())
            except WorkerEnded as error:
                _log.error("a worker of the picture guard does not start (%s); tried again", error)
                await asyncio.sleep(RETRY_AFTER)


def _checked(answer: Answer) -> Answer:
    """The answer, if it is one a sound worker gives."""
    if answer.error is not None:
        raise answer.error
    frames, height, width, channels = answer.pixels.shape
    sound = 1 <= frames <= MOST_FRAMES and channels == 3 and len(answer.times) == frames
    sound = sound and 1 <= height <= MAX_SIDE and 1 <= width <= MAX_SIDE
    if not (sound and all(map(math.isfinite, answer.times))):
        raise BadPicture(400, INVALID, "decoding it gave no picture")
    return answer
