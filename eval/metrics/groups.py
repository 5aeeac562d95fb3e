"""A figure by groups of a column, and whether their gap is more than chance.

Groups of fewer than 30 rows are named "too small": they show no figure and take no part in the gap.
Figures, ``difference`` and ``ratio`` are fairlearn's (largest minus, and smallest over, largest);
their intervals come from this package's bootstrap, since the largest of several differences is
never below 0 and whole subjects may have to be drawn. Such an interval of the largest gap says
nothing about chance, so the flag does not look at it.

The flag is Tukey's idea with a permuted critical value: of all pairs of groups, the largest
difference over ``sqrt(1 / n1 + 1 / n2)`` is held against the same largest value after groups were
dealt out anew. ``pair`` is that pair, with the simultaneous 95 % interval; it excludes 0 exactly
where the flag is set. It asks whether the figure depends on the group at all: groups of different
difficulty are flagged too, and are to be looked at.

Example: ``by_group(recall_statistic(truth, said), column).flagged``.

Source: design after Bird et al., fairlearn; max-T permutation, Westfall and Young (1993).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError

from ..statistics import CHUNK, Estimate, Statistic
from .bootstrap import PLAIN, Bootstrap, measured

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]
SMALLEST = 30  # rows of a group that shows a figure
TOO_SMALL = "too small"
LEVEL = 0.05


@dataclass(frozen=True)
class Group:
    """One value of the column.

    Attributes:
        name: The value.
        n: Rows.
        estimate: The figure; None where the group is too small.
        note: ``too small`` or empty.
    """

    name: str
    n: int
    estimate: Estimate | None
    note: str = ""


@dataclass(frozen=True)
class Pair:
    """Two groups and their difference.

    Attributes:
        better: The group with the larger figure.
        worse: The other.
        gap: Larger minus smaller, with the simultaneous interval over all pairs.
    """

    better: str
    worse: str
    gap: Estimate


@dataclass(frozen=True)
class GroupReport:
    """A figure by groups.

    Attributes:
        groups: All groups, in order of name.
        unknown: Rows without a value in the column; in no group.
        difference: Largest minus smallest figure; None with fewer than two groups that show one.
        ratio: Smallest over largest.
        pair: The pair that sticks out most.
        p_value: Of the null that the figure does not depend on the group.
        flagged: Whether the gap is more than chance.
    """

    groups: tuple[Group, ...]
    unknown: int
    difference: Estimate | None = None
    ratio: Estimate | None = None
    pair: Pair | None = None
    p_value: float | None = None

    @property
    def flagged(self) -> bool:
        """Whether the gap is more than chance at 5 %."""
        return self.p_value is not None and self.p_value <= LEVEL

    @property
    def too_small(self) -> int:
        """How many groups are hidden."""
        return sum(group.estimate is None for group in self.groups)


def by_group(
    statistic: Statistic, column: Sequence[object], how: Bootstrap = PLAIN, least: int = SMALLEST
) -> GroupReport:
    """The figure of every group, their gap, and whether it is more than chance.

    Args:
        statistic: Weights (B, n) -> (B,) over all n rows (``facellm.eval.statistics``).
        column: (n,) value of every row; None, NaN or "" is unknown.
        how: What is drawn. With groups (subjects) that each lie in one group of the column,
            subjects are dealt out anew; otherwise rows are, within their subject.
        least: Rows from which on a group shows a figure.

    Raises:
        FaceLLMError: If there is no row or the subjects are not n.
    """
    if not len(column):
        raise FaceLLMError("no row to group")
    names = np.array(["" if _unknown(value) else str(value) for value in column], object)
    found: list[Group] = []
    for name in sorted(set(names) - {""}):
        rows = names == name
        n = int(rows.sum())
        if n < least:
            found.append(Group(name, n, None, TOO_SMALL))
        else:
            found.append(Group(name, n, _of_rows(statistic, rows, how)))
    unknown = int((names == "").sum())
    shown = [group.name for group in found if group.estimate is not None]
    if len(shown) < 2:
        return GroupReport(tuple(found), unknown)
    members = np.array([shown.index(name) if name in shown else -1 for name in names])
    difference, ratio = _fairness(statistic, members, len(shown), how)
    pair, p_value = _sticks_out(statistic, members, shown, how)
    return GroupReport(tuple(found), unknown, difference, ratio, pair, p_value)


def _unknown(value: object) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _of_rows(statistic: Statistic, rows: NDArray[np.bool_], how: Bootstrap) -> Estimate:
    """The figure of some rows, only those drawn again."""
    where, n = np.flatnonzero(rows), len(rows)

    def of_part(weights: Floats) -> Floats:
        whole = np.zeros((len(weights), n))
        whole[:, where] = weights
        return statistic(whole)

    subjects = None if how.groups is None else np.asarray(how.groups)
    if subjects is not None and len(subjects) != n:
        raise FaceLLMError(f"{len(subjects)} subjects for {n} rows")
    drawn = Bootstrap(None if subjects is None else subjects[where], how.seed, how.resamples)
    return measured(of_part, len(where), drawn)


def _figures(statistic: Statistic, weights: Floats, members: Codes, count: int) -> Floats:
    """Figure of every group, (B, G); ``members`` is (n,) or (B, n)."""
    return np.stack([statistic(weights * (members == group)) for group in range(count)], axis=1)


def _fairness(
    statistic: Statistic, members: Codes, count: int, how: Bootstrap
) -> tuple[Estimate, Estimate]:
    """Fairlearn's difference and ratio, with intervals."""
    from fairlearn.metrics import MetricFrame

    kept = np.flatnonzero(members >= 0)

    def figure(rows: NDArray[np.int64], _: NDArray[np.int64]) -> float:
        weights = np.zeros((1, len(members)))
        weights[0, np.asarray(rows)] = 1
        return float(statistic(weights)[0])

    frame = MetricFrame(metrics=figure, y_true=kept, y_pred=kept, sensitive_features=members[kept])

    def gap(weights: Floats) -> Floats:
        found = _figures(statistic, weights, members, count)
        return found.max(1) - found.min(1)

    def quotient(weights: Floats) -> Floats:
        found = _figures(statistic, weights, members, count)
        top = found.max(1)
        return np.divide(found.min(1), top, out=np.full_like(top, np.nan), where=top > 0)

    spread, share = (_interval(one, members, how) for one in (gap, quotient))
    n = len(kept)
    return (
        Estimate(float(np.asarray(frame.difference())), spread.low, spread.high, n),
        Estimate(float(np.asarray(frame.ratio())), share.low, share.high, n),
    )


def _interval(statistic: Statistic, members: Codes, how: Bootstrap) -> Estimate:
    # An empty group in a resample gives NaN there, and 0 / 0 on the way to it is expected.
    with np.errstate(invalid="ignore", divide="ignore"):
        return measured(statistic, len(members), how)


def _sticks_out(
    statistic: Statistic, members: Codes, names: Sequence[str], how: Bootstrap
) -> tuple[Pair | None, float | None]:
    """The pair with the largest scaled difference, its simultaneous interval, the p-value."""
    pairs = list(combinations(range(len(names)), 2))
    ones = np.ones((1, len(members)))
    with np.errstate(invalid="ignore", divide="ignore"):
        figures = _figures(statistic, ones, members, len(names))
        sizes = np.bincount(members[members >= 0], minlength=len(names))[None]
        scaled = _scaled(figures, sizes, pairs)[0]
        if not np.isfinite(scaled).any():
            return None, None
        null = _null(statistic, members, pairs, how)
    best = int(np.nanargmax(scaled))
    # The observed dealing is one of those the null could have made: at least 1 / (P + 1).
    p_value = float((1 + (null >= scaled[best] - 1e-12).sum()) / (1 + len(null)))
    critical = float(np.sort(np.append(null, np.inf))[::-1][int(LEVEL * (1 + len(null)))])
    first, second = pairs[best]
    if figures[0, first] < figures[0, second]:
        first, second = second, first
    scale = math.sqrt(1 / sizes[0, first] + 1 / sizes[0, second])
    value, half = float(figures[0, first] - figures[0, second]), critical * scale
    gap = Estimate(value, value - half, value + half, int(sizes[0, first] + sizes[0, second]))
    return Pair(names[first], names[second], gap), p_value


def _scaled(figures: Floats, sizes: NDArray[np.integer], pairs: list[tuple[int, int]]) -> Floats:
    """Differences of pairs over what chance makes of them, (B, number of pairs)."""
    columns = [
        np.abs(figures[:, a] - figures[:, b]) / np.sqrt(1 / sizes[:, a] + 1 / sizes[:, b])
        for a, b in pairs
    ]
    return np.stack(columns, axis=1)


def _null(
    statistic: Statistic, members: Codes, pairs: list[tuple[int, int]], how: Bootstrap
) -> Floats:
    """Largest scaled difference of every new dealing of groups, (P,)."""
    rng = np.random.default_rng(how.seed)
    count = int(members.max()) + 1
    largest = []
    for start in range(0, how.resamples, CHUNK):
        dealt = _dealt(rng, members, how, min(CHUNK, how.resamples - start))
        figures = _figures(statistic, np.ones((len(dealt), len(members))), dealt, count)
        sizes = np.stack([(dealt == group).sum(1) for group in range(count)], axis=1)
        largest.append(np.nanmax(np.nan_to_num(_scaled(figures, sizes, pairs), nan=0.0), axis=1))
    return np.concatenate(largest)


def _dealt(rng: np.random.Generator, members: Codes, how: Bootstrap, size: int) -> Codes:
    """Groups dealt out anew, (size, n): over rows, over subjects, or within subjects."""
    dealt = np.tile(members, (size, 1))
    kept = np.flatnonzero(members >= 0)
    if how.groups is None:
        dealt[:, kept] = rng.permuted(dealt[:, kept], axis=1)
        return dealt
    _, subject = np.unique(np.asarray(how.groups)[kept], return_inverse=True)
    own = np.full(subject.max() + 1, -1)
    own[subject] = members[kept]
    if (own[subject] == members[kept]).all():
        dealt[:, kept] = rng.permuted(np.tile(own, (size, 1)), axis=1)[:, subject]
        return dealt
    # Sorting by subject and then by chance deals the rows of each subject among themselves.
    order = np.argsort(subject + rng.random((size, len(kept))), axis=1)
    home = np.argsort(subject, kind="stable")
    block = np.empty_like(order)
    block[:, home] = order
    dealt[:, kept] = members[kept][block]
    return dealt
