"""A step's losses, the same however the step is cut into micro batches and shared among ranks.

An answer loss is a mean over answer tokens. The mean of two micro batches' means is another number
where one holds more tokens, so each is divided by what the STEP holds instead, as its share: tokens
of all micro batches of all ranks, divided by how many micro batches there are. The engine's plain
average over micro batches then is the mean over the step's tokens; readouts alike, query by query.
"""

from __future__ import annotations

import torch
from torch import Tensor

from ..sample import Setting, TrainBatch
from ..trainee import Trainee
from .ranks import Ranks


def share_amounts(batches: list[TrainBatch], trainee: Trainee, ranks: Ranks) -> None:
    """Tell each micro batch of this rank what the means of the step are over."""
    found = [trainee.amounts(batch) for batch in batches]
    names = sorted({name for amounts in found for name in amounts})
    if not names:
        return
    own = {name: torch.stack([amounts[name] for amounts in found]).sum(0) for name in names}
    count = len(batches) * ranks.world
    means = ranks.sum(torch.cat([own[name] for name in names])) / count
    parts: list[Tensor] = list(means.float().split([len(own[name]) for name in names]))
    for batch in batches:
        batch.amounts = dict(zip(names, parts, strict=True))


def keep_in_step(batch: TrainBatch, setting: Setting) -> TrainBatch:
    """A batch without faces gets a blank one: every rank must go through the same modules.

    ZeRO-3 gathers a module's weights when it is called, ZeRO-2 sums a gradient when it is there; a
    rank that skips the tower would leave the others waiting.
    """
    if batch.pixel_values is not None or batch.features is not None:
        return batch
    if setting.run.data.features:
        tower = setting.model.vision_tower
        batch.features = torch.zeros(1, tower.n_patches, tower.width)
    else:
        size = setting.processor.crop_size
        batch.pixel_values = torch.zeros(1, 3, size, size)
    batch.landmarks = torch.full((1, 68, 2), 0.5)
    batch.blank = True
    return batch
