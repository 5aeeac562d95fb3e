"""What is gained by answering the surest rows only: risk against coverage, and the area under it.

Example: confidences ``[.9, .8, .6]``, right ``[1, 1, 0]`` -> risks 0, 0, 1/3 at coverages 1/3, 2/3,
1; area 1/9. Rows of one confidence are answered together.

Source: Geifman and El-Yaniv, arXiv 1705.08500; area as the mean risk over rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import Estimate, Statistic
from .bootstrap import PLAIN, Bootstrap, measured, same_length

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RiskCoverage:
    """Points of the curve, surest first.

    Attributes:
        coverage: (V,) share of rows answered.
        risk: (V,) share of those that is wrong.
        threshold: (V,) least confidence answered.
    """

    coverage: Floats
    risk: Floats
    threshold: Floats


def _falling(confidence: Floats) -> tuple[Floats, NDArray[np.int64], NDArray[np.int64]]:
    """Distinct confidences from high to low, rows in that order, where each value starts."""
    values, member = np.unique(-confidence, return_inverse=True)
    order = np.argsort(member, kind="stable")
    return -values, order, np.searchsorted(member[order], np.arange(len(values)))


def risk_coverage(confidence: ArrayLike, right: ArrayLike) -> RiskCoverage:
    """The curve.

    Args:
        confidence: (n,) any finite score.
        right: (n,) bool.

    Raises:
        FaceLLMError: If lengths differ or a confidence is not finite.
    """
    sure, hits = _checked(confidence, right)
    values, order, starts = _falling(sure)
    answered = np.append(starts[1:], len(sure))
    wrong = np.cumsum(~hits[order])[answered - 1]
    return RiskCoverage(answered / len(sure), wrong / answered, values)


def area_statistic(confidence: ArrayLike, right: ArrayLike) -> Statistic:
    """Mean risk over rows, weights (B, n) -> (B,)."""
    sure, hits = _checked(confidence, right)
    _, order, starts = _falling(sure)
    wrong = (~hits[order]).astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        ordered = weights[:, order]
        held = np.add.reduceat(ordered, starts, axis=1)
        lost = np.add.reduceat(ordered * wrong, starts, axis=1).cumsum(1)
        answered = held.cumsum(1)
        risk = np.divide(lost, answered, out=np.zeros_like(lost), where=answered > 0)
        return (held * risk).sum(1) / weights.sum(1)

    return statistic


def coverage_figures(
    confidence: ArrayLike, right: ArrayLike, how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """``AURC`` (less is better) and ``accuracy_surest_80``: of the 80 % surest rows.

    Args:
        confidence: (n,).
        right: (n,) bool.
        how: What is drawn; the threshold of the 80 % is that of the rows as they are.

    Raises:
        FaceLLMError: As ``risk_coverage``.
    """
    sure, hits = _checked(confidence, right)
    threshold = np.sort(sure)[::-1][int(np.ceil(0.8 * len(sure))) - 1]
    kept = (sure >= threshold).astype(np.float64)

    def surest(weights: Floats) -> Floats:
        held = weights @ kept
        return np.divide(
            weights @ (kept * hits), held, out=np.full_like(held, np.nan), where=held > 0
        )

    return {
        "AURC": measured(area_statistic(sure, hits), len(sure), how),
        "accuracy_surest_80": measured(surest, len(sure), how),
    }


def _checked(confidence: ArrayLike, right: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    sure, hits = np.asarray(confidence, np.float64), np.asarray(right, bool)
    same_length(confidence=sure, right=hits)
    wrong = ~np.isfinite(sure)
    if wrong.any():
        raise FaceLLMError(f"row {int(wrong.argmax())}: confidence {sure[wrong][0]} is not finite")
    return sure, hits
