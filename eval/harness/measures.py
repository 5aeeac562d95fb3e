"""Metrics tasks are made of: which rows count, and which statistic is taken of them.

The statistics themselves are pure functions of arrays in ``facellm.eval.statistics``; here they are
bound to rows. A row without an answer is wrong where labels are compared; an error in years or an
area under a curve can only be taken on answers, and ``answered`` stands beside it in every table.

Example: ``accuracy("accuracy", truth=label_of)``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..metrics.forgery import eer_statistic
from ..metrics.votes import panel_wins
from ..statistics import (
    Statistic,
    auc_statistic,
    calibration_statistic,
    divergences,
    mean_statistic,
    recall_statistic,
)
from .sample import ANSWERED, FLIPPED, Row
from .scorers import label_of
from .task import Metric

Labelled = Callable[[Row], str | None]


def target_label(row: Row) -> str | None:
    """The row's true label."""
    return label_of(row.target)


def answered(row: Row) -> bool:
    """The model gave an answer that can be read."""
    return row.score.outcome == ANSWERED


def coverage() -> Metric:
    """Share of answered rows; printed for every task."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([float(answered(row)) for row in rows])

    return Metric(ANSWERED, of, share=True)


def accuracy(name: str = "accuracy", truth: Labelled = target_label) -> Metric:
    """Share of right labels; rows without a true label do not count, rows without an answer do."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([float(row.score.said == truth(row)) for row in rows])

    return Metric(name, of, lambda row: truth(row) is not None, share=True)


def average_recall(name: str = "UAR", truth: Labelled = target_label) -> Metric:
    """Unweighted mean of the recalls of the classes; of two: balanced accuracy."""

    def of(rows: Sequence[Row]) -> Statistic:
        said = [str(row.score.said) for row in rows]
        return recall_statistic([str(truth(row)) for row in rows], said)

    return Metric(name, of, lambda row: truth(row) is not None)


def mean_error(name: str, unit: str) -> Metric:
    """Mean of the scores' values, of answered rows: an absolute error."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([float(row.score.value or 0.0) for row in rows])

    return Metric(name, of, lambda row: row.score.value is not None, unit, more_is_better=False)


def area_under_curve(positive: str, name: str = "AUC") -> Metric:
    """Chance that a positive row's share of ``positive`` is above a negative one's."""

    def of(rows: Sequence[Row]) -> Statistic:
        truth = [target_label(row) == positive for row in rows]
        return auc_statistic(truth, [share_of(row, positive) for row in rows])

    return Metric(name, of, has_shares, unit="")


def equal_error(positive: str, name: str = "EER") -> Metric:
    """Error rate where false alarms are as many as misses."""

    def of(rows: Sequence[Row]) -> Statistic:
        truth = [target_label(row) == positive for row in rows]
        return eer_statistic(truth, [share_of(row, positive) for row in rows])

    return Metric(name, of, has_shares, more_is_better=False)


def share_of(row: Row, label: str) -> float:
    """The model's share of a label."""
    assert row.score.shares is not None
    return row.score.shares[label]


def has_shares(row: Row) -> bool:
    """The model gave probabilities and the row has a label."""
    return row.score.shares is not None and target_label(row) is not None


def vote_shares(row: Row) -> dict[str, float] | None:
    """Share of raters per label, of a target that holds ``votes`` as a mapping; None without."""
    votes = (row.target.get("votes") or {}) if isinstance(row.target, dict) else {}
    total = sum(votes.values())
    return {name: count / total for name, count in votes.items()} if total else None


def has_votes(row: Row) -> bool:
    """Raters voted and the model gave shares."""
    return row.score.shares is not None and vote_shares(row) is not None


def drawn_rater_error(name: str = "ECE against a drawn rater") -> Metric:
    """Calibration error where right means: one rater drawn at random says so too.

    A perfect model of the votes is far off against the majority and right by this one.
    """

    def of(rows: Sequence[Row]) -> Statistic:
        sure = [share_of(row, row.score.said) for row in rows]
        agree = [(vote_shares(row) or {}).get(row.score.said, 0.0) for row in rows]
        return calibration_statistic(sure, agree)

    return Metric(name, of, has_votes, unit="", more_is_better=False)


def vote_divergence(name: str = "KL of the votes") -> Metric:
    """Mean KL(votes || shares), nats."""

    def of(rows: Sequence[Row]) -> Statistic:
        labels = list(rows[0].score.shares or {})
        votes = np.array([[(vote_shares(row) or {}).get(n, 0.0) for n in labels] for row in rows])
        said = np.array([[share_of(row, n) for n in labels] for row in rows])
        return mean_statistic(divergences(votes, said))

    return Metric(name, of, has_votes, unit="nats", more_is_better=False)


def has_voted_label(row: Row) -> bool:
    """Raters voted and the row has a label."""
    return vote_shares(row) is not None and target_label(row) is not None


def one_human(name: str = "one human rater") -> Metric:
    """How often one of the raters gives the true label: what a single person reaches.

    Of the data, not of the model; the rater is one of those the label is made of, so a little high.
    """

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([(vote_shares(row) or {})[str(target_label(row))] for row in rows])

    return Metric(name, of, has_voted_label, more_is_better=None)


def fresh_panel(name: str = "a fresh panel of raters") -> Metric:
    """How often as many new raters would give the true label most votes; see ``one_human``."""

    def of(rows: Sequence[Row]) -> Statistic:
        labels = list(rows[0].target["votes"])
        votes = [[row.target["votes"][label] for label in labels] for row in rows]
        truth = [labels.index(str(target_label(row))) for row in rows]
        return mean_statistic(panel_wins(votes, truth))

    return Metric(name, of, has_voted_label, more_is_better=None)


def flip_rate(name: str = "flip rate") -> Metric:
    """Share of changed copies whose answer is another one than the unchanged sample's."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([float(row.columns[FLIPPED]) for row in rows])

    return Metric(name, of, lambda row: FLIPPED in row.columns, more_is_better=False)
