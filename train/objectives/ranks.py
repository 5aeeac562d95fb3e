"""What objectives remember is the same on every rank: rows are gathered before they are kept."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, distributed


def ranks() -> int:
    """Processes of the run."""
    joined = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if joined else 1


def over_ranks(rows: Sequence[Tensor]) -> list[Tensor]:
    """Rows of every rank, in the order of ranks; on one process the rows themselves.

    Every rank must call it, also one without a row: it waits for the others.

    Args:
        rows: Tensors (n, ...) without gradient; n may differ between ranks.
    """
    if ranks() == 1:
        return list(rows)
    parts: list[list[Tensor]] = [[] for _ in range(ranks())]
    distributed.all_gather_object(parts, [tensor.cpu() for tensor in rows])
    return [
        torch.cat([part[index] for part in parts]).to(tensor.device)
        for index, tensor in enumerate(rows)
    ]
