"""Whether two judges agree: quadratic weighted kappa and Spearman's rank correlation.

Example: ratings ``[1, 5, 9]`` and ``[2, 5, 8]`` -> kappa .97, Spearman 1.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import Estimate, Statistic, mean_statistic
from .bootstrap import PLAIN, Bootstrap, measured, same_length

Floats = NDArray[np.float64]


def kappa_statistic(first: ArrayLike, second: ArrayLike) -> Statistic:
    """Quadratic weighted kappa, 1 - E(a - b)^2 / E(a - b')^2 with b' drawn independently of a.

    Weights (B, n) -> (B,); NaN where both judges give one and the same value throughout. Equal to
    scikit-learn's ``cohen_kappa_score(weights="quadratic")`` (tested).
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    columns = np.stack([a, b, a * a, b * b, (a - b) ** 2], axis=1)

    def statistic(weights: Floats) -> Floats:
        ma, mb, aa, bb, apart = (weights @ columns / weights.sum(1, keepdims=True)).T
        chance = aa + bb - 2 * ma * mb
        return np.divide(
            chance - apart, chance, out=np.full_like(chance, np.nan), where=chance > 1e-12
        )

    return statistic


def spearman_statistic(first: ArrayLike, second: ArrayLike) -> Statistic:
    """Spearman's rank correlation, ties at their middle rank, ranked anew in every resample.

    Weights (B, n) -> (B,); NaN where one column is constant.
    """
    columns = [np.unique(np.asarray(c, np.float64), return_inverse=True) for c in (first, second)]
    members = [(inverse[:, None] == np.arange(len(v))).astype(float) for v, inverse in columns]

    def statistic(weights: Floats) -> Floats:
        share = weights / weights.sum(1, keepdims=True)
        held = [share @ member for member in members]
        middle = [h.cumsum(1) - h / 2 - 0.5 for h in held]  # mean rank is 0 by construction
        joint = [m[:, inverse] for m, (_, inverse) in zip(middle, columns, strict=True)]
        covariance = (share * joint[0] * joint[1]).sum(1)
        spread = [(h * m * m).sum(1) for h, m in zip(held, middle, strict=True)]
        scale = np.sqrt(spread[0] * spread[1])
        return np.divide(covariance, scale, out=np.full_like(scale, np.nan), where=scale > 1e-12)

    return statistic


def agreement(first: ArrayLike, second: ArrayLike, how: Bootstrap = PLAIN) -> dict[str, Estimate]:
    """How two judges rate the same answers.

    Args:
        first: (n,) ratings of one judge.
        second: (n,) of the other, same answers in the same order.
        how: What is drawn.

    Returns:
        ``kappa``, ``spearman``, and ``difference``, the mean of first minus second.

    Raises:
        FaceLLMError: If lengths differ, a rating is missing, or there are fewer than two answers.
    """
    a, b = np.asarray(first, np.float64), np.asarray(second, np.float64)
    n = same_length(first=a, second=b)
    if n < 2:
        raise FaceLLMError(f"agreement needs at least 2 answers rated by both, got {n}")
    missing = ~(np.isfinite(a) & np.isfinite(b))
    if missing.any():
        raise FaceLLMError(f"answer {int(missing.argmax())} lacks a rating of one judge")
    return {
        "kappa": measured(kappa_statistic(a, b), n, how),
        "spearman": measured(spearman_statistic(a, b), n, how),
        "difference": measured(mean_statistic(a - b), n, how),
    }
