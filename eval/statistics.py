"""Figures with their uncertainty: intervals, calibration error, ranking, agreement; pure functions.

A statistic is a function of weights: ``statistic(weights (B, n)) -> (B,)``, one value per row of
weights. With all weights one it is the figure itself; with B rows of multinomial counts it is B
bootstrap resamples, computed at once and without copying a row.

Example: ``estimate(mean_statistic(errors), len(errors))`` -> ``Estimate(value=6.2, low=6.0,
high=6.5, n=2337)``. Intervals are 95 %: Wilson for shares, percentile bootstrap for the rest.

Legend: n rows, B resamples, K classes.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Statistic = Callable[[Floats], Floats]

Z95 = 1.959964
BINS = 15
RESAMPLES = 1000
CHUNK = 50  # resamples weighed at once; bounds memory at 50 x n floats


@dataclass(frozen=True)
class Estimate:
    """A figure and its 95 % interval.

    Attributes:
        value: The figure on the rows as they are.
        low: Lower bound.
        high: Upper bound.
        n: Rows it was taken on.
    """

    value: float
    low: float
    high: float
    n: int


def wilson(hits: int, n: int) -> tuple[float, float]:
    """Wilson 95 % interval of a share; (0, 1) where n is 0."""
    if n == 0:
        return 0.0, 1.0
    share = hits / n
    middle = (share + Z95**2 / (2 * n)) / (1 + Z95**2 / n)
    half = Z95 / (1 + Z95**2 / n) * math.sqrt(share * (1 - share) / n + Z95**2 / (4 * n * n))
    return max(0.0, middle - half), min(1.0, middle + half)


def share(hits: ArrayLike) -> Estimate:
    """Share of true rows with its Wilson interval; NaN where there is no row."""
    array = np.asarray(hits, bool)
    count, n = int(array.sum()), array.size
    return Estimate(count / n if n else math.nan, *wilson(count, n), n)


def resample_counts(rng: np.random.Generator, n: int, size: int) -> Floats:
    """How often each of n rows is drawn in ``size`` bootstrap resamples, (size, n)."""
    # Drawing rows and counting them takes a fifth of the time of ``rng.multinomial``.
    drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
    return np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n).astype(np.float64)


def estimate(
    statistic: Statistic, n: int, *, seed: int = 0, resamples: int = RESAMPLES
) -> Estimate:
    """A statistic and its percentile bootstrap interval.

    Args:
        statistic: Weights (B, n) -> (B,); NaN where a resample leaves it undefined.
        n: Rows.
        seed: Of the resamples.
        resamples: How many; those that are NaN are left out of the interval.

    Raises:
        ValueError: If there is no row.
    """
    if n < 1:
        raise ValueError("a statistic needs at least one row, got 0")
    rng = np.random.default_rng(seed)
    sizes = (min(CHUNK, resamples - start) for start in range(0, resamples, CHUNK))
    values = np.concatenate([statistic(resample_counts(rng, n, size)) for size in sizes])
    values = values[np.isfinite(values)]
    low, high = np.percentile(values, (2.5, 97.5)) if len(values) else (math.nan, math.nan)
    return Estimate(float(statistic(np.ones((1, n)))[0]), float(low), float(high), n)


def grouped_estimate(
    statistic: Statistic, groups: ArrayLike, *, seed: int = 0, resamples: int = RESAMPLES
) -> Estimate:
    """As ``estimate``, but whole groups are drawn: rows of one person are not independent.

    Args:
        statistic: Weights (B, n) -> (B,); NaN where a resample leaves it undefined.
        groups: (n,) the group of every row.
        seed: Of the resamples.
        resamples: How many; those that are NaN are left out of the interval.

    Raises:
        ValueError: If there is no row.
    """
    names, member = np.unique(np.asarray(groups), return_inverse=True)
    if not len(names):
        raise ValueError("a statistic needs at least one row, got 0")
    found = estimate(
        lambda weights: statistic(weights[:, member]), len(names), seed=seed, resamples=resamples
    )
    return Estimate(found.value, found.low, found.high, len(member))


def quantile_statistic(values: ArrayLike, share: float) -> Statistic:
    """Value up to which a share of the weight lies; ``share`` 0.5 is the (lower) median."""
    array = np.asarray(values, np.float64)
    order = np.argsort(array, kind="stable")

    def statistic(weights: Floats) -> Floats:
        reached = weights[:, order].cumsum(1)
        return array[order][(reached >= share * reached[:, -1:] - 1e-9).argmax(1)]

    return statistic


def mean_statistic(values: ArrayLike) -> Statistic:
    """Mean of ``values`` (n,)."""
    array = np.asarray(values, np.float64)
    return lambda weights: weights @ array / weights.sum(1)


def correlation_statistic(first: ArrayLike, second: ArrayLike) -> Statistic:
    """Pearson's correlation of two columns (n,); NaN where a resample holds no spread."""
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    columns = np.stack([a, b, a * a, b * b, a * b], axis=1)

    def statistic(weights: Floats) -> Floats:
        share = weights / weights.sum(1, keepdims=True)
        ma, mb, aa, bb, ab = (share @ columns).T
        scale = np.sqrt(np.maximum(aa - ma * ma, 0) * np.maximum(bb - mb * mb, 0))
        return np.divide(ab - ma * mb, scale, out=np.full_like(ab, np.nan), where=scale > 0)

    return statistic


def recall_statistic(truth: ArrayLike, said: ArrayLike) -> Statistic:
    """Unweighted average recall over the classes in ``truth``; of two: balanced accuracy.

    A class a resample holds no row of does not count in that resample.
    """
    labels = np.asarray(truth)
    hit = (labels == np.asarray(said)).astype(np.float64)
    members = np.stack([labels == label for label in np.unique(labels)], axis=1).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        held = weights @ members
        found = weights @ (members * hit[:, None])
        recalls = np.divide(found, held, out=np.full_like(held, np.nan), where=held > 0)
        return np.nanmean(recalls, axis=1)

    return statistic


def f1_statistic(truth: ArrayLike, said: ArrayLike) -> Statistic:
    """F1 of the positive class: 2 TP / (2 TP + FP + FN); NaN where nothing is or is said true."""
    positive, called = np.asarray(truth, bool), np.asarray(said, bool)
    both = (positive & called).astype(np.float64)
    either = positive.astype(np.float64) + called

    def statistic(weights: Floats) -> Floats:
        whole = weights @ either
        return np.divide(
            2 * (weights @ both), whole, out=np.full_like(whole, np.nan), where=whole > 0
        )

    return statistic


def best_f1_thresholds(truth: NDArray[np.bool_], scores: Floats) -> Floats:
    """Score from which on calling a row gives the best F1, column by column.

    Args:
        truth: (n, K).
        scores: (n, K).

    Returns:
        (K,) one of the scores each; infinity for a column without a true row.
    """
    found = []
    for positive, score in zip(truth.T, scores.T, strict=True):
        order = np.argsort(-score, kind="stable")
        hits, falling = np.cumsum(positive[order]), score[order]
        f1 = 2 * hits / (np.arange(1, len(score) + 1) + positive.sum())
        f1[:-1][falling[:-1] == falling[1:]] = -1  # rows of one score are called together
        found.append(falling[int(np.argmax(f1))] if positive.any() else np.inf)
    return np.array(found)


def mean_f1_statistic(truth: NDArray[np.bool_], said: NDArray[np.bool_]) -> Statistic:
    """Mean over columns of the F1 of (n, K); a column without a true or called row is left out."""
    columns = [f1_statistic(truth[:, k], said[:, k]) for k in range(truth.shape[1])]
    return lambda weights: np.nanmean(np.stack([column(weights) for column in columns]), axis=0)


def auc_statistic(positive: ArrayLike, scores: ArrayLike) -> Statistic:
    """Area under the ROC curve: chance that a positive row scores above a negative one.

    Ties count half. NaN where a resample holds one class only. Equal to scikit-learn's
    ``roc_auc_score`` with sample weights (tested).
    """
    values, member = np.unique(np.asarray(scores, np.float64), return_inverse=True)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(len(values)))
    truth = np.asarray(positive, bool)[order].astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        ordered = weights[:, order]
        above = np.add.reduceat(ordered * truth, starts, axis=1)
        below = np.add.reduceat(ordered * (1 - truth), starts, axis=1)
        won = (above * (below.cumsum(1) - below / 2)).sum(1)
        pairs = above.sum(1) * below.sum(1)
        return np.divide(won, pairs, out=np.full_like(won, np.nan), where=pairs > 0)

    return statistic


def calibration_statistic(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> Statistic:
    """Expected calibration error with equal-width bins over [0, 1].

    Args:
        confidence: (n,) probability of the label that was said.
        correct: (n,) chance that the label is right. Against one randomly drawn rater this is the
            share of raters who gave it: averaging over the draw is exact, so no draw is made and
            no noise added. Against a fixed label it is 0 or 1.
        bins: Number of bins.

    Returns:
        Weights (B, n) -> (B,), sum over bins of |mean confidence - mean correctness| times the
        bin's share. A resample spreads the rows, so the interval lies a little high.
    """
    sure = np.asarray(confidence, np.float64)
    gap = sure - np.asarray(correct, np.float64)
    index = np.minimum((sure * bins).astype(int), bins - 1)
    members = (index[:, None] == np.arange(bins)).astype(np.float64) * gap[:, None]
    return lambda weights: np.abs(weights @ members).sum(1) / weights.sum(1)


def divergences(votes: Floats, probabilities: Floats) -> Floats:
    """KL(votes || probabilities) of each row, in nats.

    Args:
        votes: (n, K) shares that sum to 1.
        probabilities: (n, K) shares that sum to 1.

    Returns:
        (n,); a label without votes adds nothing.
    """
    floor = np.maximum(probabilities, 1e-12)
    ratio = np.log(np.where(votes > 0, votes, 1.0)) - np.log(floor)
    return np.where(votes > 0, votes * ratio, 0.0).sum(1)


def abstain_threshold(
    confidence: ArrayLike, correct: ArrayLike, least_accuracy: float, sureness: float = 0.5
) -> float:
    """Smallest confidence from which on the answered rows reach an accuracy, with some sureness.

    A threshold that reaches the accuracy exactly on the rows it was chosen on misses it on every
    second set of new rows. Here the accuracy's lower bound must reach it (Clopper and Pearson).

    Args:
        confidence: (n,).
        correct: (n,) whether the label is right.
        least_accuracy: Of the rows with at least that confidence, in (0, 1).
        sureness: One-sided confidence of the bound; .5 is about the plain share.

    Returns:
        One of the confidences; infinity where no threshold reaches it.

    Source: Geifman and El-Yaniv, arXiv 1705.08500, section 3 (selection with guaranteed risk);
    without its union bound over thresholds.
    """
    from scipy.stats import beta

    sure = np.asarray(confidence, np.float64)
    order = np.argsort(-sure, kind="stable")
    falling = sure[order]
    right = np.cumsum(np.asarray(correct, np.float64)[order])
    answered = np.arange(1, len(sure) + 1)
    least = np.where(right > 0, beta.ppf(1 - sureness, right, answered - right + 1), 0.0)
    # Rows of one confidence are answered together: only the last of them is a possible cut.
    last = np.append(falling[1:] != falling[:-1], True)
    good = np.flatnonzero(last & (least >= least_accuracy))
    return float(falling[good[-1]]) if len(good) else math.inf
