"""Which of the nine face regions a mask lies in, and which of them an answer should name.

Every pixel near a face belongs to the region whose outline is nearest; the insides of eyes, lips
and mouth belong to them. A region's share is the part of the mask that lies in it.

Example: a mask over both lips -> shares ``{"lips": 0.71, "inner_mouth": 0.29, ...}``, named
``("lips",)``.

Shapes: H, W pixels; R = 9 regions in the order of ``facellm.regions.REGION_SLICES``. Points (68, 2)
in pixels, the centre of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.regions import REGION_SLICES

NEAR = 0.8  # distances between the outer eye corners: farther from every outline is no region
ENOUGH = 0.5  # share of the mask inside the face that the named regions hold together
_SHIFT = 4  # bits of a pixel's fraction that outlines are drawn with
# Inner ones first: where outlines enclose each other, the first encloses the least.
_CLOSED = ("inner_mouth", "lips", "eye_left", "eye_right")


def region_map(points: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.int8]:
    """The region of every pixel.

    Args:
        points: (68, 2) pixels.
        shape: H, W.

    Returns:
        (H, W) int8, 0-8 in the order of ``REGION_SLICES``, -1 where no outline is near.
    """
    names = list(REGION_SLICES)
    distance = np.stack([_distance(points[a:b], shape) for a, b in REGION_SLICES.values()])
    regions = distance.argmin(0).astype(np.int8)
    regions[distance.min(0) > NEAR * float(np.linalg.norm(points[45] - points[36]))] = -1
    free = np.ones(shape, bool)
    for name in _CLOSED:
        inside = _filled(points[slice(*REGION_SLICES[name])], shape) & free
        regions[inside] = names.index(name)
        free &= ~inside
    return regions


def region_shares(mask: NDArray[np.bool_], points: NDArray[np.floating]) -> dict[str, float]:
    """Region -> share of the mask that lies in it; what lies in none is left out of the sum.

    Args:
        mask: (H, W) bool.
        points: (68, 2) pixels.

    Returns:
        Nine values that sum to 1, or all 0 where the mask touches no region.
    """
    held = region_map(points, mask.shape)[mask]  # type: ignore[arg-type]
    counts = np.bincount(held[held >= 0], minlength=len(REGION_SLICES))
    total = max(int(counts.sum()), 1)
    return {name: float(n) / total for name, n in zip(REGION_SLICES, counts, strict=True)}


def named_regions(shares: dict[str, float]) -> tuple[str, ...]:
    """The fewest regions that hold half of the mask, largest first; none where it touches none."""
    named: list[str] = []
    held = 0.0
    for name in sorted(shares, key=lambda region: -shares[region]):
        if held >= ENOUGH or shares[name] == 0:
            break
        named.append(name)
        held += shares[name]
    return tuple(named)


def _distance(outline: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.float32]:
    """Distance of every pixel to a line of points, pixels."""
    canvas = np.full(shape, 255, np.uint8)
    cv2.polylines(canvas, [_fixed(outline)], False, 0, 1, shift=_SHIFT)
    if canvas.all():  # the line lies outside of the picture
        return np.full(shape, np.inf, np.float32)
    return cv2.distanceTransform(canvas, cv2.DIST_L2, 5)  # type: ignore[return-value]


def _filled(outline: NDArray[np.floating], shape: tuple[int, int]) -> NDArray[np.bool_]:
    canvas = np.zeros(shape, np.uint8)
    cv2.fillPoly(canvas, [_fixed(outline)], 1, shift=_SHIFT)
    return canvas.astype(bool)


def _fixed(outline: NDArray[np.floating]) -> NDArray[np.int32]:
    """Pixels -> OpenCV's fixed point, where (0, 0) is the centre of the first pixel."""
    return ((np.asarray(outline) - 0.5) * 2**_SHIFT).round().astype(np.int32)
