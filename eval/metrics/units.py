"""Action units and attributes: many yes/no labels a row.

The threshold from which on a unit counts as said is an argument without a default: it is fixed
before the test rows are looked at, or fitted on others. A label of -1 is unknown and left out of
its column; an answer of -1 is missing and wrong.

Example: ``unit_figures(truth, said, ("AU6", "AU12"))["mean"]`` -> ``{"F1": Estimate(...),
"balanced_accuracy": Estimate(...)}``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import Estimate, Statistic, f1_statistic
from .bootstrap import NO_ANSWER, PLAIN, Bootstrap, measured, same_length

Floats = NDArray[np.float64]
Flags = NDArray[np.int8]
Figures = dict[str, dict[str, Estimate]]


def called(scores: ArrayLike, threshold: float | Sequence[float]) -> Flags:
    """Scores (n, U) -> 1 from the threshold on, 0 below, -1 where a score is missing (NaN).

    Args:
        scores: (n, U).
        threshold: One for all units, or U of them; fixed beforehand.

    Raises:
        FaceLLMError: If there are neither one nor U thresholds.
    """
    values, bounds = np.asarray(scores, np.float64), np.asarray(threshold, np.float64)
    if bounds.ndim and bounds.shape != values.shape[1:]:
        raise FaceLLMError(f"{bounds.size} thresholds for {values.shape[1]} units")
    return np.where(np.isnan(values), NO_ANSWER, values >= bounds).astype(np.int8)


def unit_figures(
    truth: ArrayLike, said: ArrayLike, names: Sequence[str], how: Bootstrap = PLAIN
) -> Figures:
    """F1 and balanced accuracy of every unit, and under ``mean`` their means.

    Args:
        truth: (n, U) 0, 1, or -1 where unknown.
        said: (n, U) 0, 1, or -1 where no answer (``called``).
        names: U names.
        how: What is drawn.

    Returns:
        Name -> figures. F1 is NaN for a unit that is neither true nor said anywhere; such a unit
        is left out of the mean.

    Raises:
        FaceLLMError: If shapes differ or a value is none of 0, 1, -1.
    """
    known, given = _checked(truth, said, names)
    f1 = [f1_of(known[:, k], given[:, k]) for k in range(len(names))]
    balanced = [balanced_of(known[:, k], given[:, k]) for k in range(len(names))]
    return _table(names, {"F1": f1, "balanced_accuracy": balanced}, known, how)


def attribute_figures(
    truth: ArrayLike, said: ArrayLike, names: Sequence[str], how: Bootstrap = PLAIN
) -> Figures:
    """Accuracy and balanced accuracy of every attribute, and under ``mean`` their means (mA).

    Arguments and errors as in ``unit_figures``.
    """
    known, given = _checked(truth, said, names)
    accuracy = [accuracy_of(known[:, k], given[:, k]) for k in range(len(names))]
    balanced = [balanced_of(known[:, k], given[:, k]) for k in range(len(names))]
    return _table(names, {"accuracy": accuracy, "balanced_accuracy": balanced}, known, how)


def _table(
    names: Sequence[str], columns: dict[str, list[Statistic]], known: Flags, how: Bootstrap
) -> Figures:
    n = len(known)
    found: Figures = {"mean": {}} | {name: {} for name in names}
    for figure, statistics in columns.items():
        found["mean"][figure] = measured(mean_of(statistics), n, how)
        for index, name in enumerate(names):
            got = measured(statistics[index], n, how)
            rows = int((known[:, index] >= 0).sum())
            found[name][figure] = Estimate(got.value, got.low, got.high, rows)
    return found


def mean_of(statistics: list[Statistic]) -> Statistic:
    """Mean of several statistics; where one is NaN it does not count."""

    def statistic(weights: Floats) -> Floats:
        values = np.stack([one(weights) for one in statistics])
        held = np.isfinite(values)
        total, count = np.where(held, values, 0.0).sum(0), held.sum(0)
        return np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)

    return statistic


def f1_of(truth: Flags, said: Flags) -> Statistic:
    """F1 of one column (n,) of 0, 1, -1."""
    # A missing answer calls nothing: a miss where the unit is there, no false alarm where not.
    known = truth >= 0
    return f1_statistic((truth == 1) & known, (said == 1) & known)


def _shares(rows: Floats, hits: Floats, weights: Floats) -> Floats:
    held = weights @ rows
    return np.divide(weights @ (rows * hits), held, out=np.full_like(held, np.nan), where=held > 0)


def accuracy_of(truth: Flags, said: Flags) -> Statistic:
    """Share right of one column, unknown rows left out."""
    rows, hits = (truth >= 0).astype(np.float64), (truth == said).astype(np.float64)
    return lambda weights: _shares(rows, hits, weights)


def balanced_of(truth: Flags, said: Flags) -> Statistic:
    """Balanced accuracy of one column, unknown rows left out."""
    hits = (truth == said).astype(np.float64)
    sides = [(truth == side).astype(np.float64) for side in (0, 1)]
    return mean_of([lambda w, s=s: _shares(s, hits, w) for s in sides if s.any()])


def _checked(truth: ArrayLike, said: ArrayLike, names: Sequence[str]) -> tuple[Flags, Flags]:
    known, given = np.asarray(truth), np.asarray(said)
    same_length(truth=known, said=given)
    for name, column in (("truth", known), ("said", given)):
        if column.ndim != 2 or column.shape[1] != len(names):
            raise FaceLLMError(f"{name} has shape {column.shape}, there are {len(names)} names")
        wrong = ~np.isin(column, (0, 1, NO_ANSWER))
        if wrong.any():
            row, index = np.argwhere(wrong)[0]
            raise FaceLLMError(
                f"{name}, row {row}, {names[index]}: {column[row, index]} is none of 0, 1, -1"
            )
    return known.astype(np.int8), given.astype(np.int8)
