"""Whether a stated probability is met: after a temperature from validation, and as a diagram.

Against a majority label a model that knows the raters' votes exactly looks wrong: on FER+ its top
probability is .80 on average, and it agrees with the majority nearly always, an error of .20 though
nothing is wrong with it. So the error against a majority is given only after a temperature fitted
on validation rows; against one drawn rater (``votes.vote_figures``) no fit is needed.

Source of the temperature: Guo et al., arXiv 1706.04599, section 4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import BINS, Estimate, calibration_statistic, share
from .bootstrap import PLAIN, Bootstrap, measured, same_length
from .votes import checked_probabilities

Floats = NDArray[np.float64]
COLDEST, HOTTEST = 0.05, 20.0


@dataclass(frozen=True)
class Labelled:
    """Probabilities and the label that is true.

    Attributes:
        probabilities: (n, K), rows sum to 1.
        truth: (n,) index.
        ids: (n,) ids of the samples, so that validation and test rows cannot be the same.
    """

    probabilities: ArrayLike
    truth: ArrayLike
    ids: Sequence[str]


@dataclass(frozen=True)
class MajorityCalibration:
    """Calibration against a majority label.

    Attributes:
        error: Expected calibration error of the test rows after the temperature.
        temperature: Fitted on the validation rows; above 1 softens.
        validation_rows: How many it was fitted on.
    """

    error: Estimate
    temperature: float
    validation_rows: int


@dataclass(frozen=True)
class Bin:
    """One bar of a reliability diagram.

    Attributes:
        low: Lower end of the confidences, in [0, 1].
        high: Upper end.
        confidence: Mean confidence; NaN where there is no row.
        correct: Share that is right, with Wilson's interval and n.
    """

    low: float
    high: float
    confidence: float
    correct: Estimate


def tempered(probabilities: ArrayLike, temperature: float) -> Floats:
    """Probabilities (n, K) raised to 1 / temperature and normalised."""
    logits = np.log(np.maximum(np.asarray(probabilities, np.float64), 1e-12)) / temperature
    shares = np.exp(logits - logits.max(1, keepdims=True))
    return shares / shares.sum(1, keepdims=True)


def fit_temperature(probabilities: ArrayLike, truth: ArrayLike) -> float:
    """Temperature with the least mean negative log-likelihood, within .05 to 20."""
    from scipy.optimize import minimize_scalar

    labels = np.asarray(truth, np.int64)
    rows = np.arange(len(labels))

    def loss(log_temperature: float) -> float:
        shares = tempered(probabilities, float(np.exp(log_temperature)))
        return float(-np.log(np.maximum(shares[rows, labels], 1e-12)).mean())

    bounds = (np.log(COLDEST), np.log(HOTTEST))
    found: Any = minimize_scalar(loss, bounds=bounds, method="bounded")
    return float(np.exp(found.x))


def majority_calibration(
    test: Labelled, validation: Labelled, how: Bootstrap = PLAIN
) -> MajorityCalibration:
    """Expected calibration error against fixed labels, after a temperature from validation.

    Args:
        test: The rows scored.
        validation: Other rows.
        how: What is drawn of the test rows.

    Raises:
        FaceLLMError: If one row is in both parts, a part is empty, or columns do not fit.
    """
    both = set(test.ids) & set(validation.ids)
    if both:
        raise FaceLLMError(
            f"{len(both)} validation rows are test rows too, for example {min(both)!r}"
        )
    fitted = fit_temperature(*_checked(validation, "validation"))
    shares, truth = _checked(test, "test")
    shares = tempered(shares, fitted)
    statistic = calibration_statistic(shares.max(1), shares.argmax(1) == truth)
    return MajorityCalibration(measured(statistic, len(truth), how), fitted, len(validation.ids))


def _checked(part: Labelled, name: str) -> tuple[Floats, NDArray[np.int64]]:
    shares = checked_probabilities(part.probabilities, f"{name} probabilities")
    truth = np.asarray(part.truth, np.int64)
    same_length(**{f"{name} truth": truth, "probabilities": shares, "ids": part.ids})
    wrong = (truth < 0) | (truth >= shares.shape[1])
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(f"{name}, row {row}: label {truth[row]} of {shares.shape[1]} labels")
    return shares, truth


def reliability(confidence: ArrayLike, correct: ArrayLike, bins: int = BINS) -> list[Bin]:
    """Bars of a reliability diagram, equal widths over [0, 1], the same bins as the error.

    Args:
        confidence: (n,) in [0, 1].
        correct: (n,) bool.
        bins: How many.

    Raises:
        FaceLLMError: If lengths differ or a confidence is no probability.
    """
    sure, right = np.asarray(confidence, np.float64), np.asarray(correct, bool)
    same_length(confidence=sure, correct=right)
    wrong = ~((sure >= 0) & (sure <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(f"row {row}: confidence {sure[row]} is outside of 0 to 1")
    index = np.minimum((sure * bins).astype(int), bins - 1)
    found = []
    for number in range(bins):
        rows = index == number
        mean = float(sure[rows].mean()) if rows.any() else float("nan")
        found.append(Bin(number / bins, (number + 1) / bins, mean, share(right[rows])))
    return found
