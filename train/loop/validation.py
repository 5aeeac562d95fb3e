"""Losses of the validation split: the mean over its first steps, normalised as training's."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from .amounts import keep_in_step, share_amounts
from .job import Stream

if TYPE_CHECKING:
    from .training import Training


@torch.no_grad()
def valid_losses(training: Training, stream: Stream) -> dict[str, float]:
    """Mean losses over ``keep.valid_rows`` rows, or all of the split where it has fewer.

    Args:
        training: In evaluation mode.
        stream: Of the validation split.

    Returns:
        By objective, and ``total``, over all ranks.
    """
    plan = training.run.schedule
    wanted = math.ceil(training.run.keep.valid_rows / plan.global_batch)
    steps = min(wanted, stream.steps_per_epoch)
    sums: dict[str, float] = {}
    for step in range(steps):
        for name, value in _losses_of_step(training, stream, step).items():
            sums[name] = sums.get(name, 0.0) + value / steps
    return sums


def _losses_of_step(training: Training, stream: Stream, step: int) -> dict[str, float]:
    batches = stream.micro_batches(step)
    share_amounts(batches, training.trainee, training.ranks)
    sums: dict[str, float] = {}
    for batch in batches:
        if training.ranks.world > 1:
            keep_in_step(batch, training.setting)
        for name, loss in training.engine.forward(batch).items():
            sums[name] = sums.get(name, 0.0) + float(loss)
    return training.over_ranks(sums, len(batches))
