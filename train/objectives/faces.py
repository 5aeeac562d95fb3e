"""Which sample and which face of a batch a place belongs to; keys that outlive a run.

Legend: as in ``sample``; n places asked for.
"""

from __future__ import annotations

import hashlib
from itertools import accumulate

import torch
from torch import Tensor

from ..sample import TrainBatch


def sample_at(batch: TrainBatch, rows: Tensor, places: Tensor) -> list[int]:
    """Indices into ``batch.samples`` of the samples that hold places.

    Args:
        batch: Its samples stand in order of (row, segment).
        rows: (n,) int64.
        places: (n,) int64, none of them padding.
    """
    counts = batch.segments.amax(1)
    before = counts.cumsum(0) - counts
    return (before[rows] + batch.segments[rows, places] - 1).tolist()


def first_faces(batch: TrainBatch) -> list[int]:
    """For every sample of a batch the index (of N) of its first face."""
    return [0, *accumulate(len(sample.images) for sample in batch.samples)][:-1]


def stable_key(text: str) -> int:
    """A number of 63 bits that stands for a text, the same in every run."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def keys_of(texts: list[str], device: torch.device) -> Tensor:
    """Keys of texts, (n,) int64."""
    return torch.tensor([stable_key(text) for text in texts], dtype=torch.int64, device=device)
