"""Passes whose pictures a tower is not to remember in the running statistics of its norms.

Example: ``with still_statistics(tower): patches = tower(pictures_with_holes)``
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def still_statistics(module: nn.Module) -> Iterator[None]:
    """Batch norms of ``module`` go on as they do, but their running statistics stay.

    In training mode they still standardise by the batch, in evaluation mode by what they know.
    """
    norms = [part for part in module.modules() if isinstance(part, _BatchNorm)]
    kept = [norm.track_running_stats for norm in norms]
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm, tracks in zip(norms, kept, strict=True):
            norm.track_running_stats = tracks
