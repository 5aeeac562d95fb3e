"""One process: torch's AdamW, parameters in float32, the forward pass under autocast if wanted."""

from __future__ import annotations

import math
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facellm.atomic import atomic_file

from ..run_config import TrainRun
from ..sample import TrainBatch
from ..trainee import Trainee
from .engines import Groups, new_optimizer, set_rates

WEIGHTS, OPTIMIZER = "weights.safetensors", "optimizer.pt"


class SingleEngine:
    """See ``engines.Engine``.

    Args:
        trainee: Model and losses; moved to the device.
        groups: What is trained (``engines.new_optimizer``).
        run: The run's config.
        device: Where to compute.
    """

    def __init__(
        self, trainee: Trainee, groups: Groups, run: TrainRun, device: torch.device
    ) -> None:
        self.trainee = trainee.to(device)
        self.device, self.plan = device, run.schedule
        self.optimizer = new_optimizer(groups, run)
        self.trained = [p for group in groups for p in group["params"]]
        self.micro_batches = run.schedule.global_batch // run.schedule.micro_batch

    def forward(self, batch: TrainBatch) -> dict[str, Tensor]:
        """Losses of a micro batch."""
        wanted = self.plan.precision == "bf16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=wanted):
            return self.trainee(batch.to(self.device))

    def backward(self, total: Tensor) -> None:
        """Add gradients."""
        (total / self.micro_batches).backward()

    def step(self, rate: float) -> float:
        """Clip, step, forget the gradients."""
        set_rates(self.optimizer, rate)
        norm = nn.utils.clip_grad_norm_(self.trained, self.plan.clip or math.inf)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def train(self, mode: bool) -> None:
        """Training or evaluation mode."""
        self.trainee.train(mode)

    def save(self, folder: Path) -> None:
        """Trained weights with all buffers, and AdamW's state."""
        save_file(trained_state(self.trainee), folder / WEIGHTS)
        with atomic_file(folder / OPTIMIZER) as file:
            torch.save(self.optimizer.state_dict(), file)

    def load(self, folder: Path) -> None:
        """Read what ``save`` wrote."""
        load_trained(self.trainee, load_file(folder / WEIGHTS))
        state = torch.load(folder / OPTIMIZER, weights_only=True, map_location="cpu")
        self.optimizer.load_state_dict(state)


def trained_state(trainee: nn.Module) -> dict[str, Tensor]:
    """Trained parameters and buffers by name, on the CPU."""
    saved = trainee.state_dict(keep_vars=True)
    trained = {name for name, p in trainee.named_parameters() if p.requires_grad}
    buffers = {name for name, _ in trainee.named_buffers()}
    return {
        name: saved[name].detach().cpu().contiguous().clone()
        for name in saved
        if name in trained or name in buffers
    }


def load_trained(trainee: nn.Module, state: dict[str, Tensor]) -> None:
    """Set what ``trained_state`` gave.

    Raises:
        KeyError: If a name is not among the module's own, or a trained one is missing.
    """
    own = trainee.state_dict()
    trained = {name for name, p in trainee.named_parameters() if p.requires_grad}
    strange = sorted((set(state) - set(own)) | (trained - set(state)))
    if strange:
        raise KeyError(f"weights of another model, {len(strange)} differ, first {strange[0]}")
    trainee.load_state_dict(state, strict=False)
