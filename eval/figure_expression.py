"""Expressions on FER+ test, from the reading: accuracy, balance, calibration, abstention.

Two denominators are printed. ``published``: the majority rule of the FER+ paper (votes of one
tagger dropped, then more than half; 3,153 rows of the test split), to compare with other work.
``argmax``: every row with one most voted expression (3,414), which keeps the ambiguous faces.

Calibration is against one tagger drawn at random: ten taggers disagree, a perfect model of their
votes agrees with the majority far more often than it claims, so its error against the majority
would be large although nothing is wrong with it. Taggers who said "unknown" or "not a face" gave no
expression and are left out of the draw.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facellm.labels import EXPRESSIONS
from facellm.votes import published_majority

from .figure import Figure, Findings, Goal
from .held_out import Columns, HeldOut
from .statistics import (
    calibration_statistic,
    divergences,
    estimate,
    mean_statistic,
    recall_statistic,
    share,
)

EXPECTED = {"published": 3153, "argmax": 3414}
KIND = len(EXPRESSIONS)


def unique_argmax(votes: NDArray[np.integer]) -> NDArray[np.int64]:
    """Most voted expression of (N, 10) votes; -1 where two share the top or none has a vote."""
    counts = votes[:, :KIND]
    top = counts.max(1)
    unique = ((counts == top[:, None]).sum(1) == 1) & (top > 0)
    return np.where(unique, counts.argmax(1), -1)


def expression_shares(votes: NDArray[np.integer]) -> NDArray[np.float64]:
    """(N, 10) votes -> (N, 8) shares of the taggers who named an expression; NaN rows have none."""
    counts = votes[:, :KIND].astype(np.float64)
    total = counts.sum(1, keepdims=True)
    return np.divide(counts, total, out=np.full_like(counts, np.nan), where=total > 0)


def expression_figures(held_out: HeldOut) -> Findings:
    """All figures of FER+ test."""
    votes = np.asarray(held_out.labels("ferplus", "votes"), np.int64)
    return score_expressions(held_out.columns("ferplus"), votes, whole=held_out.limit is None)


def score_expressions(columns: Columns, votes: NDArray[np.int64], *, whole: bool) -> Findings:
    """Figures of readings against votes.

    Args:
        columns: Readings of N faces.
        votes: (N, 10).
        whole: All of the test split is here, so the counts are checked against the known ones.
    """
    said = columns.expression.argmax(1)
    truths = {"published": published_majority(votes), "argmax": unique_argmax(votes)}
    findings = Findings()
    for name, truth in truths.items():
        rows = truth >= 0
        findings.figures.append(
            Figure(
                f"FER+ expression accuracy, {name}",
                share(said[rows] == truth[rows]),
                Goal(0.75),
                note=count_note(name, int(rows.sum())) if whole else "a part of the split",
            )
        )
    truth = truths["published"]
    rows = truth >= 0
    average = estimate(recall_statistic(truth[rows], said[rows]), int(rows.sum()))
    note = "disgust and contempt have about 20 faces each: the interval is theirs"
    findings.figures.append(Figure("FER+ unweighted average recall, published", average, note=note))
    findings.figures += calibration_figures(columns, votes, rows)
    findings.figures += abstention_figures(columns, truth)
    findings.tables["expression_confusion"] = confusion(truth[rows], said[rows])
    return findings


def count_note(name: str, count: int) -> str:
    """Whether a denominator has the number of rows the data set is known to give."""
    expected = EXPECTED[name]
    if count == expected:
        return f"all {count:,} rows of this denominator"
    return f"{count:,} rows where the data set gives {expected:,}: not comparable with other work"


def calibration_figures(
    columns: Columns, votes: NDArray[np.int64], published: NDArray[np.bool_]
) -> list[Figure]:
    """Calibration error against a drawn tagger and divergence from the votes."""
    shares = expression_shares(votes)
    said = columns.expression.argmax(1)
    voted = np.isfinite(shares).all(1)
    figures = []
    for name, rows in (("all voted faces", voted), ("published", published & voted)):
        picked = np.flatnonzero(rows)
        error = calibration_statistic(
            columns.expression.max(1)[picked], shares[picked, said[picked]]
        )
        apart = divergences(shares[picked], columns.expression[picked])
        selected = (
            "" if name != "published" else "clear faces only: a vote model looks underconfident"
        )
        figures += [
            Figure(
                f"FER+ calibration error against a drawn tagger, {name}",
                estimate(error, len(picked)),
                unit="",
                note=f"15 bins, expectation over the draw; {selected}".rstrip("; "),
            ),
            Figure(
                f"FER+ KL divergence of the votes from the reading, {name}",
                estimate(mean_statistic(apart), len(picked)),
                unit="nats",
                note=selected,
            ),
        ]
    return figures


def abstention_figures(columns: Columns, truth: NDArray[np.int64]) -> list[Figure]:
    """How often the expression is left open, and how right it is where it is not."""
    rows = truth >= 0
    answered = rows & ~columns.abstain
    return [
        Figure("FER+ share left open, published", share(columns.abstain[rows])),
        Figure(
            "FER+ accuracy where answered, published",
            share(columns.expression.argmax(1)[answered] == truth[answered]),
            Goal(0.95),
            note="the threshold was set for 5 % risk on the validation split",
        ),
    ]


def confusion(truth: NDArray[np.int64], said: NDArray[np.int64]) -> list[dict[str, object]]:
    """One record a true expression: its rows, its recall and what was said."""
    records = []
    for index, name in enumerate(EXPRESSIONS):
        of_class = said[truth == index]
        counts = {other: int((of_class == i).sum()) for i, other in enumerate(EXPRESSIONS)}
        recall = float((of_class == index).mean()) if len(of_class) else None
        records.append({"truth": name, "n": len(of_class), "recall": recall, "said": counts})
    return records
