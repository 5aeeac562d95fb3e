"""Which lengths share a row: packing of samples into rows of a fixed number of tokens.

Only lengths matter here, so rows are planned once as lists of lengths; every epoch fills a slot of
length L with another sample of length L. So the number of rows never changes, and neighbours do.

First-fit decreasing (Johnson et al., 1974, SIAM J. Comput. 3(4)), over counts instead of items.
"""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class RowPlan:
    """Rows as lengths.

    Attributes:
        slots: (N,) length of every slot, row by row.
        starts: (R + 1,) where each row begins.
    """

    slots: NDArray[np.int64]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1


def single_rows(lengths: NDArray[np.int64]) -> RowPlan:
    """A row for every sample."""
    return RowPlan(lengths, np.arange(len(lengths) + 1))


def packed_rows(lengths: Sequence[int] | NDArray[np.int64], most: int) -> RowPlan:
    """First-fit decreasing: each row takes the longest sample left, then the longest that fits.

    Args:
        lengths: Of the samples, each from 1 to ``most``.
        most: Tokens of a row.

    Raises:
        ValueError: If a sample is longer than a row.
    """
    counts = Counter(int(length) for length in lengths)
    if counts and not 1 <= min(counts) <= max(counts) <= most:
        raise ValueError(f"lengths from {min(counts)} to {max(counts)} for rows of {most}")
    left = sorted(counts)  # lengths that still have samples
    slots: list[int] = []
    starts = [0]
    while left:
        room = most
        while (place := bisect_right(left, room)) > 0:
            length = left[place - 1]
            slots.append(length)
            room -= length
            counts[length] -= 1
            if not counts[length]:
                del left[place - 1]
        starts.append(len(slots))
    return RowPlan(np.array(slots, np.int64), np.array(starts, np.int64))


def filled(
    plan: RowPlan, lengths: NDArray[np.int64], rng: np.random.Generator
) -> NDArray[np.int64]:
    """(N,) number of the sample in every slot: a random one of the slot's length, each once."""
    shuffled = rng.permutation(len(lengths))
    by_length = shuffled[np.argsort(lengths[shuffled], kind="stable")]
    into = np.argsort(plan.slots, kind="stable")
    samples = np.empty(len(lengths), np.int64)
    samples[into] = by_length
    return samples
