"""What takes the steps: the interface of the two engines, and what they share."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from ..run_config import TrainRun
from ..sample import TrainBatch
from ..trainee import Trainee

ADAM_BETA1 = 0.9
Groups = list[dict[str, Any]]


class Engine(Protocol):
    """Forward, backward, step; and the state behind them as files."""

    def forward(self, batch: TrainBatch) -> dict[str, Tensor]:
        """Losses of a micro batch, ``total`` among them."""
        ...

    def backward(self, total: Tensor) -> None:
        """Add a micro batch's gradients; each counts as its share of the step's micro batches."""
        ...

    def step(self, rate: float) -> float:
        """Clip, take an optimizer step at a share of the peak rates.

        Returns:
            The gradient's norm before clipping; 0 where DeepSpeed does not take it.
        """
        ...

    def train(self, mode: bool) -> None:
        """Training or evaluation mode."""
        ...

    def save(self, folder: Path) -> None:
        """Write weights and optimizer state into a folder."""
        ...

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
        ...


def new_optimizer(groups: Groups, run: TrainRun) -> torch.optim.AdamW:
    """AdamW over groups with ``params``, ``peak``, ``weight_decay`` and ``part``."""
    for group in groups:
        group["lr"] = group["peak"]
    return torch.optim.AdamW(groups, betas=(ADAM_BETA1, run.schedule.beta2), fused=True)


def set_rates(optimizer: Any, rate: float) -> None:
    """Every part at a share of its own peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["peak"] * rate


def objective_groups(trainee: Trainee, run: TrainRun) -> Groups:
    """What objectives learn for themselves, at the highest rate of any part."""
    params = [p for p in trainee.objective_modules.parameters() if p.requires_grad]
    peak = max(vars(run.rates).values())
    group = {"params": params, "peak": peak, "weight_decay": 0.0, "part": "objectives"}
    return [group] if params else []


def trained_numbers(groups: Groups) -> int:
    """How many numbers are trained."""
    return sum(p.numel() for group in groups for p in group["params"])
