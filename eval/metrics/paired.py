"""Two models on the same samples: the difference with its interval, and McNemar's exact test.

Example: ``compare_scores({"a": 1, "b": 0}, {"a": 1, "b": 1})`` -> difference -.5 of 2 samples,
p = 1. Other sample sets than the same are refused: a difference of two sets is no comparison.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError

from ..statistics import Estimate, Statistic, mean_statistic
from .bootstrap import PLAIN, Bootstrap, measured

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Comparison:
    """First against second.

    Attributes:
        first: The figure of the first model.
        second: Of the second.
        difference: First minus second; both are drawn with the same rows.
        p_value: McNemar's exact test, two-sided, where scores are right or wrong; else None.
        only_first: Samples only the first has right; None where scores are not right or wrong.
        only_second: Samples only the second has right.
    """

    first: Estimate
    second: Estimate
    difference: Estimate
    p_value: float | None = None
    only_first: int | None = None
    only_second: int | None = None

    @property
    def differs(self) -> bool:
        """Whether the interval of the difference excludes 0."""
        return self.difference.low > 0 or self.difference.high < 0


def same_samples(first: Mapping[str, Any], second: Mapping[str, Any]) -> list[str]:
    """The ids of the samples, in the first's order.

    Raises:
        FaceLLMError: If a sample is in one only, or there is none; the message says how many.
    """
    lacking = [name for name in first if name not in second]
    beyond = [name for name in second if name not in first]
    if lacking or beyond:
        parts = [
            f"{len(names)} of {len(whole)} samples are missing from the {place}, "
            f"for example {names[0]!r}"
            for names, whole, place in ((lacking, first, "second"), (beyond, second, "first"))
            if names
        ]
        raise FaceLLMError(f"not the same samples: {'; '.join(parts)}")
    if not first:
        raise FaceLLMError("no sample to compare two models on")
    return list(first)


def compare_scores(
    first: Mapping[str, float],
    second: Mapping[str, float],
    groups: Mapping[str, Any] | None = None,
    how: Bootstrap = PLAIN,
) -> Comparison:
    """Compare means of per-sample scores: 1 and 0 of right and wrong, or errors, or ratings.

    Args:
        first: Sample id -> score of the first model.
        second: Of the second, same ids.
        groups: Sample id -> subject or video, drawn as a whole; McNemar's test takes samples for
            independent, so there is no p-value then.
        how: Seed and number of resamples.

    Raises:
        FaceLLMError: If sample sets differ, a score is not finite, or a sample has no group.
    """
    names = same_samples(first, second)
    a, b = _column(first, names), _column(second, names)
    if groups is not None:
        missing = [name for name in names if name not in groups]
        if missing:
            raise FaceLLMError(
                f"{len(missing)} samples without a group, for example {missing[0]!r}"
            )
        how = Bootstrap([groups[name] for name in names], how.seed, how.resamples)
    found = compare_statistics(mean_statistic(a), mean_statistic(b), len(names), how)
    if how.groups is not None or not np.isin(np.concatenate([a, b]), (0, 1)).all():
        return found
    won, lost = int((a > b).sum()), int((b > a).sum())
    p_value = mcnemar(won, lost)
    return Comparison(found.first, found.second, found.difference, p_value, won, lost)


def compare_statistics(
    first: Statistic, second: Statistic, n: int, how: Bootstrap = PLAIN
) -> Comparison:
    """Compare any two statistics of the same n rows in the same order, such as two AUCs."""
    return Comparison(
        measured(first, n, how),
        measured(second, n, how),
        measured(lambda weights: first(weights) - second(weights), n, how),
    )


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p-value of samples that only one of two models has right.

    Source: McNemar, Psychometrika 12 (1947), with the exact binomial.
    """
    from scipy.stats import binomtest

    count = only_first + only_second
    return float(binomtest(only_first, count).pvalue) if count else 1.0


def _column(scores: Mapping[str, float], names: Sequence[str]) -> Floats:
    column = np.array([scores[name] for name in names], np.float64)
    wrong = ~np.isfinite(column)
    if wrong.any():
        row = int(wrong.argmax())
        raise FaceLLMError(f"sample {names[row]!r}: score {column[row]} is not finite")
    return column
