"""Judging and framing: a square that may hold a face -> a face with 68 points, or nothing.

The landmark network looks twice: once at the proposed square, once at the square its own points ask
for. A face is what it calls a face both times; how well the two looks agree is part of the quality.

Example: ``verify(image, [Proposal(Square(150, 50, 140))], net)`` -> ``[Face(box, landmarks,
0.91)]``.

Coordinates: pixels of the picture. Angles: degrees the picture is turned by before the look,
clockwise positive, so that a face lying on its side stands upright.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.face import BoundingBox, Face, Landmarks, Square, crop_image, square_around
from facellm.landmarks import INPUT_SIZE, LandmarkNet

Rgb = NDArray[np.uint8]

# Face probabilities a proposal must reach at the first and the second look. The second was chosen
# on validation faces (facellm.eval.detection --calibrate: from 0.5 to 0.8 recall stays and false
# boxes fall); the first only spares second looks.
FIRST_BAR, BAR = 0.2, 0.7
STEADY = 0.12  # distance between the two looks, in inter-ocular units, that halves the quality


@dataclass(frozen=True)
class Proposal:
    """A square that may hold a face.

    Attributes:
        square: The cut-out before turning, pixels of the picture.
        degrees: The picture is turned clockwise by this around the square's centre.
        bar: Face probability it must reach.
    """

    square: Square
    degrees: float = 0.0
    bar: float = BAR


@dataclass(frozen=True)
class Turn:
    """A rigid motion between a picture and its turned copy."""

    matrix: NDArray[np.float64]  # (2, 3)

    def apply(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Picture (..., 2) -> turned copy."""
        return points @ self.matrix[:, :2].T + self.matrix[:, 2]

    def undo(self, points: NDArray[np.floating]) -> NDArray[np.float64]:
        """Turned copy (..., 2) -> picture."""
        return (points - self.matrix[:, 2]) @ np.linalg.inv(self.matrix[:, :2]).T


def turn_around(center: tuple[float, float], degrees: float) -> Turn:
    """Turn clockwise (y is down) around ``center``."""
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return Turn(np.column_stack([turn, np.array(center) - turn @ np.array(center)]))


def _cut(image: Rgb, proposal: Proposal) -> Rgb:
    """The (96, 96, 3) crop of a proposal."""
    square = proposal.square
    if proposal.degrees == 0:
        return crop_image(image, square, INPUT_SIZE)
    # Cut a larger upright square that holds the turned one, then turn that small picture.
    wide = int(np.ceil(INPUT_SIZE * 1.5))
    grow = square.side * 0.25
    upright = Square(square.left - grow, square.top - grow, square.side * 1.5)
    small = crop_image(image, upright, wide)
    matrix = cv2.getRotationMatrix2D(((wide - 1) / 2, (wide - 1) / 2), -proposal.degrees, 1.0)
    turned = cv2.warpAffine(small, matrix, (wide, wide), borderMode=cv2.BORDER_REPLICATE)
    start = (wide - INPUT_SIZE) // 2
    return turned[start : start + INPUT_SIZE, start : start + INPUT_SIZE]  # type: ignore[return-value]


def _to_picture(unit: NDArray[np.floating], proposal: Proposal) -> NDArray[np.float32]:
    """Points (68, 2) in [0, 1] of a proposal's crop -> pixels of the picture."""
    points = proposal.square.to_pixels(unit)
    if proposal.degrees:
        square = proposal.square
        center = (square.left + square.side / 2, square.top + square.side / 2)
        points = turn_around(center, proposal.degrees).undo(points).astype(np.float32)
    return points


def _reframe(points: NDArray[np.float32], degrees: float) -> Square:
    """The square to cut for a second look at ``points``, the same turn kept."""
    if degrees == 0:
        return square_around(Landmarks(points).box)
    turn = turn_around((0.0, 0.0), degrees)
    square = square_around(Landmarks(turn.apply(points).astype(np.float32)).box)
    middle = np.array([square.left + square.side / 2, square.top + square.side / 2])
    x, y = turn.undo(middle)
    return Square(x - square.side / 2, y - square.side / 2, square.side)


def verify(image: Rgb, proposals: Sequence[Proposal], net: LandmarkNet) -> list[Face]:
    """Judge and refine proposals: landmarks, a better frame, landmarks again.

    Args:
        image: (H, W, 3) uint8 RGB.
        proposals: Squares of ``image``.
        net: The landmark network, evaluation mode.

    Returns:
        The faces among them, in the order of the proposals, overlapping ones included. ``score`` is
        the face probability of the second look times the agreement of the two looks.
    """
    unit, chance = net.predict([_cut(image, proposal) for proposal in proposals])
    seconds: list[Proposal] = []
    firsts: list[NDArray[np.float32]] = []
    for points, first_chance, proposal in zip(unit, chance, proposals, strict=True):
        if first_chance >= FIRST_BAR:
            firsts.append(_to_picture(points, proposal))
            square = _reframe(firsts[-1], proposal.degrees)
            seconds.append(Proposal(square, proposal.degrees, proposal.bar))
    unit, chance = net.predict([_cut(image, proposal) for proposal in seconds])
    faces = []
    for first, points, second_chance, proposal in zip(firsts, unit, chance, seconds, strict=True):
        if second_chance >= proposal.bar:
            refined = _to_picture(points, proposal)
            faces.append(_face(refined, float(second_chance) * agreement(first, refined)))
    return faces


def agreement(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """How well two looks (68, 2) agree, in (0, 1]; 1/2 at 0.12 inter-ocular distances apart."""
    eyes = max(float(np.linalg.norm(second[45] - second[36])), 1e-6)
    apart = float(np.linalg.norm(first - second, axis=1).mean()) / eyes
    return 1 / (1 + (apart / STEADY) ** 2)


def _face(points: NDArray[np.floating], score: float) -> Face:
    landmarks = Landmarks(points.astype(np.float32))
    return Face(landmarks.box, landmarks, round(min(max(score, 0.0), 1.0), 4))


def suppress(faces: Iterable[Face]) -> list[Face]:
    """Keep the best of faces that are the same one, by IoU or centre distance; left to right."""
    kept: list[Face] = []
    for face in sorted(faces, key=lambda f: (-f.score, f.box_xyxy.left, f.box_xyxy.top)):
        if not any(_same(face.box_xyxy, other.box_xyxy) for other in kept):
            kept.append(face)
    return sorted(kept, key=lambda f: f.box_xyxy.center)


def _same(a: BoundingBox, b: BoundingBox) -> bool:
    distance = float(np.hypot(a.center[0] - b.center[0], a.center[1] - b.center[1]))
    return a.iou(b) > 0.3 or distance < 0.35 * max(a.width, a.height, b.width, b.height)


def whole_picture(image: Rgb, bar: float) -> list[Proposal]:
    """The picture itself as a proposal, at two framings: its longer and its shorter side."""
    height, width = image.shape[:2]
    sides = dict.fromkeys((float(max(height, width)), float(min(height, width))))
    return [Proposal(Square((width - s) / 2, (height - s) / 2, s), 0.0, bar) for s in sides]


def whole_picture_face(image: Rgb, net: LandmarkNet) -> Face:
    """The face of one picture that is a face crop already; see ``whole_picture_faces``."""
    return whole_picture_faces([image], net)[0]


def whole_picture_faces(images: Sequence[Rgb], net: LandmarkNet) -> list[Face]:
    """The faces of pictures that the caller says are face crops already; nothing is searched.

    Args:
        images: N pictures (H, W, 3) uint8 RGB; the network sees them in two batches.
        net: The landmark network.

    Returns:
        For every picture the better of two framings. Always a face: ``score`` says how far to
        trust it.
    """
    tried = [
        (index, Proposal(p.square, 0.0, 0.0))
        for index, image in enumerate(images)
        for p in whole_picture(image, 0.0)
    ]
    unit, chance = net.predict([_cut(images[index], proposal) for index, proposal in tried])
    best: dict[int, int] = {}
    for place, (index, _) in enumerate(tried):
        if index not in best or chance[place] > chance[best[index]]:
            best[index] = place
    firsts = [_to_picture(unit[place], tried[place][1]) for place in best.values()]
    seconds = [Proposal(_reframe(first, 0.0)) for first in firsts]
    before = [float(chance[place]) for place in best.values()]
    cuts = [_cut(image, second) for image, second in zip(images, seconds, strict=True)]
    unit, again = net.predict(cuts)
    faces = []
    for index, first in enumerate(firsts):
        second = _to_picture(unit[index], seconds[index])
        steady = agreement(first, second)
        if again[index] < min(0.5, before[index]):  # the second look lost the face: keep the first
            faces.append(_face(first, before[index] * steady))
        else:
            faces.append(_face(second, float(again[index]) * steady))
    return faces
