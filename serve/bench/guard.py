"""The picture guard: what a usual photograph takes, and the worst that is taken at all."""

from __future__ import annotations

import asyncio
import io
import statistics
import time

import cv2
import numpy as np
from PIL import Image

from facellm.bench_lines import Line, Rgb, new_photo

from ..gateway.settings import Settings
from ..guard import PictureGuard

KINDS = {
    "JPEG": {"quality": 80},
    "PNG": {"compress_level": 1},
    "WEBP": {"quality": 60, "method": 0},
}
USUAL = 4  # photographs a turn
DEADLINE = 60.0  # seconds: on a busy machine the worst case is to be measured, not refused


def guard_lines(runs: int) -> list[Line]:
    """Milliseconds a picture takes in the guard, its way to the worker and back included."""
    usual = [encoded(new_photo(index), "JPEG") for index in range(USUAL)]
    pixels = largest()
    worst = {kind: encoded(pixels, kind) for kind in KINDS}
    times, most = asyncio.run(guarded(usual, worst, runs))
    megapixels = Settings().picture_pixels // 1_000_000
    lines = [Line("guard: photograph of 1 MP", 1e3 * times, "ms", None, USUAL * runs)]
    for kind, seconds in most.items():
        size = len(worst[kind]) / 1e6
        name = f"guard, worst case: {kind} of {megapixels} MP, {size:.1f} MB"
        lines.append(Line(name, 1e3 * seconds, "ms", None, runs))
    return lines


async def guarded(
    usual: list[bytes], worst: dict[str, bytes], runs: int
) -> tuple[float, dict[str, float]]:
    """Median of the usual ones and the longest of each kind of large ones, seconds."""
    guard = PictureGuard(workers=1, deadline=DEADLINE)
    await guard.start()
    try:
        await guard.picture(usual[0])
        taken = [await one(guard, data) for _ in range(runs) for data in usual]
        most = {
            kind: max([await one(guard, data) for _ in range(runs)]) for kind, data in worst.items()
        }
    finally:
        await guard.close()
    return statistics.median(taken), most


async def one(guard: PictureGuard, data: bytes) -> float:
    """Seconds of one picture."""
    start = time.perf_counter()
    await guard.picture(data)
    return time.perf_counter() - start


def largest() -> Rgb:
    """The photograph at the most pixels that are taken, (H, W, 3)."""
    side = int(np.sqrt(Settings().picture_pixels))
    larger = cv2.resize(new_photo(0), (side, side), interpolation=cv2.INTER_CUBIC)
    return np.asarray(larger, np.uint8)


def encoded(pixels: Rgb, kind: str) -> bytes:
    """A file of ``KINDS``; a PNG of the largest photograph would be too many bytes, so it is grey.

    What costs time is the number of pixels; the guard makes three channels of one.
    """
    picture = Image.fromarray(pixels)
    if kind == "PNG":
        picture = picture.convert("L").quantize(16).convert("L")
    buffer = io.BytesIO()
    picture.save(buffer, kind, **KINDS[kind])
    return buffer.getvalue()
