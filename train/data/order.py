"""The order of rows: a pure function of seed, epoch and the samples' lengths.

Rows of all epochs stand in one endless line, of which step ``k`` takes G from ``k * G`` on; an
epoch's last step takes the first rows of the next epoch too. So no row is dropped or repeated
within an epoch, whatever the batch, and any step can be had without those before it.

Legend: N samples, R rows of an epoch, G rows of a step.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from .packing import RowPlan, filled, packed_rows, single_rows

BLOCK = 50  # micro batches among which rows of like length are sought
Batching = Literal["packed", "grouped", "padded"]


@dataclass(frozen=True)
class Row:
    """One row.

    Attributes:
        epoch: From 0.
        samples: Numbers of its samples.
    """

    epoch: int
    samples: tuple[int, ...]


class RowOrder:
    """See the module docstring.

    Args:
        lengths: (N,) of the samples.
        batching: ``DataConfig.batching``.
        most: Tokens of a packed row.
        micro: Rows of a micro batch: what ``grouped`` makes alike.
        seed: Of every epoch's order.
    """

    def __init__(
        self, lengths: NDArray[np.int64], batching: Batching, most: int, micro: int, seed: int
    ) -> None:
        self.lengths, self.batching = np.asarray(lengths), batching
        self.micro, self.seed = micro, seed
        packed = batching == "packed"
        rng = np.random.default_rng(seed)
        plan = packed_rows(lengths, most, rng) if packed else single_rows(self.lengths)
        self.plan: RowPlan = plan
        self._epoch = lru_cache(maxsize=2)(self._make_epoch)

    def __len__(self) -> int:
        """Rows of an epoch."""
        return len(self.plan)

    def row(self, number: int) -> Row:
        """Row ``number`` of the endless line."""
        epoch, index = divmod(number, len(self))
        samples, order = self._epoch(epoch)
        place = int(order[index])
        slots = slice(int(self.plan.starts[place]), int(self.plan.starts[place + 1]))
        return Row(epoch, tuple(samples[slots].tolist()))

    def _make_epoch(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Samples by slot (N,), and the order of rows (R,)."""
        rng = np.random.default_rng((self.seed, epoch))
        if self.batching == "packed":
            samples = filled(self.plan, self.lengths, rng)
        else:
            samples = np.arange(len(self.lengths))
        order = rng.permutation(len(self))
        return samples, self._grouped(order, epoch, rng) if self.batching == "grouped" else order

    def _grouped(
        self, order: NDArray[np.int64], epoch: int, rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """Sorted by length within blocks, cut into micro batches, those in random order.

        The first cut makes up for the rows of a micro batch that the epoch before has begun.
        """
        first = -epoch * len(order) % self.micro
        head, rest = order[:first], order[first:]
        span = BLOCK * self.micro
        blocks = [rest[i : i + span] for i in range(0, len(rest), span)]
        ordered = [block[np.argsort(self.lengths[block], kind="stable")] for block in blocks]
        line = np.concatenate([rest[:0], *ordered])
        cuts = [line[i : i + self.micro] for i in range(0, len(line), self.micro)]
        whole = [cut for cut in cuts if len(cut) == self.micro]
        mixed = [whole[i] for i in rng.permutation(len(whole))]
        return np.concatenate([head, *mixed, *cuts[len(whole) :]])
