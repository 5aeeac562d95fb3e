"""Labels of a corpus record -> target distributions of the readout queries.

Example: ``label_targets({"votes": [2, 8, 0, 0, 0, 0, 0, 0, 0, 0], "age": 34})`` -> distributions
for ``expr`` (0.2 neutral, 0.8 happiness) and ``age`` (a Gaussian around 34).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.labels import (
    ACTION_UNITS,
    AU_LEVELS,
    EXPRESSIONS,
    GAZE_DEGREES,
    MAX_AGE,
    intensity_to_level,
)

AGE_SIGMA = 2.5  # years
GAZE_SIGMA = 4.0  # degrees
LEAST_COUNTED = 0.3  # share of a face's votes that are for an expression, not "unknown"
YES_NO = {"male": "gender", "mask": "mask", "fake": "fake"}
YES_NO |= {"mouth_open": "mouth_open", "eyes_closed": "eyes_closed"}
Floats = NDArray[np.float32]


def label_targets(labels: Mapping[str, Any]) -> dict[str, Floats]:
    """Target distribution of every query that a record's labels speak of.

    Args:
        labels: ``Record.labels``.

    Returns:
        Query name -> float32 distribution over the query's labels; what is not labelled is absent.
    """
    found: dict[str, Floats] = {}
    expression = expression_shares(labels)
    if expression is not None:
        found["expr"] = expression
    if labels.get("age") is not None:
        found["age"] = gaussian(np.arange(MAX_AGE + 1), float(labels["age"]), AGE_SIGMA)
    for label, query in YES_NO.items():
        if labels.get(label) is not None:
            found[query] = one_hot(int(bool(labels[label])), 2)
    for number, intensity in (labels.get("units") or {}).items():
        if int(number) in ACTION_UNITS:
            found[f"au{int(number)}"] = one_hot(intensity_to_level(float(intensity)), AU_LEVELS)
    for axis, degrees in zip(("gaze_yaw", "gaze_pitch"), labels.get("gaze") or (), strict=False):
        found[axis] = gaussian(np.array(GAZE_DEGREES), float(degrees), GAZE_SIGMA)
    return found


def expression_shares(labels: Mapping[str, Any]) -> Floats | None:
    """Shares of the eight expressions from votes, given shares or one label; None without any.

    A face that hardly anybody could name an expression for has none.
    """
    votes = labels.get("votes")
    if votes is not None:
        counted = np.asarray(votes[: len(EXPRESSIONS)], np.float32)
        named = np.asarray(votes[: len(EXPRESSIONS) + 1], np.float32).sum()
        return counted / counted.sum() if counted.sum() > LEAST_COUNTED * named else None
    given = labels.get("expression_shares")
    if given is not None:
        shares = np.array([given[name] for name in EXPRESSIONS], np.float32)
        return shares / shares.sum()
    name = labels.get("expression")
    return None if name is None else one_hot(EXPRESSIONS.index(name), len(EXPRESSIONS))


def gaussian(grid: NDArray[Any], mean: float, sigma: float) -> Floats:
    """Gaussian label over a grid of values. Source: DLDL, arXiv 1611.01731."""
    logits = -0.5 * ((grid - mean) / sigma) ** 2
    shares = np.exp(logits - logits.max())
    return (shares / shares.sum()).astype(np.float32)


def one_hot(index: int, count: int) -> Floats:
    """All on one label."""
    shares = np.zeros(count, np.float32)
    shares[index] = 1
    return shares
