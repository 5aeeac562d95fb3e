"""Which lengths share a row: packing of samples into rows of a fixed number of tokens.

Only lengths matter here, so rows are planned once as lists of lengths; every epoch fills a slot of
length L with another sample of length L. So the number of rows never changes, and neighbours do.

Samples come in random order until two more would fill the row; then the two lengths are sought that
fill it exactly. On a corpus of short samples that wastes a tenth of what first-fit decreasing does
(whose last rows hold nothing but the shortest), and every row mixes answers and readings.
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


def packed_rows(
    lengths: Sequence[int] | NDArray[np.int64], most: int, rng: np.random.Generator
) -> RowPlan:
    """Rows of at most ``most`` tokens with hardly any left over.

    Args:
        lengths: Of the samples, each from 1 to ``most``.
        most: Tokens of a row.
        rng: Of the order in which samples open rows.

    Raises:
        ValueError: If a sample is longer than a row.
    """
    line = rng.permutation(np.asarray(lengths, np.int64)).tolist()
    counts = Counter(line)
    if counts and not 1 <= min(counts) <= max(counts) <= most:
        raise ValueError(f"lengths from {min(counts)} to {max(counts)} for rows of {most}")
    left = sorted(counts)  # lengths that still have samples
    slots: list[int] = []
    starts, coming = [0], iter(line)
    while left:
        room = most
        while left and room >= left[0]:
            if room > 2 * left[-1]:
                length = next(length for length in coming if counts[length])
            else:
                length = _filling(room, left, counts)
            slots.append(length)
            room -= length
            counts[length] -= 1
            if not counts[length]:
                left.remove(length)
        starts.append(len(slots))
    return RowPlan(np.array(slots, np.int64), np.array(starts, np.int64))


def _filling(room: int, left: list[int], counts: Counter[int]) -> int:
    """The longest length that fills the room, alone or with one more; else what fits."""
    fitting = left[: bisect_right(left, room)]
    for length in reversed(fitting):
        rest = room - length
        if not rest or counts[rest] > (rest == length):
            return length
    return fitting[-1]


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
