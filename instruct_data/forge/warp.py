"""Warps that end: fields of displacement that are exactly 0 outside of a window.

A face's points are asked to move; every pixel near them follows the nearest ones, and a window
that falls to exactly 0 ends the motion, so that pixels outside of it stay bit-identical.

Example: ``bend(pixels, pull(points, moves, window))`` with ``moves`` 0 but for the lip corners.

Shapes: pictures (H, W, 3) uint8 RGB; points (68, 2) and fields (H, W, 2) in pixels, x then y; the
centre of the first pixel is (0.5, 0.5).
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
Points = NDArray[np.float64]
Field = NDArray[np.float32]
REACH = 0.16  # standard deviation of a point's pull / distance of the outer eye corners
_CELLS = 48  # the pull is computed on a grid of about this many cells and interpolated


def face_scale(points: Points) -> float:
    """Distance of the outer eye corners, pixels, at least 1."""
    return max(float(np.linalg.norm(points[45] - points[36])), 1.0)


def follow(points: Points, moves: Points, shape: tuple[int, int]) -> Field:
    """Every pixel moves as the points near it do.

    Args:
        points: (68, 2) pixels.
        moves: (68, 2) pixels, where each point should go from where it is.
        shape: H, W.

    Returns:
        (H, W, 2) float32: a mean of the moves, weighted by closeness.
    """
    height, width = shape
    rows = np.linspace(0, height, max(2, min(_CELLS, height)))
    columns = np.linspace(0, width, max(2, min(_CELLS, width)))
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 1, 2)
    squares = ((grid - points[None]) ** 2).sum(-1) / (2 * (REACH * face_scale(points)) ** 2)
    weight = np.exp(squares.min(1, keepdims=True) - squares)
    moved = (weight @ moves) / weight.sum(1, keepdims=True)
    coarse = moved.reshape(len(rows), len(columns), 2).astype(np.float32)
    # Grid corners lie on the picture's corners, pixel centres half a pixel inside.
    at_x = ((np.arange(width) + 0.5) * (len(columns) - 1) / width).astype(np.float32)
    at_y = ((np.arange(height) + 0.5) * (len(rows) - 1) / height).astype(np.float32)
    return cv2.remap(coarse, *np.meshgrid(at_x, at_y), cv2.INTER_LINEAR)  # type: ignore[return-value]


def window(around: Points, shape: tuple[int, int], grow: float, feather: float) -> Field:
    """A soft window around some points, (H, W, 1) in [0, 1], exactly 0 away from them.

    Args:
        around: (K, 2) pixels, K >= 3.
        shape: H, W.
        grow: Factor on the hull of the points, about its centre.
        feather: Width of the soft edge, pixels.
    """
    centre = around.mean(0)
    hull = cv2.convexHull((centre + (around - centre) * grow - 0.5).astype(np.float32))
    flat = np.zeros(shape, np.float32)
    cv2.fillConvexPoly(flat, (hull * 16).round().astype(np.int32), 1.0, shift=4)
    return cv2.GaussianBlur(flat, (0, 0), max(feather, 0.5))[..., None]  # type: ignore[index]


def bend(pixels: Rgb, field: Field) -> Rgb:
    """Move the pixels of a picture by a field.

    A field says where things go, a picture is filled by asking where they come from; for moves
    that are small against their window, minus the field is that answer.

    Args:
        pixels: (H, W, 3) uint8.
        field: (H, W, 2) pixels; where it is 0 the picture stays bit-identical.
    """
    height, width = pixels.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    taken = cv2.remap(
        pixels, x - field[..., 0], y - field[..., 1], cv2.INTER_CUBIC,
        borderMode=cv2.BORDER_REPLICATE,
    )  # fmt: skip
    return np.where((field != 0).any(-1, keepdims=True), taken, pixels)


def carried(points: Points, field: Field) -> Points:
    """Where ``bend`` brings points (K, 2): q with q - field(q) = p, by repetition."""
    moved = points.copy()
    for _ in range(12):
        at = (moved - 0.5).astype(np.float32)
        step = cv2.remap(
            field, at[:, 0], at[:, 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
        )
        moved = points + step[:, 0]
    return moved


def lay(base: Rgb, over: NDArray[Any], matte: Field) -> Rgb:
    """Blend; bit-identical to ``base`` where ``matte`` (H, W, 1) is 0."""
    mixed = base + (over - base.astype(np.float32)) * matte
    return np.clip(np.rint(mixed), 0, 255).astype(np.uint8)


def similarity(source: Points, target: Points) -> NDArray[np.float64]:
    """Rotation, scale and shift that bring (K, 2) points onto others, least squares: (2, 3).

    In complex numbers ``target = a * source + b`` is one linear equation a point.
    """
    z, w = source @ (1, 1j), target @ (1, 1j)
    centred = z - z.mean()
    a = (centred.conj() @ (w - w.mean())) / max(float((abs(centred) ** 2).sum()), 1e-9)
    b = w.mean() - a * z.mean()
    return np.array([[a.real, -a.imag, b.real], [a.imag, a.real, b.imag]])


def moved_by(matrix: NDArray[np.float64], points: NDArray[Any]) -> Points:
    """Points (..., 2) through a (2, 3) map."""
    return points @ matrix[:, :2].T + matrix[:, 2]


def fetch(
    source: Rgb, source_points: Points, points: Points, shape: tuple[int, int]
) -> NDArray[np.float32]:
    """A face brought to another's points: (H, W, 3) float32.

    Args:
        source: The face's own picture.
        source_points: (68, 2) pixels of it.
        points: (68, 2) where they should come to lie.
        shape: H, W of the result.

    A similarity brings the faces over each other, a smooth pull the points the rest of the way.
    """
    back = similarity(points, source_points)
    rest = follow(points, source_points - moved_by(back, points), shape)
    x, y = np.meshgrid(np.arange(shape[1]) + 0.5, np.arange(shape[0]) + 0.5)
    at = (moved_by(back, np.stack([x, y], -1)) + rest - 0.5).astype(np.float32)
    shrinks = np.sqrt(abs(np.linalg.det(back[:, :2])))
    if shrinks > 1:  # a larger face is averaged down first, or its detail would alias
        source = cv2.GaussianBlur(source, (0, 0), 0.4 * shrinks)  # type: ignore[assignment]
    taken = cv2.remap(
        source, at[..., 0], at[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return taken.astype(np.float32)
