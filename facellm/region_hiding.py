"""Paint over one region of a face crop, and over another of exactly the same area.

A region is the convex hull of its landmarks (of each side, where it has two). Pixels are ranked by
their signed distance to that hull; the hull grown by a twentieth of the face's width gives the
area, and any other region hides exactly as many pixels, those nearest to its own hull that the
first region does not hide. The paint is the crop's mean colour behind a soft edge.

Example: ``hide(crop, hiding_mask(points, "mouth"))`` -> the crop without a mouth.

Shapes: crop (S, S, 3) uint8, mask (S, S) bool, points (68, 2) pixels of the crop.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Crop = NDArray[np.uint8]
Mask = NDArray[np.bool_]
REGIONS: dict[str, tuple[tuple[int, int], ...]] = {
    "brows": ((17, 22), (22, 27)),
    "eyes": ((36, 42), (42, 48)),
    "nose": ((27, 36),),
    "mouth": ((48, 68),),
}
GROWTH = 0.05  # how far beyond the hull is hidden / width of the 68 points
SOFT_EDGE = 0.01  # sigma of the edge / side of the crop


def signed_distance(points: NDArray[np.floating], region: str, side: int) -> NDArray[np.float32]:
    """Distance of every pixel to a region's hull, (S, S); negative inside."""
    inside = np.zeros((side, side), np.uint8)
    for start, stop in REGIONS[region]:
        hull = cv2.convexHull(np.round(points[start:stop]).astype(np.int32))
        cv2.fillConvexPoly(inside, hull, 1)
        cv2.polylines(inside, [hull], True, 1)  # a brow seen edge-on still has a pixel
    outward = cv2.distanceTransform(1 - inside, cv2.DIST_L2, 5)
    return outward - cv2.distanceTransform(inside, cv2.DIST_L2, 5)  # type: ignore[return-value]


def hiding_mask(points: NDArray[np.floating], region: str, side: int) -> Mask:
    """Pixels hidden to hide a region: its hull, grown."""
    return signed_distance(points, region, side) <= GROWTH * np.ptp(points[:, 0])


def rival_mask(points: NDArray[np.floating], region: str, taken: Mask) -> Mask:
    """As many pixels as ``taken`` has, nearest to another region and outside of ``taken``."""
    distance = signed_distance(points, region, taken.shape[0])
    distance[taken] = np.inf
    nearest = np.argsort(distance, axis=None, kind="stable")[: int(taken.sum())]
    mask = np.zeros(taken.size, bool)
    mask[nearest] = True
    return mask.reshape(taken.shape)


def hide(crop: Crop, mask: Mask) -> Crop:
    """The crop with the masked pixels painted in its mean colour, edge softened."""
    sigma = SOFT_EDGE * crop.shape[0]
    matte = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), sigma)[..., None]
    mean = crop.reshape(-1, 3).mean(0)
    return np.round(crop * (1 - matte) + mean * matte).astype(np.uint8)
