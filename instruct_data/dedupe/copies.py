"""Copies as they turn up in the wild, to measure the search with: their original is known.

Example: ``made_copy(picture, "shifted", rng)`` -> the picture moved by up to 4 % of its side.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
Rng = np.random.Generator
FARTHEST = 0.04  # of the side


def recompressed(picture: Picture, rng: Rng) -> Picture:
    """Through JPEG of quality 30 to 80."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(30, 81))]
    data = cv2.imencode(".jpg", picture, quality)[1]
    return cv2.imdecode(data, cv2.IMREAD_UNCHANGED)  # type: ignore[return-value]


def shifted(picture: Picture, rng: Rng) -> Picture:
    """Moved by up to 4 % of the side each way, the edge repeated, and recompressed."""
    height, width = picture.shape[:2]
    across, down = rng.uniform(-FARTHEST, FARTHEST, 2) * (width, height)
    move = np.array([[1, 0, across], [0, 1, down]])
    moved = cv2.warpAffine(picture, move, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return recompressed(moved, rng)  # type: ignore[arg-type]


def resized(picture: Picture, rng: Rng) -> Picture:
    """Of .6 to 1.5 times the size, the two sides a little apart, and recompressed."""
    scale = rng.uniform(0.6, 1.5) * rng.uniform(0.97, 1.03, 2)
    small = cv2.resize(picture, None, fx=scale[0], fy=scale[1], interpolation=cv2.INTER_AREA)
    return recompressed(small, rng)  # type: ignore[arg-type]


def mirrored(picture: Picture, rng: Rng) -> Picture:
    """Left and right changed over, and shifted."""
    return shifted(np.ascontiguousarray(picture[:, ::-1]), rng)


def regraded(picture: Picture, rng: Rng) -> Picture:
    """Without colour, in another light, and recompressed."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) if picture.ndim == 3 else picture
    lit = 255 * (grey / 255.0) ** rng.uniform(0.8, 1.25)
    return recompressed(np.rint(lit).astype(np.uint8), rng)


KINDS: dict[str, Callable[[Picture, Rng], Picture]] = {
    "recompressed": recompressed,
    "shifted": shifted,
    "resized": resized,
    "mirrored": mirrored,
    "regraded": regraded,
}
