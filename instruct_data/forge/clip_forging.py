"""A clip of a real face -> the same clip forged, frame by frame, with a mask a frame."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import islice

import numpy as np

from facellm.errors import FaceLLMError

from .clips import CLIPS, LEAST_FRAMES, Frames
from .made import Made, Unusable
from .naming import region_shares
from .points import usable
from .sources import RealFace
from .stills import changed, like_grey
from .warp import Points, Rgb

LONGEST = 64  # frames taken from the start of a clip: all of them are held in memory
FOLLOWED = 0.8  # share of the frames in which the face must be found


Follow = Callable[[Sequence[Rgb]], list[Points | None]]


def forge_clip(face: RealFace, method: str, rng: np.random.Generator, follow: Follow) -> Made:
    """Forge the first 64 frames of a clip.

    Args:
        face: The clip.
        method: One of ``clips.CLIPS``.
        rng: Source of randomness.
        follow: Frames -> the points of one face through them.

    Raises:
        Unusable: If it is too short for the method, its face is lost, or its frames differ in size.
        FaceLLMError: If it cannot be read.
    """
    pixels, rate = _read(face)
    if len(pixels) < LEAST_FRAMES[method]:
        raise Unusable("too few frames", f"{len(pixels)}, {method} needs {LEAST_FRAMES[method]}")
    if len({frame.shape for frame in pixels}) > 1:
        raise Unusable("frames of several sizes", face.where)
    found = [points if usable(points) else None for points in follow(pixels)]
    seen = [points for points in found if points is not None]
    if len(seen) < FOLLOWED * len(pixels):
        raise Unusable("face lost", f"found in {len(seen)} of {len(pixels)} frames")
    forged = CLIPS[method](Frames(pixels, found), rng)
    after = [like_grey(a, b) for a, b in zip(pixels, forged.pixels, strict=True)]
    masks = [changed(a, b) for a, b in zip(pixels, after, strict=True)]
    if not np.any(masks):
        raise Unusable("too little changed", "no pixel of any frame")
    return Made(
        before=pixels,
        after=after,
        masks=masks,
        shares=_mean_shares(masks, found),
        drawn=dict(forged.drawn),
        rate=rate,
    )


def _read(face: RealFace) -> tuple[list[Rgb], float]:
    """The first frames of a clip and how many there are a second."""
    assert face.clip is not None
    clip = face.clip()
    frames = list(islice(clip.frames(), LONGEST))
    pixels = [frame.pixels() for frame in frames]
    if not pixels:
        raise FaceLLMError(f"{face.where}: no frame; {'; '.join(clip.losses.lines())}")
    seconds = frames[-1].time - frames[0].time
    return pixels, (len(frames) - 1) / seconds if seconds > 0 else 25.0


def _mean_shares(masks: list[np.ndarray], found: list[np.ndarray | None]) -> dict[str, float]:
    """Region shares, every frame with a mask counting alike."""
    pairs = zip(masks, found, strict=True)
    rows = [region_shares(m, points) for m, points in pairs if points is not None and m.any()]
    return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}
