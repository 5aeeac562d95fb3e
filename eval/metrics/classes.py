"""Figures of one label a row: accuracy, unweighted average recall, confusion, choice above chance.

An answer that is none of the labels is wrong and stays in the denominator. WAR of the expression
literature is accuracy, UAR is the mean recall of the classes.

Example: ``class_figures(["anger", "fear"], ["anger", None], ("anger", "fear"))`` ->
``{"WAR": Estimate(0.5, ...), "UAR": Estimate(0.5, ...)}``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import Estimate, mean_statistic, recall_statistic
from .bootstrap import PLAIN, Bootstrap, codes, measured, measured_share, same_length

Said = Sequence[str | None]


def class_figures(
    truth: Sequence[str], said: Said, labels: Sequence[str], how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """``WAR`` (accuracy) and ``UAR`` (unweighted average recall).

    Args:
        truth: (n,) labels.
        said: (n,) labels; None, or any other text, is no answer.
        labels: The closed set. A class without a row does not count in UAR.
        how: What is drawn.

    Raises:
        FaceLLMError: If lengths differ, there is no row, or a true label is outside of the set.
    """
    n = same_length(truth=truth, said=said)
    known, given = codes(truth, labels, truth=True), codes(said, labels)
    return {
        "WAR": measured_share(known == given, how),
        "UAR": measured(recall_statistic(known, given), n, how),
    }


def recalls(
    truth: Sequence[str], said: Said, labels: Sequence[str], how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """Recall of every label that has a row; other arguments as in ``class_figures``."""
    same_length(truth=truth, said=said)
    known, given = codes(truth, labels, truth=True), codes(said, labels)
    groups = None if how.groups is None else np.asarray(how.groups)
    found = {}
    for index, label in enumerate(labels):
        rows = known == index
        if rows.any():
            drawn = Bootstrap(None if groups is None else groups[rows], how.seed, how.resamples)
            found[label] = measured_share(given[rows] == index, drawn)
    return found


def confusion(truth: Sequence[str], said: Said, labels: Sequence[str]) -> NDArray[np.int64]:
    """Counts, (K, K + 1): a row per true label, a column per label said, the last for no answer."""
    from sklearn.metrics import confusion_matrix

    same_length(truth=truth, said=said)
    known, given = codes(truth, labels, truth=True), codes(said, labels)
    count = len(labels)
    given = np.where(given < 0, count, given)
    return confusion_matrix(known, given, labels=np.arange(count + 1))[:count].astype(np.int64)


def choice_figures(
    right: ArrayLike, options: ArrayLike, how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """Multiple choice: accuracy, its chance level, and how far it lies between chance and 1.

    Args:
        right: (n,) whether the answer is the right option.
        options: Number of options, one for all or (n,).
        how: What is drawn.

    Returns:
        ``accuracy``, ``chance`` (the mean of 1 / options) and ``above_chance``,
        (accuracy - chance) / (1 - chance): 0 is guessing, 1 is perfect.

    Raises:
        FaceLLMError: If a question has fewer than two options, or lengths differ.
    """
    hits = np.asarray(right, bool)
    counts = (
        np.broadcast_to(np.asarray(options, np.int64), hits.shape)
        if np.ndim(options) == 0
        else np.asarray(options, np.int64)
    )
    n = same_length(right=hits, options=counts)
    if counts.min() < 2:
        raise FaceLLMError(
            f"row {int(counts.argmin())}: a choice needs 2 options, got {counts.min()}"
        )
    accuracy, chance = mean_statistic(hits), mean_statistic(1 / counts)
    return {
        "accuracy": measured_share(hits, how),
        "chance": measured(chance, n, how),
        "above_chance": measured(lambda w: (accuracy(w) - chance(w)) / (1 - chance(w)), n, how),
    }
