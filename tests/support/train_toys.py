"""A toy run: batches in memory for a toy model, and a command line for tests with several ranks.

Reading samples of made-up faces and answers of made-up ids; every batch depends on seed and step
alone. ``python -m train_toys OUT --start FOLDER --set ...`` runs it under any launcher; the file is
its own config.
"""

import argparse
import os
import signal
import sys
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch

from facellm.labels import QUERIES
from facellm.train.loop.job import Makers, TrainJob
from facellm.train.loop.training import train
from facellm.train.run_config import load_run
from facellm.train.sample import TrainBatch, TrainingSample

PATCHES = 9
CONFIG = """\
stage: task
model: {{start: "{start}"}}
data: {{corpora: [toys], readouts: true}}
rates: {{region_attention: 1.0e-3, multi_modal_projector: 1.0e-3, language_model: 1.0e-3}}
schedule: {{steps: 6, micro_batch: 2, global_batch: 4, warmup: 0.3, seed: 3}}
keep: {{save_every: 2, log_every: 1, valid_rows: 4, checkpoints: 9}}
"""


def write_config(folder, start):
    """The toy's config file."""
    path = folder / "toy.yaml"
    path.write_text(CONFIG.format(start=start))
    return path


def answer_row(rng, processor, length):
    """(ids, labels) of an answer about one face, the last tokens learned."""
    ids = [processor.image_token_id] * PATCHES + rng.integers(300, 400, length).tolist()
    learned = int(rng.integers(2, length))
    return ids, [-100] * (len(ids) - learned) + ids[-learned:]


def batch_of(rows, rng, processor, faces=True):
    """Rows of (ids, labels) as one padded batch; the first row's last token is a query too."""
    longest = max(len(ids) for ids, _ in rows)
    shape = (len(rows), longest)
    batch = TrainBatch(
        input_ids=torch.full(shape, processor.tokenizer.pad_token_id),
        labels=torch.full(shape, -100),
        segments=torch.zeros(shape, dtype=torch.int64),
        positions=torch.arange(longest).repeat(len(rows), 1),
        samples=[TrainingSample(f"toy/{rng.integers(10**6)}", i, lab) for i, lab in rows],
    )
    for row, (ids, labels) in enumerate(rows):
        batch.input_ids[row, : len(ids)] = torch.tensor(ids)
        batch.labels[row, : len(ids)] = torch.tensor(labels)
        batch.segments[row, : len(ids)] = 1
    if faces:
        pixels = rng.normal(size=(len(rows), 3, 96, 96)).astype(np.float32)
        batch.pixel_values = torch.from_numpy(pixels)
        points = rng.uniform(0.2, 0.8, (len(rows), 68, 2)).astype(np.float32)
        batch.landmarks = torch.from_numpy(points)
        asked = [int(rng.integers(len(QUERIES))) for _ in rows if rng.random() < 0.7]
        batch.readout_at = torch.tensor(
            [[row, len(rows[row][0]) - 1, query] for row, query in enumerate(asked)]
        ).reshape(-1, 3)
        widest = max(len(ids) for ids in processor.label_ids)
        targets = torch.zeros(len(asked), widest)
        for row, query in enumerate(asked):
            count = len(processor.label_ids[query])
            targets[row, :count] = torch.from_numpy(rng.dirichlet([1.0] * count))
        batch.readout_targets = targets
    return batch


class ToyStream:
    """As ``BatchStream``: row r of a step is the same however rows are shared out."""

    steps_per_epoch = 4
    poisoned = -1  # step whose first row holds a NaN
    faceless = -1  # row of every step that has no face

    def __init__(self, run, processor, *, rank=0, world=1, split="train"):
        self.run, self.processor = run, processor
        self.rank, self.world, self.split = rank, world, split

    def micro_batches(self, step):
        plan = self.run.schedule
        per_rank = plan.global_batch // self.world
        first = self.rank * per_rank
        starts = range(first, first + per_rank, plan.micro_batch)
        return [self._batch(step, range(s, s + plan.micro_batch)) for s in starts]

    def _batch(self, step, numbers):
        one = [self._row(step, number) for number in numbers]
        return one[0] if len(one) == 1 else joined(one)

    def _row(self, step, number):
        rng = np.random.default_rng((self.run.seed_of_toys, step, number, self.split == "valid"))
        faces = number != self.faceless
        ids, labels = answer_row(rng, self.processor, int(rng.integers(6, 14)))
        if not faces:
            ids, labels = ids[PATCHES:], labels[PATCHES:]
        batch = batch_of([(ids, labels)], rng, self.processor, faces)
        if step == self.poisoned and number == 0:
            batch.pixel_values[:] = torch.nan
        return batch

    def close(self):
        """Nothing runs."""
