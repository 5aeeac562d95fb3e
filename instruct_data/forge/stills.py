"""Methods that forge one picture: the picture and its face's points in, a changed picture out.

Whatever a method does, it does inside a matte or window that ends, so every other pixel stays
bit-identical and the mask (``changed``) is exact by construction. Which family each stands for says
``families``.

Shapes: pictures (H, W, 3) uint8 RGB; points (68, 2) float64 pixels. Moves are given in distances of
the outer eye corners, x along the line of the eyes, y down the face.

Source: self-blended images, arXiv 2204.08376; the affect moves follow the FACS names in
``facellm.labels``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..compose import change_slightly, face_matte
from .warp import (
    Field,
    Points,
    Rgb,
    bend,
    carried,
    face_scale,
    fetch,
    follow,
    lay,
    moved_by,
    similarity,
    window,
)

Rng = np.random.Generator


@dataclass(frozen=True)
class Portrait:
    """A picture with one face.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        points: (68, 2) float64 pixels.
    """

    pixels: Rgb
    points: Points

    @property
    def shape(self) -> tuple[int, int]:
        """H, W."""
        return self.pixels.shape[0], self.pixels.shape[1]


@dataclass(frozen=True)
class Forged:
    """What a method gives.

    Attributes:
        pixels: (H, W, 3) uint8 RGB.
        drawn: What was drawn at random, by name, JSON-ready.
        points: (68, 2) where the points have come to lie; None where they did not move.
    """

    pixels: Rgb
    drawn: dict[str, float | str]
    points: Points | None = None


@dataclass(frozen=True)
class Still:
    """A method for pictures.

    Attributes:
        make: (face, another person's face or None, generator) -> result.
        needs_other: Whether it needs another person.
    """

    make: Callable[[Portrait, Portrait | None, Rng], Forged]
    needs_other: bool = False


def changed(before: Rgb, after: Rgb) -> NDArray[np.bool_]:
    """The exact mask, (H, W): where any channel differs."""
    return (before != after).any(-1)


def like_grey(before: Rgb, after: Rgb) -> Rgb:
    """Keep a grey picture grey; colour would tell the forged pixels."""
    if (before != before[..., :1]).any():
        return after
    grey = cv2.cvtColor(after, cv2.COLOR_RGB2GRAY)
    return np.repeat(grey[..., None], 3, -1).astype(np.uint8)


def self_blend(face: Portrait, _: Portrait | None, rng: Rng) -> Forged:
    """A face blended with a slightly changed copy of itself."""
    matte = face_matte(face.points, face.shape, rng) * np.float32(rng.uniform(0.6, 1.0))
    return Forged(lay(face.pixels, change_slightly(face.pixels, rng), matte), {})


def warp_swap(face: Portrait, other: Portrait | None, rng: Rng) -> Forged:
    """Another person's face, warped to this one's points and matched in colour."""
    assert other is not None
    over = fetch(other.pixels, other.points, face.points, face.shape)
    matte = face_matte(face.points, face.shape, rng)
    strength = float(rng.uniform(0.6, 1.0))
    matched = match_colour(over, face.pixels, matte)
    return Forged(lay(face.pixels, over + strength * (matched - over), matte), {"match": strength})


def match_colour(over: NDArray[np.float32], base: Rgb, matte: Field) -> NDArray[np.float32]:
    """Mean and spread of lightness and colour as in ``base``, both taken under the matte.

    In CIELAB, so that a face from a colour picture loses its colour in a grey one.
    """
    lab = cv2.cvtColor(np.clip(over, 0, 255).astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    like = cv2.cvtColor(base.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    weight = matte / max(float(matte.sum()), 1e-6)
    mean, mean_like = (lab * weight).sum((0, 1)), (like * weight).sum((0, 1))
    spread = np.sqrt((((lab - mean) ** 2) * weight).sum((0, 1)))
    spread_like = np.sqrt((((like - mean_like) ** 2) * weight).sum((0, 1)))
    ratio = np.clip(spread_like / np.maximum(spread, 0.5), (0.6, 0.0, 0.0), 1.6)
    matched = ((lab - mean) * ratio + mean_like).astype(np.float32)
    return cv2.cvtColor(matched, cv2.COLOR_LAB2RGB) * np.float32(255)  # type: ignore[return-value]


def seam(face: Portrait, _: Portrait | None, rng: Rng) -> Forged:
    """A face region of another colour and grain with a hard edge: a boundary blended badly."""
    matte = (face_matte(face.points, face.shape, rng) > 0.5).astype(np.float32)
    shift = rng.uniform(5, 14) * rng.choice([-1.0, 1.0], 3) * rng.uniform(0.4, 1.0, 3)
    over = face.pixels + shift
    if rng.random() < 0.5:
        over = cv2.GaussianBlur(over, (0, 0), 0.007 * face_scale(face.points) + 0.3)
    else:
        over = over + rng.normal(0, rng.uniform(2, 6), face.shape)[..., None]
    return Forged(lay(face.pixels, over, matte), {"shift": float(np.abs(shift).mean())})


# Name -> point -> (x, y) at strength 1; x > 0 to the viewer's right. Points not named stay.
MOUTH_MOVES: dict[str, dict[int, tuple[float, float]]] = {
    "opened": {
        **dict.fromkeys((57, 58, 56, 66, 67, 65), (0.0, 0.13)),
        **dict.fromkeys((51, 50, 52, 61, 62, 63), (0.0, -0.04)),
        **dict.fromkeys((59, 55), (0.0, 0.08)),
        **dict.fromkeys((7, 8, 9), (0.0, 0.08)),
    },
    "narrowed": {
        48: (0.11, 0), 60: (0.1, 0), 49: (0.06, 0), 59: (0.06, 0),
        54: (-0.11, 0), 64: (-0.1, 0), 53: (-0.06, 0), 55: (-0.06, 0),
    },
    "widened": {
        48: (-0.11, 0), 60: (-0.1, 0), 49: (-0.05, 0), 59: (-0.05, 0),
        54: (0.11, 0), 64: (0.1, 0), 53: (0.05, 0), 55: (0.05, 0),
    },
    "shifted": dict.fromkeys(range(48, 68), (0.1, 0.0)),
}  # fmt: skip
EDIT_MOVES: dict[str, dict[int, tuple[float, float]]] = {
    "lip corners up": {
        48: (-0.06, -0.12), 60: (-0.05, -0.1), 49: (-0.03, -0.05), 59: (-0.03, -0.05),
        54: (0.06, -0.12), 64: (0.05, -0.1), 53: (0.03, -0.05), 55: (0.03, -0.05),
    },
    "lip corners down": {
        48: (0, 0.11), 60: (0, 0.1), 59: (0, 0.05), 54: (0, 0.11), 64: (0, 0.1), 55: (0, 0.05),
    },
    "brows up": dict.fromkeys(range(17, 27), (0.0, -0.13)),
    "inner brows up": dict.fromkeys((20, 21, 22, 23), (0.0, -0.13)),
    "brows down": {
        19: (0.01, 0.05), 20: (0.03, 0.09), 21: (0.04, 0.11),
        22: (-0.04, 0.11), 23: (-0.03, 0.09), 24: (-0.01, 0.05),
    },
    "eyes wider": {
        **dict.fromkeys((37, 38, 43, 44), (0.0, -0.05)),
        **dict.fromkeys((40, 41, 46, 47), (0.0, 0.02)),
    },
    "lids lower": dict.fromkeys((37, 38, 43, 44), (0.0, 0.055)),
}  # fmt: skip


def mouth_warp(face: Portrait, _: Portrait | None, rng: Rng) -> Forged:
    """The mouth alone moves."""
    return _moved(face, MOUTH_MOVES, rng)


def expression_edit(face: Portrait, _: Portrait | None, rng: Rng) -> Forged:
    """Lip corners, brows or lids are moved."""
    return _moved(face, EDIT_MOVES, rng)


def _moved(face: Portrait, choices: dict[str, dict[int, tuple[float, float]]], rng: Rng) -> Forged:
    """Draw one of the moves and do it."""
    name = str(rng.choice(list(choices)))
    strength = float(rng.uniform(0.7, 1.3))
    side = float(rng.choice([-1.0, 1.0])) if name == "shifted" else 1.0
    points, scale = face.points, face_scale(face.points)
    right = (points[45] - points[36]) / scale
    axes = np.stack([right, [-right[1], right[0]]])
    moves = np.zeros_like(points)
    for index, (x, y) in choices[name].items():
        moves[index] = strength * scale * (np.array([side * x, y]) @ axes)
    field = _windowed(face, moves, 1.35)
    drawn: dict[str, float | str] = {"move": name, "strength": round(strength, 3)}
    return Forged(bend(face.pixels, field), drawn, carried(face.points, field))


def _windowed(face: Portrait, moves: Points, grow: float) -> Field:
    """The field of some moves, ended around the points that move.

    Where points of both sides of the face move, each side has a window of its own, or the nose
    between two brows would move along.
    """
    scale = face_scale(face.points)
    moving = np.flatnonzero((moves != 0).any(1))
    groups = [[i for i in moving if i in part] for part in _PARTS]
    matte = np.zeros((*face.shape, 1), np.float32)
    for group in (g for g in groups if g):
        around = face.points[group]
        ring = around[:, None] + 0.09 * scale * np.array([[1, 0], [-1, 0], [0, 1], [0, -1]])
        soft = window(ring.reshape(-1, 2), face.shape, grow, 0.045 * scale)
        matte = np.maximum(matte, soft)
    field = follow(face.points, moves, face.shape) * matte
    # The blur's kernel ends, but its last weights move nothing that anybody could see.
    return np.where(matte > 0.004, field, np.float32(0))


_PARTS = (range(17, 22), range(22, 27), range(36, 42), range(42, 48), (*range(48, 68), 7, 8, 9))
STEADY = (27, 28, 29, 30, 36, 39, 42, 45)  # nose ridge and eye corners: they hardly move
FARTHEST = 0.16  # eye-corner distances a point is driven at most


def driven_warp(face: Portrait, other: Portrait | None, rng: Rng) -> Forged:
    """Brows, eyes and lips warped towards where another person has theirs."""
    assert other is not None
    steady = list(STEADY)
    onto = similarity(other.points[steady], face.points[steady])
    strength = float(rng.uniform(0.6, 1.0))
    moves = strength * (moved_by(onto, other.points) - face.points)
    moves[:17] = moves[27:36] = 0
    longest = FARTHEST * face_scale(face.points)
    length = np.linalg.norm(moves, axis=1, keepdims=True)
    moves *= np.minimum(1, longest / np.maximum(length, 1e-6))
    field = _windowed(face, moves, 1.35)
    drawn: dict[str, float | str] = {"strength": round(strength, 3)}
    return Forged(bend(face.pixels, field), drawn, carried(face.points, field))


STILLS = {
    "self_blend": Still(self_blend),
    "warp_swap": Still(warp_swap, needs_other=True),
    "mouth_warp": Still(mouth_warp),
    "expression_edit": Still(expression_edit),
    "driven_warp": Still(driven_warp, needs_other=True),
    "seam": Still(seam),
}
