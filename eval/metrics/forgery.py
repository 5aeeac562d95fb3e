"""Real or forged, from probabilities: AUC, equal error rate, balanced accuracy, the ROC curve.

Example: ``forgery_figures([0, 1], [0.2, 0.9], threshold=0.5)["AUC"].value`` -> ``1.0``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import Estimate, Statistic, auc_statistic, recall_statistic
from .bootstrap import PLAIN, Bootstrap, measured, same_length

Floats = NDArray[np.float64]
MOST_POINTS = 200  # of a curve that is drawn


@dataclass(frozen=True)
class Roc:
    """Points of a ROC curve, from (0, 0) to (1, 1).

    Attributes:
        false_alarms: (V,) share of real rows called forged.
        found: (V,) share of forged rows called so.
        threshold: (V,) probability from which on a row is called forged; inf at the start.
    """

    false_alarms: Floats
    found: Floats
    threshold: Floats


def eer_statistic(positive: ArrayLike, scores: ArrayLike) -> Statistic:
    """Error rate where false alarms are as many as misses, in shares; linear between thresholds.

    Args:
        positive: (n,) bool.
        scores: (n,).

    Returns:
        Weights (B, n) -> (B,); NaN where a resample holds one class only.
    """
    values, member = np.unique(-np.asarray(scores, np.float64), return_inverse=True)
    order = np.argsort(member, kind="stable")
    starts = np.searchsorted(member[order], np.arange(len(values)))
    truth = np.asarray(positive, bool)[order].astype(np.float64)

    def statistic(weights: Floats) -> Floats:
        ordered = weights[:, order]
        found = np.add.reduceat(ordered * truth, starts, axis=1).cumsum(1)
        alarms = np.add.reduceat(ordered * (1 - truth), starts, axis=1).cumsum(1)
        positives, negatives = found[:, -1:], alarms[:, -1:]
        whole = (positives > 0) & (negatives > 0)
        miss = 1 - np.divide(found, positives, out=np.full_like(found, np.nan), where=whole)
        false = np.divide(alarms, negatives, out=np.full_like(alarms, np.nan), where=whole)
        # From calling nothing (miss 1, false 0) on, the first step at which false reaches miss.
        miss = np.concatenate([np.ones((len(miss), 1)), miss], axis=1)
        false = np.concatenate([np.zeros((len(false), 1)), false], axis=1)
        step = np.maximum((false >= miss).argmax(1), 1)
        rows = np.arange(len(miss))
        before = (miss - false)[rows, step - 1]
        after = (miss - false)[rows, step]
        way = np.divide(before, before - after, out=np.zeros_like(before), where=before != after)
        start = false[rows, step - 1]
        rate = start + way * (false[rows, step] - start)
        return np.where(whole[:, 0], rate, np.nan)

    return statistic


def forgery_figures(
    forged: ArrayLike, probability: ArrayLike, threshold: float, how: Bootstrap = PLAIN
) -> dict[str, Estimate]:
    """``AUC``, ``EER`` and ``balanced_accuracy`` at a threshold fixed beforehand.

    Args:
        forged: (n,) bool.
        probability: (n,) of being forged.
        threshold: From which on a row is called forged.
        how: What is drawn; give videos as groups where rows are frames.

    Raises:
        FaceLLMError: If lengths differ, a probability is missing or outside of 0 to 1, or all rows
            are of one class.
    """
    truth, scores = _checked(forged, probability)
    n = len(truth)
    return {
        "AUC": measured(auc_statistic(truth, scores), n, how),
        "EER": measured(eer_statistic(truth, scores), n, how),
        "balanced_accuracy": measured(recall_statistic(truth, scores >= threshold), n, how),
    }


def roc(forged: ArrayLike, probability: ArrayLike) -> Roc:
    """The curve, at most 200 points of it; arguments and errors as in ``forgery_figures``."""
    from sklearn.metrics import roc_curve

    truth, scores = _checked(forged, probability)
    alarms, found, thresholds = roc_curve(truth, scores)
    kept = np.unique(np.linspace(0, len(alarms) - 1, min(MOST_POINTS, len(alarms))).astype(int))
    return Roc(alarms[kept], found[kept], thresholds[kept])


def _checked(forged: ArrayLike, probability: ArrayLike) -> tuple[NDArray[np.bool_], Floats]:
    truth, scores = np.asarray(forged, bool), np.asarray(probability, np.float64)
    same_length(forged=truth, probability=scores)
    wrong = ~((scores >= 0) & (scores <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(f"row {row}: probability {scores[row]} is outside of 0 to 1")
    if truth.all() or not truth.any():
        raise FaceLLMError(f"all {len(truth)} rows are {'forged' if truth[0] else 'real'}: no AUC")
    return truth, scores
