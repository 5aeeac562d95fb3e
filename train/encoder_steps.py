"""Rates, parameter groups and averaged weights of the stage ``encoder``."""

from __future__ import annotations

import math

import torch
from torch import nn

from .encoder_config import EncoderRun


def learning_rate(run: EncoderRun, step: int) -> float:
    """Linear warm-up under a cosine that falls to zero, in each stretch anew.

    Source: Loshchilov and Hutter, SGDR, arXiv 1608.03983, equation 5, with a peak a stretch.
    """
    stretch, begin, end = run.stretch_at(step)
    past = step - begin
    fall = 0.5 * (1 + math.cos(math.pi * min(1.0, past / max(end - begin, 1))))
    return run.lr * stretch.rate * min(1.0, (past + 1) / run.warmup) * fall


def parameter_groups(model: nn.Module, weight_decay: float) -> list[dict[str, object]]:
    """Matrices and kernels with weight decay; norms, biases and gates without."""
    parameters = list(model.parameters())
    return [
        {"params": [p for p in parameters if p.ndim > 1], "weight_decay": weight_decay},
        {"params": [p for p in parameters if p.ndim <= 1], "weight_decay": 0.0},
    ]


def average_into(averaged: nn.Module, model: nn.Module, decay: float) -> None:
    """Exponential moving average of weights and of the norms' running statistics."""
    kept_all = [*averaged.parameters(), *averaged.buffers()]
    with torch.no_grad():
        for kept, new in zip(kept_all, [*model.parameters(), *model.buffers()], strict=True):
            if kept.is_floating_point():
                kept.lerp_(new, 1 - decay)
            else:
                kept.copy_(new)


def hold_back(module: nn.Module | None) -> None:
    """Take away the gradients of a part, so that the next step leaves it as it is."""
    for parameter in () if module is None else module.parameters():
        parameter.grad = None
