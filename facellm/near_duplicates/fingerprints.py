"""A picture's fingerprint: a thumbnail of 24 x 24 grey levels with its light taken off.

What near duplicates are looked for with (``search``) and held against each other with
(``alignment``). Resizing, compression and colour hardly change it; light and contrast are taken
off; shifts and mirroring are undone when two are compared. 576 bytes a picture.

Example: ``fingerprint(picture)`` of a (200, 200, 3) photograph -> (24, 24) uint8, mean 128,
standard deviation 40. A picture without texture (a black frame) is 128 everywhere and is nobody's
duplicate.

Shapes: N pictures, S = 24 pixels.
"""

from __future__ import annotations

import mmap
from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 24
MIDDLE, SPREAD = 128, 40  # grey levels a thumbnail is brought to: mean, standard deviation
LEAST_SPREAD = 2.0  # grey levels of the thumbnail under which a picture has no texture
Thumbs = NDArray[np.uint8]


def fingerprint(picture: NDArray[np.uint8]) -> Thumbs:
    """The fingerprint of one picture.

    Args:
        picture: (H, W, 3) RGB or (H, W) or (H, W, 1) grey, uint8, any size.

    Returns:
        (24, 24) uint8.

    Raises:
        ValueError: If it is no such array, or empty.
    """
    grey = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    if picture.dtype != np.uint8 or 0 in picture.shape or grey.shape[2:] not in ((), (3,)):
        raise ValueError(f"a picture is (H, W, 3) or (H, W) uint8, got {picture.shape}")
    # Shrunk before it is turned grey: a twentieth of the work for a photograph.
    small = cv2.resize(grey, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    flat = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY) if small.ndim == 3 else small
    values = flat.astype(np.float32)
    spread = float(values.std())
    if spread < LEAST_SPREAD:
        return np.full((SIDE, SIDE), MIDDLE, np.uint8)
    scaled = (values - values.mean()) * (SPREAD / spread) + MIDDLE
    return np.clip(np.rint(scaled), 0, 255).astype(np.uint8)


def let_go(thumbs: Thumbs) -> None:
    """Give back the pages of a memory map looked at so far: a search touches all, at random.

    They stay in the system's cache, and are taken from there when they are looked at again.
    """
    mapped = getattr(thumbs, "_mmap", None)
    if mapped is not None and getattr(thumbs, "mode", "") == "r" and hasattr(mmap, "MADV_DONTNEED"):
        mapped.madvise(mmap.MADV_DONTNEED)


@dataclass(frozen=True, eq=False)
class Fingerprints:
    """Fingerprints of many pictures, in their order.

    Attributes:
        thumbs: (N, 24, 24) uint8; a memory map will do.
    """

    thumbs: Thumbs

    def __post_init__(self) -> None:
        if self.thumbs.dtype != np.uint8 or self.thumbs.shape[1:] != (SIDE, SIDE):
            raise ValueError(
                f"fingerprints are (N, {SIDE}, {SIDE}) uint8, "
                f"got {self.thumbs.shape} {self.thumbs.dtype}"
            )

    def __len__(self) -> int:
        return len(self.thumbs)

    @classmethod
    def of(cls, pictures: Iterable[NDArray[np.uint8]]) -> Fingerprints:
        """Those of pictures, one after another."""
        thumbs = [fingerprint(picture) for picture in pictures]
        return cls(np.array(thumbs, np.uint8).reshape(-1, SIDE, SIDE))
