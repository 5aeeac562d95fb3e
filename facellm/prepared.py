"""A prepared set on disk: what the corpus leaf writes and training and evaluation read.

One folder a set: ``images.npy`` (N, S, S, C) uint8, ``labels.npz`` with ``split`` (N,) int8 (0
train, 1 valid, 2 test) and the set's labels, and ``landmarks.npy`` (N, 68, 2) float32 in [0, 1] of
the stored picture as our landmark network gives them, NaN where it sees no face. Renders carry
exact landmarks inside ``labels.npz``; where both exist the network's are the set's landmarks,
because a model that is trained on exact points leans on an exactness that use does not have.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


class PreparedSet:
    """One prepared folder: pictures by memory map, labels in memory."""

    def __init__(self, folder: Path) -> None:
        self.images = np.load(folder / "images.npy", mmap_mode="r")
        self.labels = dict(np.load(folder / "labels.npz"))
        self.side = self.images.shape[1]
        path = folder / "landmarks.npy"
        self.exact = self.labels.pop("landmarks", None)
        self.landmarks = np.load(path) if path.is_file() else self.exact

    def rows(self, split: int) -> np.ndarray:
        """Row numbers of a split (0 train, 1 valid, 2 test)."""
        return np.flatnonzero(self.labels["split"] == split)

    def points(self, row: int) -> np.ndarray | None:
        """(68, 2) pixels of the stored picture, or None."""
        if self.landmarks is None or not np.isfinite(self.landmarks[row]).all():
            return None
        return self.landmarks[row].astype(np.float64) * self.side


def landmark_square(points: np.ndarray) -> tuple[float, float, float]:
    """Centre x, y and side of the product's fixed-margin square (``facellm.face``)."""
    low, high = points.min(0), points.max(0)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), 1.3 * float((high - low).max())
