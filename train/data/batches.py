"""Rows of samples -> one ``TrainBatch``.

Legend: B rows, T tokens, N pictures, K readout targets, M labels of the longest query.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from facellm.labels import QUERIES, QUERY_INDEX
from facellm.processor import IGNORE_INDEX

from ..sample import TrainBatch, TrainingSample

MOST_LABELS = max(len(query.labels) for query in QUERIES)
Rows = Sequence[Sequence[TrainingSample]]


def text_batch(rows: Rows, pad_id: int) -> TrainBatch:
    """Everything of a batch but its pictures.

    Args:
        rows: Samples of every row.
        pad_id: Token behind the last sample of a row.
    """
    longest = max(sum(len(sample) for sample in row) for row in rows)
    shape = (len(rows), longest)
    ids, labels = torch.full(shape, pad_id), torch.full(shape, IGNORE_INDEX)
    segments, positions = torch.zeros(shape, dtype=torch.int64), torch.zeros(shape).long()
    for row, segment, start, sample in placed(rows):
        here = slice(start, start + len(sample))
        ids[row, here] = torch.tensor(sample.input_ids)
        labels[row, here] = torch.tensor(sample.labels)
        labels[row, start] = IGNORE_INDEX  # would be predicted by the sample before it
        segments[row, here] = segment
        positions[row, here] = torch.arange(len(sample))
    at, targets = readouts(rows)
    samples = [sample for row in rows for sample in row]
    return TrainBatch(
        ids, labels, segments, positions, readout_at=at, readout_targets=targets, samples=samples
    )


def placed(rows: Rows) -> Iterator[tuple[int, int, int, TrainingSample]]:
    """Row, segment (from 1), first place and sample, in reading order."""
    for number, row in enumerate(rows):
        start = 0
        for segment, sample in enumerate(row, start=1):
            yield number, segment, start, sample
            start += len(sample)


def readouts(rows: Rows) -> tuple[Tensor | None, Tensor | None]:
    """``readout_at`` (K, 3) and ``readout_targets`` (K, M); None without a target."""
    at: list[tuple[int, int, int]] = []
    targets: list[np.ndarray] = []
    for row, _, start, sample in placed(rows):
        first = start + len(sample) - len(QUERIES)
        for name, target in sample.readouts.items():
            at.append((row, first + QUERY_INDEX[name], QUERY_INDEX[name]))
            targets.append(np.pad(target, (0, MOST_LABELS - len(target))))
    if not at:
        return None, None
    return torch.tensor(at), torch.from_numpy(np.stack(targets).astype(np.float32))
