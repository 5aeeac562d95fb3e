"""Action units: the scorer of an answer that names some, and F1 of each and on average.

A target holds the units somebody coded, ``{"AU6": True, "AU12": False}``; a unit that was not coded
is left out and counts nowhere. An answer comes to the units it calls: those of a reading from a
threshold fixed beforehand on, those that words name. No answer calls nothing, and is wrong about
every coded unit in the balanced accuracy.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from facellm.reading import UNIT_SHOWN, Reading

from ..metrics.units import balanced_of, f1_of, mean_of
from ..scoring.unit_text import read_units
from ..statistics import Statistic
from .sample import ANSWERED, READING, Answer, Row, Sample, Score
from .scorers import outcome_of
from .task import Metric, Scorer

Flags = NDArray[np.int8]
Column = Callable[[Flags, Flags], Statistic]
THRESHOLD = (
    f"a unit of a reading is called from probability {UNIT_SHOWN} on, the product's own rule "
    "(facellm.reading.UNIT_SHOWN; calibration.json holds no thresholds of units); words call the "
    "units they name"
)


def unit_scorer(units: Sequence[str], threshold: float = UNIT_SHOWN) -> Scorer:
    """Scorer of action units; the value is the share of a sample's coded units told right.

    Args:
        units: Those of the task, ``AU12``; others an answer names are left out.
        threshold: Probability from which on a unit of a reading is called; fixed beforehand.
    """

    def score(sample: Sample, answer: Answer) -> Score:
        if answer.failure:
            return Score(answer.failure, None, 0.0)
        shares = None
        if answer.way == READING:
            assert answer.reading is not None
            read = Reading.from_dict(answer.reading).action_units
            shares = {unit: read[int(unit[2:])].probability for unit in units}
            said = [unit for unit in units if shares[unit] >= threshold]
        else:
            parsed = read_units(answer.text)
            outcome = outcome_of(parsed, answer)
            if outcome != ANSWERED:
                return Score(outcome, None, 0.0)
            said = [unit for unit in units if unit in parsed.labels]
        right = [shown == (unit in said) for unit, shown in sample.target.items()]
        return Score(ANSWERED, said, float(np.mean(right)), shares)

    return score


def mean_f1(units: Sequence[str]) -> Metric:
    """Mean of the units' F1; a unit neither coded present nor called anywhere does not count."""
    return _mean("mean F1", units, f1_of)


def mean_balanced(units: Sequence[str]) -> Metric:
    """Mean of the units' balanced accuracies."""
    return _mean("mean balanced accuracy", units, balanced_of)


def unit_f1(unit: str) -> Metric:
    """F1 of one unit."""
    return Metric(f"F1 of {unit}", _mean("", (unit,), f1_of).of, lambda row: unit in row.target)


def _mean(name: str, units: Sequence[str], figure: Column) -> Metric:
    def of(rows: Sequence[Row]) -> Statistic:
        known, said = flags(rows, units)
        coded = np.flatnonzero((known >= 0).any(0))
        return mean_of([figure(known[:, unit], said[:, unit]) for unit in coded])

    return Metric(name, of)


def flags(rows: Sequence[Row], units: Sequence[str]) -> tuple[Flags, Flags]:
    """What is coded and what was called, (n, U) of 1, 0 and -1 (not coded, no answer)."""
    known = [[int(row.target.get(unit, -1)) for unit in units] for row in rows]
    said = [
        [-1 if row.score.said is None else int(unit in row.score.said) for unit in units]
        for row in rows
    ]
    return np.array(known, np.int8), np.array(said, np.int8)
