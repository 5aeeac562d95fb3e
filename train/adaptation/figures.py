"""What a label is worth on held-out faces: figures with intervals, and paired differences.

A figure is a function of weights, as in ``facellm.eval.statistics``: all ones give the figure,
counts of drawn groups a resample. Groups are subjects or pictures. Intervals are the middle 95 % of
1,000 resamples.

Legend: n faces, K classes, B resamples.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], float]  # weights (n,) -> value, NaN where it is not defined
RESAMPLES, BINS = 1000, 10
PRESENT = 0.5


@dataclass(frozen=True)
class Figure:
    """A value with its 95 % interval; ``better`` says which way is."""

    value: float
    low: float
    high: float
    better: str = "higher"

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready: what is not defined is null."""
        return {k: None if v != v else v for k, v in asdict(self).items()}

    def shown(self, places: int = 3) -> str:
        """``.912 [.88, .94]``."""
        if math.isnan(self.value):
            return "not defined"
        return f"{self.value:.{places}f} [{self.low:.{places}f}, {self.high:.{places}f}]"


def interval(statistic: Statistic, groups: NDArray[np.str_], better: str = "higher") -> Figure:
    """A statistic with its interval over groups."""
    names, member = np.unique(groups, return_inverse=True)
    rng = np.random.default_rng(0)
    counts = rng.multinomial(len(names), np.full(len(names), 1 / len(names)), size=RESAMPLES)
    values = np.array([statistic(row[member].astype(np.float64)) for row in counts])
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (2.5, 97.5)) if len(values) else (math.nan, math.nan)
    return Figure(float(statistic(np.ones(len(groups)))), float(low), float(high), better)


def difference(one: Statistic, other: Statistic) -> Statistic:
    """``one - other`` on the same resample: the paired difference."""
    return lambda weights: one(weights) - other(weights)


def mean_of(values: NDArray) -> Statistic:
    """Weighted mean of (n,) values."""
    held = np.asarray(values, np.float64)
    return lambda weights: float(weights @ held / weights.sum())


def recall_of(said: NDArray[np.int64], true: NDArray[np.int64]) -> Statistic:
    """Unweighted average recall over the classes that are there."""
    right, present = said == true, np.unique(true)

    def value(weights: Floats) -> float:
        sums = np.array([weights[true == k].sum() for k in present])
        hits = np.array([weights[(true == k) & right].sum() for k in present])
        return float((hits / sums).mean()) if (sums > 0).all() else math.nan

    return value


def auc_of(score: NDArray, true: NDArray[np.bool_]) -> Statistic:
    """Area under the ROC curve: how often a positive scores above a negative, ties half."""
    values, place = np.unique(score, return_inverse=True)

    def value(weights: Floats) -> float:
        positive = np.bincount(place, weights * true, len(values))
        negative = np.bincount(place, weights * ~true, len(values))
        both = positive.sum() * negative.sum()
        below = np.cumsum(negative) - negative
        return float((positive * (below + negative / 2)).sum() / both) if both else math.nan

    return value


def ece_of(confidence: NDArray, right: NDArray[np.bool_]) -> Statistic:
    """Expected calibration error of the likeliest class, 10 equal bins."""
    bins = np.minimum((np.asarray(confidence) * BINS).astype(int), BINS - 1)

    def value(weights: Floats) -> float:
        gap = np.bincount(bins, weights * (confidence - right), BINS)
        return float(np.abs(gap).sum() / weights.sum())

    return value


def class_statistics(shares: NDArray, true: NDArray[np.int64]) -> dict[str, tuple[Statistic, str]]:
    """Statistics of a closed label set.

    Args:
        shares: (n, K) probabilities.
        true: (n,) index of the class.
    """
    said = shares.argmax(1)
    found: dict[str, tuple[Statistic, str]] = {
        "accuracy": (mean_of(said == true), "higher"),
        "UAR": (recall_of(said, true), "higher"),
        "ECE": (ece_of(shares.max(1), said == true), "lower"),
        "log loss": (
            mean_of(-np.log(np.maximum(shares[np.arange(len(true)), true], 1e-9))),
            "lower",
        ),
    }
    if shares.shape[1] == 2:
        found["AUC"] = (auc_of(shares[:, 1], true == 1), "higher")
    return found


def level_statistics(
    shares: NDArray, target: NDArray, *, age: bool
) -> dict[str, tuple[Statistic, str]]:
    """Statistics of ages (years) or of an action unit's levels (0 to 1).

    Args:
        shares: (n, K) probabilities of the grid.
        target: (n, K) distributions asked for.
        age: The grid is years; otherwise levels, and presence is ranked too.
    """
    grid = np.arange(shares.shape[1]) / (1 if age else shares.shape[1] - 1)
    error = np.abs(shares @ grid - target @ grid)
    found: dict[str, tuple[Statistic, str]] = {
        "MAE, years" if age else "MAE, intensity": (mean_of(error), "lower")
    }
    if not age:
        found["AUC of presence"] = (auc_of(1 - shares[:, 0], target[:, 0] < PRESENT), "higher")
    return found


def statistics_of(query: str, shares: NDArray, target: NDArray) -> dict[str, tuple[Statistic, str]]:
    """Statistics of a label: ``query`` names the one it corrects, empty for a new label."""
    if query == "age" or query.startswith("au"):
        return level_statistics(shares, target, age=query == "age")
    return class_statistics(shares, target.argmax(1))
