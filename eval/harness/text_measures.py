"""Metrics over what a model wrote: overlap with references, and REGE of FABA-Bench.

Rows hold their reference texts in ``target["references"]``; of several the best counts. An answer
that failed or is empty overlaps with nothing and stays in the mean.

Example: ``overlap()`` of "the brows are low" against "the brows are raised" is 75 of 100.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..metrics.reasoning import rouge_l
from ..statistics import Statistic, mean_f1_statistic, mean_statistic
from .sample import FREE, Row
from .scorers import label_of
from .task import Metric

POINTS = "of 100"
REGE_UNIT = "of 200"


def best_overlap(row: Row) -> float:
    """ROUGE-L of the answer with its best reference, in [0, 1]."""
    return max((rouge_l(one, row.answer.text) for one in row.target["references"]), default=0.0)


def wrote(row: Row) -> bool:
    """The row was asked for words, and there is a text to hold them against."""
    return bool(row.target["references"]) and row.answer.way == FREE


def overlap(name: str = "ROUGE-L") -> Metric:
    """Mean ROUGE-L of the answers, 0 to 100."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([100 * best_overlap(row) for row in rows])

    return Metric(name, of, wrote, POINTS)


def label_recognition(rows: Sequence[Row]) -> Statistic:
    """Share of right labels."""
    return mean_statistic([float(row.score.said == label_of(row.target)) for row in rows])


def unit_recognition(rows: Sequence[Row]) -> Statistic:
    """Mean F1 over the units of ``target["units"]``; ``said`` lists the active ones."""
    names = list(rows[0].target["units"])
    truth = np.array([[bool(row.target["units"][name]) for name in names] for row in rows])
    said = np.array([[name in (row.score.said or ()) for name in names] for row in rows])
    return mean_f1_statistic(truth, said)


def rege_metrics(kind: str) -> tuple[Metric, ...]:
    """REGE and its two parts, recognition and generation.

    Args:
        kind: ``label`` or ``units``: what recognition is of.

    Source: EmoLA, arXiv 2404.05052, section 4.
    """
    recognised = {"label": label_recognition, "units": unit_recognition}[kind]

    def recognition(rows: Sequence[Row]) -> Statistic:
        share = recognised(rows)
        return lambda weights: 100 * share(weights)

    def both(rows: Sequence[Row]) -> Statistic:
        first, second = recognition(rows), overlap().of(rows)
        return lambda weights: first(weights) + second(weights)

    return (
        Metric("REGE", both, wrote, REGE_UNIT),
        Metric("recognition", recognition, wrote, POINTS),
        overlap("generation"),
    )
