"""Negatives that the half-trained network itself takes for faces.

Random background teaches it little: what it must refuse at run time are folds, cups and wheels that
look like a face already. So after the first cycle of training it is shown many faceless squares, of
scenes in four turns and of published training frames beside the face, and those it believes in
become negatives of the second cycle.

Example: ``mine(net, ytf, scenes, seed=0)`` -> about 500 grey patches (128, 128) uint8; the
doubtful square is their central 96 pixels, so that training can shift and scale it.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from facellm.detection import CascadeDetector
from facellm.face import BoundingBox, Landmarks, Square, crop_image, square_around
from facellm.landmarks import INPUT_SIZE, LandmarkNet

from .landmark_data import Source

Grey = NDArray[np.uint8]

PATCH = 128  # edge of a stored patch, pixels
CONTEXT = 4 / 3  # edge of a stored patch / edge of the doubtful square
DOUBTFUL = 0.05  # face probability from which a faceless square is kept
PER_SCENE = 100  # random squares of each scene and turn
PER_FRAME = 1  # random squares of each published frame


def mine(net: LandmarkNet, ytf: Source, scenes: list[Grey], seed: int) -> Grey:
    """Faceless patches (M, 128, 128) that ``net`` takes for faces; never empty.

    Args:
        net: A trained network, evaluation mode.
        ytf: Published training frames, whose faces are left out.
        scenes: Faceless grey pictures.
        seed: Of the random squares.
    """
    rng = np.random.default_rng(seed)
    kept: list[Grey] = []
    batch: list[Grey] = []
    for patch in _candidates(rng, CascadeDetector(net), ytf, scenes):
        batch.append(patch)
        if len(batch) == 256:
            kept += _doubtful(net, batch)
            batch = []
    kept += _doubtful(net, batch) if batch else []
    return np.stack(kept or batch or [np.zeros((PATCH, PATCH), np.uint8)])


def _candidates(
    rng: Generator, cascades: CascadeDetector, ytf: Source, scenes: list[Grey]
) -> Iterator[Grey]:
    """Patches of scenes (random squares and the cascades' proposals) and of frames."""
    for scene in scenes:
        for turns in range(4):
            turned = np.ascontiguousarray(np.rot90(scene, turns))
            for square in _random_squares(rng, turned, PER_SCENE):
                yield _patch(turned, square)
            for proposal in cascades.propose(turned, votes=1):
                yield _patch(turned, proposal.square)
    for image, points in zip(ytf.images, ytf.points, strict=True):
        face = _as_box(square_around(Landmarks(points).box))
        for square in _random_squares(rng, image, PER_FRAME):
            if face.iou(_as_box(square)) < 0.25:
                yield _patch(image, square)


def _random_squares(rng: Generator, grey: Grey, count: int) -> list[Square]:
    height, width = grey.shape
    largest = min(height, width)
    sides = np.exp(rng.uniform(np.log(min(24, largest)), np.log(largest), count))
    lefts, tops = rng.uniform(0, 1, (2, count)) * ([[width], [height]] - sides)
    rows = zip(lefts, tops, sides, strict=True)
    return [Square(float(left), float(top), float(side)) for left, top, side in rows]


def _doubtful(net: LandmarkNet, patches: list[Grey]) -> list[Grey]:
    start = (PATCH - INPUT_SIZE) // 2
    inner = slice(start, start + INPUT_SIZE)
    _, chance = net.predict([patch[inner, inner] for patch in patches])
    return [patch for patch, p in zip(patches, chance, strict=True) if p >= DOUBTFUL]


def _patch(grey: Grey, square: Square) -> Grey:
    """The square and its surroundings, (128, 128)."""
    grow = square.side * (CONTEXT - 1) / 2
    wide = Square(square.left - grow, square.top - grow, square.side * CONTEXT)
    return crop_image(grey, wide, PATCH)


def _as_box(square: Square) -> BoundingBox:
    return BoundingBox(square.left, square.top, square.left + square.side, square.top + square.side)
