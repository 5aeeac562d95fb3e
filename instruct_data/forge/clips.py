"""Methods that forge the frames of a clip: one face frozen, or seams between stretches.

Every frame keeps its pixels bit-identical outside of a matte around the face. A frame in which the
face was not found stays as it is.

Shapes: F frames (H, W, 3) uint8 RGB of one size; points of each (68, 2) float64 pixels or None.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from ..compose import face_matte
from .stills import STEADY
from .warp import Points, Rgb, face_scale, lay, similarity

Rng = np.random.Generator
STRETCH = 16  # frames a generator makes at once; its seams lie this far apart


@dataclass(frozen=True)
class Frames:
    """A stretch of a clip with one face followed.

    Attributes:
        pixels: F pictures.
        points: F points, None where the face was not found.
    """

    pixels: Sequence[Rgb]
    points: Sequence[Points | None]


@dataclass(frozen=True)
class ForgedFrames:
    """What a method gives.

    Attributes:
        pixels: F pictures.
        drawn: What was drawn at random, by name, JSON-ready.
    """

    pixels: list[Rgb]
    drawn: dict[str, int | float | list[int]]


def frozen_identity(clip: Frames, rng: Rng) -> ForgedFrames:
    """One frame's face laid over every other: it is carried along but no longer moves by itself."""
    seen = [index for index, points in enumerate(clip.points) if points is not None]
    kept = int(rng.choice(seen))
    source, held = clip.points[kept], clip.pixels[kept]
    assert source is not None
    matte_seed = int(rng.integers(2**31))
    out = []
    for pixels, points in zip(clip.pixels, clip.points, strict=True):
        if points is None:
            out.append(pixels)
            continue
        shape = pixels.shape[:2]
        # One shape of matte for the whole clip: drawn anew for each frame it would flicker.
        matte = face_matte(points, shape, np.random.default_rng(matte_seed))  # type: ignore[arg-type]
        out.append(lay(pixels, _carried(held, source, points), matte))
    out[kept] = clip.pixels[kept]
    return ForgedFrames(out, {"frozen_frame": kept})


def _carried(held: Rgb, source: Points, points: Points) -> Rgb:
    """A face moved rigidly (and scaled) to where another frame has its steady points."""
    steady = list(STEADY)
    onto = similarity(source[steady] - 0.5, points[steady] - 0.5)
    size = (held.shape[1], held.shape[0])
    moved = cv2.warpAffine(held, onto, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return moved  # type: ignore[return-value]


def clip_seam(clip: Frames, rng: Rng) -> ForgedFrames:
    """Colour drifts within stretches of 16 frames and jumps between them, and the face jumps too.

    The first stretch stays as it is, so a seam lies at frame 16, 32 ...: both sides of each differ.
    """
    out: list[Rgb] = []
    seams = list(range(STRETCH, len(clip.pixels), STRETCH))
    matte_seed, look = int(rng.integers(2**31)), _Stretch.draw(rng)
    for index, (pixels, points) in enumerate(zip(clip.pixels, clip.points, strict=True)):
        if index in seams:
            look = _Stretch.draw(rng)
        if points is None or index < STRETCH:
            out.append(pixels)
            continue
        matte = face_matte(points, pixels.shape[:2], np.random.default_rng(matte_seed))  # type: ignore[arg-type]
        out.append(lay(pixels, look.of(pixels, points, (index % STRETCH) / STRETCH), matte))
    return ForgedFrames(out, {"stretch": STRETCH, "seams": seams})


@dataclass(frozen=True)
class _Stretch:
    """How one stretch differs: levels of colour at its end, shift in eye-corner distances."""

    colour: np.ndarray
    shift: np.ndarray

    @classmethod
    def draw(cls, rng: Rng) -> _Stretch:
        turn = rng.uniform(0, 2 * np.pi)
        length = rng.uniform(0.02, 0.05)
        signs = rng.choice([-1.0, 1.0], 3)
        return cls(signs * rng.uniform(4, 12, 3), length * np.array([np.cos(turn), np.sin(turn)]))

    def of(self, pixels: Rgb, points: Points, along: float) -> np.ndarray:
        """The face of this stretch at ``along`` in [0, 1) of it, (H, W, 3) float32."""
        x, y = self.shift * face_scale(points)
        size = (pixels.shape[1], pixels.shape[0])
        matrix = np.array([[1, 0, x], [0, 1, y]], np.float64)
        moved = cv2.warpAffine(pixels, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        return (moved + self.colour * (0.3 + 0.7 * along)).astype(np.float32)


CLIPS: dict[str, Callable[[Frames, Rng], ForgedFrames]] = {
    "frozen_identity": frozen_identity,
    "clip_seam": clip_seam,
}
LEAST_FRAMES = {"frozen_identity": 8, "clip_seam": STRETCH + 4}
