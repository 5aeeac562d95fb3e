"""Runs of the trainer in a line, and a made-up batch: noise crops under the reading prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from facellm.labels import QUERIES
from facellm.train.objectives import objectives_of
from facellm.train.run_config import TrainRun
from facellm.train.run_sections import DataConfig, ModelConfig, RatesConfig
from facellm.train.sample import Setting, TrainBatch
from facellm.train.trainee import Trainee


def new_run(stage: str, rates: dict[str, float], start: str | Path = "", **sections: Any) -> Any:
    """A run from a checkpoint folder; ``sections`` as in ``TrainRun``, ``length``: max_tokens."""
    if start:
        sections["model"] = ModelConfig(start=str(start))
    data = DataConfig(("corpus",), max_tokens=sections.pop("length", 2048))
    return TrainRun(stage, data=data, rates=RatesConfig(**rates), **sections)


def noise_batch(model: Any, processor: Any, faces: int = 3) -> TrainBatch:
    """One reading prompt a row, random pixels and landmarks, a target for every query."""
    ids = torch.tensor([processor.reading_ids()] * faces)
    places = torch.arange(ids.shape[1])
    generator = torch.Generator().manual_seed(5)
    size = processor.crop_size
    pixels = torch.randn(faces, 3, size, size, generator=generator)
    at = [
        [row, int(p), q] for row in range(faces) for q, p in enumerate(processor.query_positions())
    ]
    longest = max(len(query.labels) for query in QUERIES)
    targets = torch.zeros(len(at), longest)
    targets[:, :2] = torch.tensor([0.75, 0.25])
    landmarks = torch.rand(faces, 68, 2, generator=generator)
    return TrainBatch(
        input_ids=ids,
        labels=torch.full_like(ids, -100),
        segments=torch.ones_like(ids),
        positions=places.expand_as(ids).contiguous(),
        pixel_values=pixels,
        landmarks=landmarks,
        readout_at=torch.tensor(at),
        readout_targets=targets,
    )


def new_trainee(model: Any, processor: Any, run: TrainRun) -> Trainee:
    """Model and objectives in training mode."""
    trainee = Trainee(model, objectives_of(Setting(model, processor, run)))
    trainee.train()
    return trainee


def steps(trainee: Trainee, groups: list[dict[str, Any]], batch: TrainBatch, count: int) -> list:
    """AdamW steps at the peak rates; the loss before each."""
    torch.manual_seed(0)
    for group in groups:
        group["lr"] = group["peak"]
    optimizer = torch.optim.AdamW(groups)
    losses = []
    for _ in range(count):
        optimizer.zero_grad()
        loss = trainee(batch)["total"]
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
