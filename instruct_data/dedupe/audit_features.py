"""Face crops -> what the audit compares them by: features of the vision tower, and 68 points.

The shipped tower has seen FER+'s training labels; no label of another set, and no label that was
changed afterwards. ``--features hog`` of the command uses gradients instead, which know nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.feature import hog

from facellm.checkpoint import Checkpoint
from facellm.conversation import FacePart
from facellm.crops import crop_landmarks

BATCH = 32
HOG_SIDE = 48
Rgb = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class LabelledFace:
    """One face of a set and its label.

    Attributes:
        id: As the set names it.
        label: Name of its class.
        crop: (S, S, 3) uint8 RGB.
        points_unit: (68, 2) in [0, 1] of the crop, NaN where missing; None: not looked for yet.
    """

    id: str
    label: str
    crop: Rgb
    points_unit: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class Described:
    """N faces without their pictures.

    Attributes:
        ids: N names.
        labels: N classes.
        features: (N, D) float32.
        points: (N, 68, 2) float32 in [0, 1] of the crop, NaN where missing.
    """

    ids: list[str]
    labels: list[str]
    features: NDArray[np.float32]
    points: NDArray[np.float32]


def describe(faces: Iterable[LabelledFace], saved: Checkpoint, kind: str = "tower") -> Described:
    """Features and points of faces, a batch in memory at a time.

    Args:
        faces: Any number.
        saved: Weights.
        kind: A name of ``FEATURES``.
    """
    ids, labels, features, points = [], [], [], []
    for batch in batches(faces):
        ids += [face.id for face in batch]
        labels += [face.label for face in batch]
        features.append(FEATURES[kind](batch, saved))
        points.append(located(batch, saved))
    return Described(
        ids,
        labels,
        np.concatenate(features) if features else np.zeros((0, 1), np.float32),
        np.concatenate(points) if points else np.zeros((0, 68, 2), np.float32),
    )


def batches(faces: Iterable[LabelledFace]) -> Iterator[list[LabelledFace]]:
    """Faces in lists of ``BATCH``."""
    waiting: list[LabelledFace] = []
    for face in faces:
        waiting.append(face)
        if len(waiting) == BATCH:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def located(faces: Sequence[LabelledFace], saved: Checkpoint) -> NDArray[np.float32]:
    """(N, 68, 2) points: those that are there, else the landmark network's."""
    points = np.full((len(faces), 68, 2), np.nan, np.float32)
    missing = [place for place, face in enumerate(faces) if face.points_unit is None]
    for place, face in enumerate(faces):
        if face.points_unit is not None:
            points[place] = face.points_unit
    if missing:
        points[missing] = crop_landmarks(saved.landmark_net, [faces[i].crop for i in missing])[0]
    return points


@torch.inference_mode()
def tower_features(faces: Sequence[LabelledFace], saved: Checkpoint) -> NDArray[np.float32]:
    """(N, D) mean over the patches of the vision tower."""
    nowhere = np.full((68, 2), np.nan, np.float32)  # the tower alone takes no landmarks
    parts = [FacePart(face.crop, nowhere) for face in faces]
    pixels = saved.processor.images(parts)["pixel_values"]
    return saved.model.vision_tower(pixels).mean(dim=1).numpy()


def hog_features(faces: Sequence[LabelledFace], saved: Checkpoint) -> NDArray[np.float32]:
    """(N, 900) histograms of oriented gradients of the grey crop at 48 px; no weights needed."""
    out = []
    for face in faces:
        grey = cv2.cvtColor(face.crop, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey, (HOG_SIDE, HOG_SIDE), interpolation=cv2.INTER_AREA)
        out.append(hog(small, orientations=9, pixels_per_cell=(8, 8), cells_per_block=(2, 2)))
    return np.array(out, np.float32)


FEATURES: dict[str, Callable[[Sequence[LabelledFace], Checkpoint], NDArray[np.float32]]] = {
    "tower": tower_features,
    "hog": hog_features,
}
