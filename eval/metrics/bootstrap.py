"""How a figure gets its interval: rows, or whole subjects or videos, drawn again.

Example: ``measured(mean_statistic(hits), len(hits), Bootstrap(groups=subject_ids))`` ->
``Estimate(value=0.71, low=0.66, high=0.76, n=4812)``, with subjects drawn, not frames.
"""

from __future__ import annotations

from collections.abc import Sequence, Sized
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from facellm.errors import FaceLLMError

from ..statistics import (
    RESAMPLES,
    Estimate,
    Statistic,
    estimate,
    grouped_estimate,
    mean_statistic,
    wilson,
)

NO_ANSWER = -1  # index of what is none of the labels: unparsed, refused, outside


@dataclass(frozen=True)
class Bootstrap:
    """What is drawn, how often, from which seed.

    Attributes:
        groups: (n,) subject or video of every row, drawn as a whole; None draws rows.
        seed: Of the draws; the same seed gives the same interval.
        resamples: How many.
    """

    groups: ArrayLike | None = None
    seed: int = 0
    resamples: int = RESAMPLES


PLAIN = Bootstrap()


def same_length(**columns: Sized) -> int:
    """The common number of rows of some columns.

    Raises:
        FaceLLMError: If there is no row, or two columns differ; the message names both.
    """
    (first, column), *others = columns.items()
    for name, other in others:
        if len(other) != len(column):
            raise FaceLLMError(f"{first} has {len(column)} rows, {name} has {len(other)}")
    if not len(column):
        raise FaceLLMError(f"{first} has no row; a figure needs at least one")
    return len(column)


def measured(statistic: Statistic, n: int, how: Bootstrap = PLAIN) -> Estimate:
    """A statistic over n rows with its 95 % percentile bootstrap interval.

    Raises:
        FaceLLMError: If there is no row, or the groups are not n.
    """
    if n < 1:
        raise FaceLLMError("a figure needs at least one row, got 0")
    if how.groups is None:
        return estimate(statistic, n, seed=how.seed, resamples=how.resamples)
    groups = np.asarray(how.groups)
    if len(groups) != n:
        raise FaceLLMError(f"{len(groups)} groups for {n} rows")
    return grouped_estimate(statistic, groups, seed=how.seed, resamples=how.resamples)


def measured_share(hits: NDArray[np.bool_], how: Bootstrap = PLAIN) -> Estimate:
    """Share of true rows.

    Where all rows agree no resample differs, and the bootstrap would call that certain: the
    interval is Wilson's then, of the number of rows or groups.
    """
    found = measured(mean_statistic(hits), len(hits), how)
    if found.value not in (0.0, 1.0):
        return found
    drawn = len(hits) if how.groups is None else len(np.unique(np.asarray(how.groups)))
    return Estimate(found.value, *wilson(round(found.value * drawn), drawn), found.n)


def codes(
    values: Sequence[Any], labels: Sequence[str], *, truth: bool = False
) -> NDArray[np.int64]:
    """Labels as indices; anything else is ``NO_ANSWER``.

    Args:
        values: (n,) labels, None where nothing was understood.
        labels: The closed set.
        truth: Every value must be one of the labels.

    Raises:
        FaceLLMError: If a true label is none of them; the message names the row.
    """
    index = {label: number for number, label in enumerate(labels)}
    if truth:
        for row, value in enumerate(values):
            if value not in index:
                raise FaceLLMError(f"row {row}: {value!r} is none of {', '.join(labels)}")
    return np.array([index.get(value, NO_ANSWER) for value in values], np.int64)
