"""Means over parts of a task, each part counting the same: attributes asked about one by one.

Example: rows of two attributes, told right 3 of 4 and 1 of 1 -> mean accuracy (.75 + 1) / 2.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..statistics import Statistic
from .measures import target_label
from .sample import Row
from .task import Metric


def mean_accuracy(column: str, name: str = "mean accuracy") -> Metric:
    """Accuracy of every value of a column, averaged."""
    return Metric(name, lambda rows: _mean_over(rows, [[row.columns[column]] for row in rows]))


def mean_balanced(column: str, name: str = "mean balanced accuracy") -> Metric:
    """Balanced accuracy of every value of a column, averaged."""
    return Metric(
        name,
        lambda rows: _mean_over(rows, [[row.columns[column], target_label(row)] for row in rows]),
    )


def _mean_over(rows: Sequence[Row], keys: list[list[str | None]]) -> Statistic:
    """Share right of rows with one key, averaged over keys of one part, then over parts.

    A key or part that a resample holds no row of does not count in it.
    """
    cells, member = np.unique(["\0".join(map(str, key)) for key in keys], return_inverse=True)
    _, part = np.unique([cell.split("\0")[0] for cell in cells], return_inverse=True)
    right = np.array([float(row.score.said == target_label(row)) for row in rows])

    def of_one(weights: np.ndarray) -> float:
        held = np.bincount(member, weights, len(cells))
        hits = np.bincount(member, weights * right, len(cells))
        there = held > 0
        shares, counts = (
            np.bincount(part[there], values) for values in (hits[there] / held[there], None)
        )
        return float((shares[counts > 0] / counts[counts > 0]).mean())

    return lambda weights: np.array([of_one(row) for row in weights])
