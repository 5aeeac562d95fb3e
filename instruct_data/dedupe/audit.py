"""Which labels of a set are suspicious: those the most alike faces do not bear out.

    features, shapes, labels -> predictions out of fold -> neighbours' mean -> bank -> ranking

A classifier is fitted on one half of the (perhaps wrong) labels and predicts the other half, and
the other way about, so a wrong label cannot vouch for itself. Each sample then gets what is
predicted for its neighbours (``bank``); the less of it falls on the given label, the more
suspicious.

Example of a row of the ranking: ``Suspect(row=17, label="anger", neighbours_label="sadness",
score=.93)``.

Shapes: N samples, D width, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.geometry import align

from .bank import NEIGHBOURS, Floats, NeighbourLabelBank, neighbour_targets, neighbours

ROUNDS = 15  # updates of the bank: a fifth of the given label stays
STRENGTH = 0.003  # of the classifier's fit (scikit-learn's C): far from learning labels by heart
FEWEST = 4  # samples of a class, so that each half is likely to hold some


@dataclass(frozen=True)
class Suspect:
    """One sample in the ranking.

    Attributes:
        row: Of the samples.
        label: As given.
        neighbours_label: What the bank says.
        score: 1 less the share that neighbours give to the given label, [0, 1].
    """

    row: int
    label: str
    neighbours_label: str
    score: float

    @property
    def suspicious(self) -> bool:
        """The bank has left the given label."""
        return self.label != self.neighbours_label


@dataclass(frozen=True, eq=False)
class Audit:
    """All samples, the most suspicious first.

    Attributes:
        ranking: One ``Suspect`` a sample.
        bank: (N, C) soft targets in the order of the samples.
        classes: C names, the bank's columns.
    """

    ranking: tuple[Suspect, ...]
    bank: Floats
    classes: tuple[str, ...]


def audit(features: Floats, points: Floats, labels: Sequence[str], *, seed: int = 0) -> Audit:
    """Rank samples by how little their neighbours bear out the label.

    Args:
        features: (N, D) expression features.
        points: (N, 68, 2) landmarks in any unit, NaN where missing.
        labels: N names of classes.
        seed: Of the two halves.

    Raises:
        FaceLLMError: If there are fewer than two classes, a class of fewer than 4 samples, or no
            more samples than neighbours are asked for.
    """
    classes, given, counts = np.unique(labels, return_inverse=True, return_counts=True)
    if len(classes) < 2:
        raise FaceLLMError(f"an audit compares classes; all {len(labels)} labels are {classes}")
    if counts.min() < FEWEST:
        few = {str(name): int(n) for name, n in zip(classes, counts, strict=True) if n < FEWEST}
        raise FaceLLMError(f"classes of fewer than {FEWEST} samples: {few}; leave them out")
    standard = standardised(features)
    spaces = [neighbours(standard)]
    shape = shapes(points)
    if np.isfinite(shape[:, 0]).sum() > NEIGHBOURS:
        spaces.append(neighbours(shape))
    targets = neighbour_targets(out_of_fold(standard, given, len(classes), seed), spaces)
    bank = NeighbourLabelBank(given, len(classes))
    everyone = np.arange(len(given))
    for _ in range(ROUNDS):
        bank.update(everyone, targets)
    scores = 1 - targets[everyone, given]
    best = bank.targets.argmax(axis=1)
    ranking = tuple(
        Suspect(int(row), str(classes[given[row]]), str(classes[best[row]]), float(scores[row]))
        for row in np.argsort(-scores, kind="stable")
    )
    return Audit(ranking, bank.targets, tuple(map(str, classes)))


def standardised(features: Floats) -> Floats:
    """(N, D) -> zero mean and unit deviation a column; constant columns are 0."""
    centred = features - features.mean(axis=0)
    return centred / np.maximum(features.std(axis=0), 1e-6)


def shapes(points: Floats) -> Floats:
    """(N, 68, 2) landmarks -> (N, 136) aligned points less their mean over the set; NaN stays."""
    known = np.isfinite(points).all(axis=(1, 2))
    flat = np.full((len(points), points.shape[1] * 2), np.nan)
    if known.any():
        centred = points[known] - points[known].mean(axis=1, keepdims=True)
        scale = np.sqrt((centred**2).mean(axis=(1, 2), keepdims=True))
        aligned, _ = align(points[known], np.median(centred / np.maximum(scale, 1e-9), axis=0))
        flat[known] = (aligned - aligned.mean(axis=0)).reshape(len(aligned), -1)
    return flat


def out_of_fold(
    features: Floats, given: NDArray[np.integer], classes: int, seed: int
) -> NDArray[np.float64]:
    """Predictions for each half by logistic regression fitted on the other.

    Args:
        features: (N, D), standardised.
        given: (N,) labels.
        classes: C.
        seed: Of the halves; classes are halved each.

    Returns:
        (N, C), rows sum to 1.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedKFold

    shares = np.zeros((len(given), classes))
    for fitted, asked in StratifiedKFold(2, shuffle=True, random_state=seed).split(features, given):
        model = LogisticRegression(C=STRENGTH, max_iter=300).fit(features[fitted], given[fitted])
        shares[np.ix_(asked, model.classes_)] = model.predict_proba(features[asked])
    return shares
