"""Losses of the encoder stage, per labelled picture, and mixup.

Legend: N pictures of a batch. A label a picture does not have is -1 or NaN (``train.batches``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from facellm.label_targets import AGE_SIGMA
from facellm.labels import ACTION_UNITS, AU_LEVELS, MAX_AGE

# Per labelled picture, not per task: a mean over the three forgeries of a batch would drown the
# forty expressions in its noise.
WEIGHTS = {
    "expr": 1.0, "age": 0.4, "age_years": 0.04, "male": 1.0, "mask": 1.0, "fake": 1.5,
    "mouth_open": 0.3, "eyes_closed": 0.3, "au": 3.0, "gaze": 1.0, "points": 1.0,
}  # fmt: skip


def age_distribution(age: Tensor, sigma: float = AGE_SIGMA) -> Tensor:
    """Gaussian label over 0-116: (N,) years -> (N, 117). Source: DLDL, arXiv 1611.01731."""
    grid = torch.arange(MAX_AGE + 1, dtype=torch.float32)
    return (-0.5 * ((grid - age.float()[:, None]) / sigma) ** 2).softmax(-1)


@dataclass(frozen=True)
class TaskLoss:
    """Mean loss of a task over the rows that carry its label, and their share of the batch."""

    mean: Tensor
    share: float


def task_losses(out: dict[str, Tensor], batch: dict[str, Tensor]) -> dict[str, TaskLoss]:
    """Loss of every task that has a labelled row in the batch."""
    losses: dict[str, TaskLoss] = {}

    def add(name: str, rows: Tensor, loss: Callable[[Tensor], Tensor]) -> None:
        if rows.any():
            losses[name] = TaskLoss(loss(rows), float(rows.float().mean()))

    def years(rows: Tensor) -> Tensor:
        expected = (out["age"][rows].softmax(-1) * torch.arange(MAX_AGE + 1)).sum(-1)
        return (expected - batch["age"][rows]).abs().mean()

    def units(rows: Tensor) -> Tensor:
        logits = out["au"][rows].unflatten(-1, (len(ACTION_UNITS), AU_LEVELS))
        return F.cross_entropy(logits.flatten(0, 1), batch["au"][rows].flatten())

    def points(rows: Tensor) -> Tensor:
        target = (batch["landmarks"][rows].flatten(1) - 0.5) * 4
        return F.smooth_l1_loss(out["points"][rows], target)

    votes = torch.isfinite(batch["expr"]).all(1)
    add("expr", votes, lambda rows: F.cross_entropy(out["expr"][rows], batch["expr"][rows]))
    for name in ("male", "mask", "fake", "mouth_open", "eyes_closed"):
        add(
            name,
            batch[name] >= 0,
            lambda rows, name=name: F.cross_entropy(out[name][rows], batch[name][rows]),
        )
    aged = batch["age"] >= 0
    add("age", aged, lambda r: F.cross_entropy(out["age"][r], age_distribution(batch["age"][r])))
    add("age_years", aged, years)
    add("au", (batch["au"] >= 0).all(1), units)
    gazed = torch.isfinite(batch["gaze"]).all(1)
    add("gaze", gazed, lambda r: F.smooth_l1_loss(out["gaze"][r], batch["gaze"][r] / 10))
    add("points", torch.isfinite(batch["landmarks"]).flatten(1).all(1), points)
    return losses


def mixup(batch: dict[str, Tensor], alpha: float, rng: np.random.Generator) -> dict[str, Tensor]:
    """Mix expression rows in pairs (arXiv 1710.09412); other rows stay themselves."""
    rows = torch.nonzero(torch.isfinite(batch["expr"]).all(1)).flatten()
    partner = rows[torch.from_numpy(rng.permutation(len(rows)))]
    weight = torch.from_numpy(rng.beta(alpha, alpha, len(rows))).float()
    weight = torch.maximum(weight, 1 - weight)  # the larger share's landmarks are kept
    pixels, votes = batch["pixel_values"], batch["expr"]
    w = weight[:, None, None, None]
    pixels[rows] = pixels[rows] * w + pixels[partner] * (1 - w)
    votes[rows] = votes[rows] * weight[:, None] + votes[partner] * (1 - weight[:, None])
    return batch
