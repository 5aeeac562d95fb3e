"""Calibration error against the label, after a temperature fitted on validation rows.

Against a majority of raters even a perfect model of the votes looks badly calibrated
(``metrics.calibration``), so this error is never printed without a temperature, and the temperature
never sees the rows the error is taken on: on the test split it is fitted on the validation split,
on the validation split on the half of its rows that a hash of the id picks.

Example: ``fit(rows, None).error().measure(rows)`` -> the error on the other half.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..metrics.calibration import fit_temperature, tempered
from ..statistics import Statistic, calibration_statistic
from .measures import has_shares, target_label
from .sample import Row
from .task import Metric

NAME = "ECE against the label after a temperature"
HALF, WHOLE = "one half of this split, measured on the other", "the validation split"


@dataclass(frozen=True)
class Temperature:
    """A fitted temperature.

    Attributes:
        value: Probabilities are raised to 1 / value; above 1 softens.
        rows: How many it was fitted on.
        source: What rows those were.
    """

    value: float
    rows: int
    source: str

    def record(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)

    def error(self) -> Metric:
        """The error as a metric, taken on rows the temperature was not fitted on."""

        def of(rows: Sequence[Row]) -> Statistic:
            shares, truth = table(rows)
            shares = tempered(shares, self.value)
            return calibration_statistic(shares.max(1), shares.argmax(1) == truth)

        def counts(row: Row) -> bool:
            return has_shares(row) and not (self.source == HALF and for_fitting(row))

        return Metric(NAME, of, counts, unit="", more_is_better=False)


def fit(rows: Sequence[Row], validation: Sequence[Row] | None) -> Temperature | None:
    """Fit on validation rows; None where the model gives no probabilities.

    Args:
        rows: Of the run.
        validation: Of the validation split; None where ``rows`` are of it.
    """
    lessons = [row for row in rows if for_fitting(row)] if validation is None else validation
    lessons = [row for row in lessons if has_shares(row)]
    if not lessons:
        return None
    source = HALF if validation is None else WHOLE
    return Temperature(fit_temperature(*table(lessons)), len(lessons), source)


def for_fitting(row: Row) -> bool:
    """Whether a row is in the half that a temperature is fitted on."""
    return hashlib.sha256(row.id.encode()).digest()[0] % 2 == 0


def table(rows: Sequence[Row]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """(n, K) shares in the order of the first row's labels, and (n,) index of the true one."""
    labels = list(rows[0].score.shares or {})
    shares = np.array([[(row.score.shares or {})[name] for name in labels] for row in rows])
    return shares, np.array([labels.index(str(target_label(row))) for row in rows])
