"""Pictures and clips decoded in a process of their own, with a bound on memory and time.

Example: ``pixels = await PlainGuard().picture(data)``
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import resource
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.processes import end_with_parent

SECONDS = 10.0  # a picture may take
MEMORY = 3 << 30  # bytes of address space of the decoder
MOST_PIXELS = 25_000_000
FRAMES, CLIP_SECONDS = 16, 60.0
_BEGINNINGS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF")


class BadPicture(FaceLLMError):
    """A picture that is not taken; ``status`` and ``code`` are those of the answer."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code = status, code


@dataclass(frozen=True)
class Frames:
    """Frames (H, W, 3) of a clip and their times in seconds."""

    frames: tuple[NDArray[np.uint8], ...]
    times: tuple[float, ...]


class PlainGuard:
    """See the module docstring."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None

    async def start(self) -> None:
        """Start the process."""
        context = multiprocessing.get_context("spawn")
        self._pool = ProcessPoolExecutor(1, context, initializer=_limit)

    async def close(self) -> None:
        """End it."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, cancel_futures=True)

    async def picture(self, data: bytes) -> NDArray[np.uint8]:
        """Pixels (H, W, 3); raises ``BadPicture``."""
        if not data.startswith(_BEGINNINGS):
            raise BadPicture(415, "unsupported_image", "pictures are JPEG, PNG or WebP")
        return await self._run(_picture, data)

    async def clip(self, data: bytes) -> Frames:
        """Frames spread over a clip; raises ``BadPicture``."""
        return Frames(*await self._run(_clip, data))

    async def _run(self, work: Any, data: bytes) -> Any:
        if self._pool is None:
            raise BadPicture(503, "guard_down", "the guard is not started")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(SECONDS):
                return await loop.run_in_executor(self._pool, work, data)
        except TimeoutError:
            await self.close()
            await self.start()
            raise BadPicture(504, "decode_timeout", f"decoding took over {SECONDS:g} s") from None
        except BrokenProcessPool:
            await self.start()
            raise BadPicture(400, "invalid_image", "the decoder crashed on it") from None
        except (FaceLLMError, MemoryError) as error:
            raise BadPicture(400, "invalid_image", f"not readable: {error}") from None


def _limit() -> None:
    end_with_parent()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))


def _picture(data: bytes) -> NDArray[np.uint8]:
    import io

    from PIL import Image

    from facellm.images import load_image

    try:
        with Image.open(io.BytesIO(data), formats=["JPEG", "PNG", "WEBP"]) as picture:
            size = picture.size
    except (OSError, SyntaxError, ValueError) as error:
        raise FaceLLMError(f"not a picture ({error})") from None
    if size[0] * size[1] > MOST_PIXELS:
        raise FaceLLMError(f"{size[0]} x {size[1]} pixels, at most {MOST_PIXELS:,}")
    return load_image(data)


def _clip(data: bytes) -> tuple[tuple[NDArray[np.uint8], ...], tuple[float, ...]]:
    from pathlib import Path

    from facellm.clip.frames import sampled
    from facellm.clip.opening import begins_as_video, open_clip

    if not begins_as_video(data[:512]):
        raise FaceLLMError("not a video")
    file = os.memfd_create("clip")
    try:
        os.write(file, data)
        clip = open_clip(Path(f"/proc/self/fd/{file}"))
        seconds = clip.seconds()
        if seconds > CLIP_SECONDS:
            raise FaceLLMError(f"{seconds:.0f} s long, at most {CLIP_SECONDS:g}")
        rate = (FRAMES - 1) / seconds if seconds > 0 else 0.0
        found = [(f.pixels(), f.time) for f in sampled(clip.frames(), rate)][:FRAMES]
    finally:
        os.close(file)
    if not found:
        raise FaceLLMError("no frame could be decoded")
    return tuple(p for p, _ in found), tuple(t for _, t in found)
