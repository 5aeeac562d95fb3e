"""Rendered faces with two one-sided cues: one brow raised, one eye painted shut.

Each cue is a local edit at the landmarks of an unedited render, and the landmarks handed on are
those of the UNEDITED face: they say where a region lies, never what was done to it. Each face is
mirrored with probability one half (its points take the mirror image's numbers) and turned by any
angle, so neither the place in the picture nor the person tells the side. "Left" is the image's left
while the face is upright.

Example: ``cue_sample(image, points, rng)`` -> ``Cue(crop (96, 96, 3), points (68, 2) in [0, 1],
brow=1, eye=0)``: the right brow is raised, the left eye painted shut.

Coordinates: (x, y), pixels of the picture inside, [0, 1] of the crop outside.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from facellm.face import MIRROR_68

CROP = 96  # side of a crop, pixels
RAISE = 0.22  # how far a brow is lifted, in distances of the outer eye corners: more than most can
OPEN_EYE = 0.25  # least lid gap / eye width of a face that is used: below it an eye looks shut
MOST_YAW = 20.0  # degrees; further turned faces hide one eye

BROWS = (slice(17, 22), slice(22, 27))  # left, right
EYES = (slice(36, 42), slice(42, 48))
Rgb = NDArray[np.uint8]
Points = NDArray[np.floating]


@dataclass(frozen=True)
class Cue:
    """One picture with both cues.

    Attributes:
        crop: (96, 96, 3) uint8 RGB.
        points: (68, 2) float32 of the unedited face, [0, 1] of the crop.
        brow: Raised brow, 0 left, 1 right.
        eye: Eye painted shut, 0 left, 1 right.
    """

    crop: Rgb
    points: NDArray[np.float32]
    brow: int
    eye: int


def raise_brow(image: Rgb, points: Points, side: int) -> Rgb:
    """Lift one brow: a smooth local warp along the face's own up.

    Args:
        image: (S, S, 3) uint8.
        points: (68, 2) pixels.
        side: 0 left, 1 right.
    """
    across = points[45] - points[36]
    length = max(float(np.linalg.norm(across)), 1e-6)
    along = across / length
    up = np.array([along[1], -along[0]])
    brow = points[BROWS[side]]
    lid = float((points[EYES[side]] @ up).max()) + 0.03 * length
    lift = RAISE * length
    top = max(float((brow @ up).mean()), lid + 0.02 * length) + lift  # where the brow goes
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]].astype(np.float32) + 0.5
    height = columns * up[0] + rows * up[1]
    aside = columns * along[0] + rows * along[1] - float((brow @ along).mean())
    # Nothing moves at the lid, everything at the brow, nothing again on the forehead.
    below = np.clip((height - lid) / (top - lid), 0, 1)
    above = np.clip((top + 0.6 * length - height) / (0.5 * length), 0, 1)
    shift = -lift * (below * above * np.exp(-((aside / (0.26 * length)) ** 4)))[..., None] * up
    return cv2.remap(  # type: ignore[return-value]
        image,
        (columns - 0.5 + shift[..., 0]).astype(np.float32),
        (rows - 0.5 + shift[..., 1]).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )


def paint_eye_shut(image: Rgb, points: Points, side: int) -> Rgb:
    """Cover one eye with the skin's colour just below it, softly.

    Args:
        image: (S, S, 3) uint8.
        points: (68, 2) pixels.
        side: 0 left, 1 right.
    """
    eye = points[EYES[side]]
    centre = eye.mean(axis=0)
    down = points[57] - points[27]
    width = float(np.linalg.norm(eye[3] - eye[0]))
    below = centre + down / max(float(np.linalg.norm(down)), 1e-6) * 0.55 * width
    x, y = np.clip(below.astype(int), 1, image.shape[0] - 2)
    skin = np.median(image[y - 1 : y + 2, x - 1 : x + 2].reshape(-1, 3), axis=0)
    mask = np.zeros(image.shape[:2], np.float32)
    grown = centre + (eye - centre) * np.array([1.25, 1.25])
    cv2.fillConvexPoly(mask, cv2.convexHull(np.round(grown).astype(np.int32)), 1.0)
    mask = cv2.GaussianBlur(cv2.dilate(mask, np.ones((3, 3))), (0, 0), 1.2)[..., None]  # type: ignore[index]
    return (image * (1 - mask) + skin * mask + 0.5).astype(np.uint8)


def cue_sample(image: Rgb, unit: Points, rng: Generator, degrees: float = 180.0) -> Cue:
    """Mirror, edit, turn, scale and shift one render.

    Args:
        image: (S, S, 3) uint8 render.
        unit: (68, 2) its exact landmarks, [0, 1].
        rng: Random source.
        degrees: Largest turn to either side.
    """
    size = image.shape[0]
    points = unit.astype(np.float64) * size
    if rng.random() < 0.5:
        image = np.ascontiguousarray(image[:, ::-1])
        points = (points * (-1, 1) + (size, 0))[MIRROR_68]
    brow, eye = int(rng.integers(2)), int(rng.integers(2))
    image = raise_brow(paint_eye_shut(image, points, eye), points, brow)
    zoom = rng.uniform(1.0, 1.25) * CROP / size
    middle = points[17:].mean(axis=0)  # without the jaw
    turn = float(rng.uniform(-degrees, degrees))
    matrix = cv2.getRotationMatrix2D(middle, turn, zoom)
    matrix[:, 2] += CROP * (0.5 + rng.uniform(-0.08, 0.08, 2)) - middle
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    # cv2 puts pixel centres on whole numbers, we put them on halves.
    matrix[:, 2] += matrix[:, :2].sum(axis=1) * 0.5 - 0.5
    crop = cv2.warpAffine(
        image, matrix, (CROP, CROP), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )
    return Cue(crop, (moved / CROP).astype(np.float32), brow, eye)  # type: ignore[arg-type]
