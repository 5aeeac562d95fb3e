"""Negatives a cascade really proposes: patches of training pictures that it takes for faces.

Random background teaches the landmark network little: what it must refuse at run time are folds,
cups and wheels that already look like a face to the cascade. The bar of the cascades is at its lowest
here, scenes are searched at two sizes and four turns, frames of the published set only where the face
is not.

Example: ``mined_patches(sources, cache)`` -> about 5,000 grey patches (128, 128) uint8; the proposed
square is their central 96 pixels, so that training can shift and scale it.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from facellm.detection import CascadeDetector
from facellm.face import BoundingBox, Landmarks, Square, crop_image, square_around
from facellm.landmarks import LandmarkNet

from .landmark_data import Source, decode_grey, training_scenes

Grey = NDArray[np.uint8]

PATCH = 128  # edge of a stored patch, pixels
CONTEXT = 4 / 3  # edge of a stored patch / edge of the proposed square
FRAMES = 1500  # published training frames that are searched
NOT_A_FACE_VOTES = 5  # of 10 taggers


def mined_patches(ytf: Source, data: Path, cache: Path, seed: int = 0) -> Grey:
    """All mined patches (M, 128, 128), cached in ``landmarks_mined.npy``."""
    path = cache / "landmarks_mined.npy"
    if not path.exists():
        patches = scene_patches() + frame_patches(ytf, seed) + voted_patches(data)
        np.save(path, np.stack(patches))
    return np.load(path)


def proposals(cascades: CascadeDetector, grey: Grey) -> list[Square]:
    """Squares that any cascade proposes at its lowest bar."""
    squares = []
    for scale in (1.0, 0.5):
        size = tuple(max(24, round(n * scale)) for n in grey.shape[::-1])
        small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA)
        for proposal in cascades.propose(small, votes=1):  # type: ignore[arg-type]
            square = proposal.square
            squares.append(Square(*(v / scale for v in (square.left, square.top, square.side))))
    return squares


def _patch(grey: Grey, square: Square) -> Grey:
    grow = square.side * (CONTEXT - 1) / 2
    wide = Square(square.left - grow, square.top - grow, square.side * CONTEXT)
    return crop_image(grey, wide, PATCH)


def scene_patches() -> list[Grey]:
    """What the cascades see in faceless scenes, each in four turns."""
    cascades = CascadeDetector(LandmarkNet())
    patches = []
    for scene in training_scenes():
        for turns in range(4):
            turned = np.ascontiguousarray(np.rot90(scene, turns))
            patches += [_patch(turned, square) for square in proposals(cascades, turned)]
    return patches


def frame_patches(ytf: Source, seed: int) -> list[Grey]:
    """What the cascades see beside the face in published training frames."""
    cascades = CascadeDetector(LandmarkNet())
    rng = np.random.default_rng(seed)
    patches = []
    for row in rng.permutation(len(ytf.images))[:FRAMES]:
        face = _as_box(square_around(Landmarks(ytf.points[row]).box))
        for square in proposals(cascades, ytf.images[row]):
            if face.iou(_as_box(square)) < 0.2:
                patches.append(_patch(ytf.images[row], square))
    return patches


def voted_patches(data: Path) -> list[Grey]:
    """FER+ training pictures that most taggers call "not a face"."""
    frame = pd.read_parquet(data / "ferplus.parquet", columns=["image", "split", "votes_NF"])
    frame = frame[(frame["split"] == "train") & (frame["votes_NF"] >= NOT_A_FACE_VOTES)]
    pictures = [decode_grey(cell["bytes"], 48)[0] for cell in frame["image"]]
    return [_patch(picture, Square(0, 0, 48)) for picture in pictures]


def _as_box(square: Square) -> BoundingBox:
    return BoundingBox(square.left, square.top, square.left + square.side, square.top + square.side)
