"""Expressions against the votes of several raters, and what raters themselves reach.

A row of votes holds how many raters gave each label. With raters who disagree, nobody reaches 1:
``one_rater`` is how often one of them names the label that the panel's majority gave, and
``fresh_panel`` how often as many new raters would give that label again. Both take the shares of
the votes for the truth, and the rater or the panel's votes are among them, so both lie a little
high: they bound what a model can be asked for.

Example: three rows of ``votes = [[8, 2], [6, 4], [10, 0]]`` with truth 0 -> one rater .8.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import Estimate, calibration_statistic, divergences, mean_statistic
from .bootstrap import PLAIN, Bootstrap, measured, same_length

Floats = NDArray[np.float64]
PANELS = 100  # fresh panels drawn per row


def checked_probabilities(probabilities: ArrayLike, name: str = "probabilities") -> Floats:
    """(n, K) shares that sum to 1.

    Raises:
        FaceLLMError: If a row does not; the message names it.
    """
    shares = np.asarray(probabilities, np.float64)
    if shares.ndim != 2:
        raise FaceLLMError(f"{name} must be (n, K), got shape {shares.shape}")
    # "not (... <= ...)" so that NaN is caught too.
    wrong = ~((np.abs(shares.sum(1) - 1) <= 1e-3) & (shares >= 0).all(1))
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(f"{name}, row {row}: {shares[row]} are no shares that sum to 1")
    return shares


def vote_shares(votes: ArrayLike) -> Floats:
    """(n, K) counts -> shares.

    Raises:
        FaceLLMError: If a row has no vote or a negative one; the message names it.
    """
    counts = np.asarray(votes, np.float64)
    if counts.ndim != 2:
        raise FaceLLMError(f"votes must be (n, K), got shape {counts.shape}")
    wrong = (counts < 0).any(1) | ~(counts.sum(1) > 0)
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(f"votes, row {row}: {counts[row]} hold no vote for any label")
    return counts / counts.sum(1, keepdims=True)


def vote_figures(
    probabilities: ArrayLike, votes: ArrayLike, how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """``KL`` of the votes from the probabilities, in nats, and ``ECE`` against one drawn rater.

    Args:
        probabilities: (n, K).
        votes: (n, K) counts.
        how: What is drawn.

    Raises:
        FaceLLMError: If shapes differ, or a row is no distribution or has no vote.
    """
    said, shares = checked_probabilities(probabilities), vote_shares(votes)
    n = same_length(probabilities=said, votes=shares)
    if said.shape != shares.shape:
        raise FaceLLMError(f"{said.shape[1]} probabilities a row, {shares.shape[1]} votes")
    top = said.argmax(1)
    error = calibration_statistic(said.max(1), shares[np.arange(n), top])
    return {
        "KL": measured(mean_statistic(divergences(shares, said)), n, how),
        "ECE": measured(error, n, how),
    }


def one_rater(votes: ArrayLike, truth: Sequence[int], how: Bootstrap = PLAIN) -> Estimate:
    """How often one of the raters names the true label.

    Args:
        votes: (n, K) counts.
        truth: (n,) index of the label rows are scored against.
        how: What is drawn.

    Raises:
        FaceLLMError: As ``vote_shares``; and if a truth is no index.
    """
    shares, labels = vote_shares(votes), _checked_truth(truth, votes)
    return measured(mean_statistic(shares[np.arange(len(labels)), labels]), len(labels), how)


def fresh_panel(votes: ArrayLike, truth: Sequence[int], how: Bootstrap = PLAIN) -> Estimate:
    """How often as many new raters, drawn from the shares, would give the true label most votes.

    A tie at the top counts as its share. Arguments and errors as in ``one_rater``.
    """
    wins = panel_wins(votes, truth, how.seed)
    return measured(mean_statistic(wins), len(wins), how)


def panel_wins(votes: ArrayLike, truth: Sequence[int], seed: int = 0) -> Floats:
    """(n,) share of fresh panels that give a row its true label; see ``fresh_panel``."""
    counts, shares = np.asarray(votes, np.int64), vote_shares(votes)
    labels, n = _checked_truth(truth, votes), len(counts)
    rng = np.random.default_rng(seed)
    won = np.zeros(n)
    for _ in range(PANELS):
        drawn = rng.multinomial(counts.sum(1), shares)
        top = drawn == drawn.max(1, keepdims=True)
        won += top[np.arange(n), labels] / top.sum(1)
    return won / PANELS


def _checked_truth(truth: Sequence[int], votes: ArrayLike) -> NDArray[np.int64]:
    labels, counts = np.asarray(truth, np.int64), np.asarray(votes)
    same_length(truth=labels, votes=counts)
    wrong = (labels < 0) | (labels >= counts.shape[1])
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(
            f"row {row}: truth {labels[row]} is outside of 0 to {counts.shape[1] - 1}"
        )
    return labels
