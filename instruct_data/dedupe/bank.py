"""Soft labels from neighbours: what LA-Net keeps of every sample while labels may be wrong.

A sample's target is the mean of what is predicted for its K nearest neighbours by expression
features and by the shape of the landmarks; a bank of targets moves towards it by a tenth at a time,
starting at the given label.

Source: LA-Net, arXiv 2307.09023, label distribution by neighbourhood aggregation; uniform pair
weights here, and the whole set is the batch.

Shapes: N samples, D width, C classes, K neighbours.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError

NEIGHBOURS = 8
MOMENTUM = 0.9
BLOCK = 1024
Floats = NDArray[np.floating]


class NeighbourLabelBank:
    """One soft target a sample.

    Args:
        labels: (N,) given labels, 0 to C - 1.
        classes: C.
        momentum: Share of the old target that stays at an update.
    """

    def __init__(
        self, labels: NDArray[np.integer], classes: int, momentum: float = MOMENTUM
    ) -> None:
        if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
            raise ValueError(f"labels from {labels.min()} to {labels.max()}, classes {classes}")
        self.momentum = momentum
        self.targets = np.eye(classes)[labels]

    def update(self, samples: NDArray[np.integer], targets: Floats) -> Floats:
        """Move the targets of some samples.

        Args:
            samples: (M,) which; the others keep theirs.
            targets: (M, C) what their neighbours say.

        Returns:
            (M, C) their new targets.
        """
        moved = self.momentum * self.targets[samples] + (1 - self.momentum) * targets
        self.targets[samples] = moved
        return moved


def neighbours(features: Floats, count: int = NEIGHBOURS) -> NDArray[np.int64]:
    """The nearest samples by cosine, never the sample itself.

    Args:
        features: (N, D); a row with NaN has no neighbours and is nobody's.
        count: K.

    Returns:
        (N, K) rows, in no order; -1 throughout for a row with NaN.

    Raises:
        FaceLLMError: If there are not more than K rows without NaN.
    """
    known = np.flatnonzero(np.isfinite(features).all(axis=1))
    if count >= len(known):
        raise FaceLLMError(
            f"{count} neighbours of each sample: more than {count} samples are needed, "
            f"there are {len(known)}"
        )
    unit = features[known].astype(np.float32)
    unit /= np.maximum(np.linalg.norm(unit, axis=1, keepdims=True), 1e-9)
    found = np.full((len(features), count), -1, np.int64)
    for start in range(0, len(known), BLOCK):
        alike = unit[start : start + BLOCK] @ unit.T
        rows = np.arange(len(alike))
        alike[rows, start + rows] = -np.inf
        nearest = np.argpartition(-alike, count - 1, axis=1)[:, :count]
        found[known[start : start + BLOCK]] = known[nearest]
    return found


def neighbour_targets(shares: Floats, spaces: list[NDArray[np.int64]]) -> Floats:
    """Mean of what is predicted for neighbours, over the spaces in which a sample has any.

    Args:
        shares: (N, C) predicted distribution of every sample.
        spaces: (N, K) neighbours each (``neighbours``).

    Returns:
        (N, C); a sample's own prediction where it has neighbours in no space.
    """
    total, times = np.zeros_like(shares), np.zeros((len(shares), 1))
    for near in spaces:
        has = near[:, 0] >= 0
        total[has] += shares[near[has]].mean(axis=1)
        times[has] += 1
    return np.where(times > 0, total / np.maximum(times, 1), shares)
