"""Batches of reading samples, settings and forward passes for tests of losses."""

import numpy as np
import torch

from facellm.labels import QUERY_INDEX
from facellm.train.run_config import TrainRun
from facellm.train.run_losses import LossesConfig
from facellm.train.run_sections import DataConfig, ModelConfig, RatesConfig
from facellm.train.sample import FaceImage, Forwarded, Setting, TrainBatch, TrainingSample
from facellm.train.trainee import Trainee


def setting_of(checkpoint, rates=None, data=None, **losses):
    """What objectives are built from, around a loaded checkpoint."""
    run = TrainRun(
        stage="base",
        model=ModelConfig(start="toy"),
        data=DataConfig(corpora=("toy",), **(data or {})),
        rates=RatesConfig(**(rates or {"region_attention": 1e-3, "language_model": 1e-3})),
        losses=LossesConfig(**losses),
    )
    return Setting(checkpoint.model, checkpoint.processor, run)


def reading_sample(processor, name, subject=None, source="toy", **readouts):
    """A reading prompt of one face with target distributions."""
    ids = processor.reading_ids()
    return TrainingSample(
        id=f"{name}/reading",
        input_ids=ids,
        labels=[-100] * len(ids),
        images=(FaceImage(0, name, (0.0, 0.0, 1.0, 1.0)),),
        readouts={key: np.asarray(value, np.float32) for key, value in readouts.items()},
        source=source,
        subject=subject,
    )


def batch_of(processor, samples, pixels=None, landmarks=None, features=None):
    """One sample a row; the query tokens are the last of each."""
    length = max(len(sample) for sample in samples)
    rows = torch.zeros(len(samples), length, dtype=torch.int64)
    labels = torch.full_like(rows, -100)
    segments, positions = torch.zeros_like(rows), torch.zeros_like(rows)
    at, targets, widest = [], [], 117
    for row, sample in enumerate(samples):
        count = len(sample)
        rows[row, :count] = torch.tensor(sample.input_ids)
        labels[row, :count] = torch.tensor(sample.labels)
        segments[row, :count], positions[row, :count] = 1, torch.arange(count)
        for name, shares in sample.readouts.items():
            index = QUERY_INDEX[name]
            at.append((row, count - len(QUERY_INDEX) + index, index))
            targets.append(np.pad(shares, (0, widest - len(shares))))
    faces = sum(len(sample.images) for sample in samples)
    if pixels is None and features is None and faces:
        size, generator = processor.crop_size, torch.Generator().manual_seed(7)
        pixels = torch.randn(faces, 3, size, size, generator=generator)
    return TrainBatch(
        rows,
        labels,
        segments,
        positions,
        pixel_values=pixels,
        features=features,
        landmarks=landmarks,
        readout_at=torch.tensor(at) if at else None,
        readout_targets=torch.from_numpy(np.stack(targets)) if at else None,
        samples=list(samples),
    )


def forwarded(model, batch):
    """A forward pass without losses."""
    return Trainee(model, []).run(batch)


def bare_batch(samples, keys=None):
    """A batch for losses that look at samples alone: a row a sample, of one token."""
    ones = torch.ones(len(samples), 1, dtype=torch.int64)
    return TrainBatch(ones, ones * -100, ones, ones * 0, samples=list(samples))


def bare_forward(visual):
    """What such losses see of a model: visual tokens (N, P, D)."""
    return Forwarded(visual.new_zeros(1, 1, visual.shape[-1]), visual.new_zeros(1, 1), visual)
