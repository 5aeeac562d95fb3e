"""All switches on, through the trainer's own loop: what they remember survives a kill."""

from pathlib import Path

import numpy as np
import pytest
import torch
from loss_toys import batch_of, reading_sample
from safetensors.torch import load_file
from train_toys import toy_makers, write_config

from facellm.train.loop.checkpoints import latest_checkpoint
from facellm.train.loop.job import TrainJob
from facellm.train.loop.single import WEIGHTS
from facellm.train.loop.training import train
from facellm.train.run_config import load_run

SWITCHES = ["neighbourhood=0.5", "identity_adversary=0.5", "au_attention=0.5"]
STEPS, FACES = 4, 4


class People:
    """A stream of faces with people, expressions and units; ends the process's run at a step."""

    steps_per_epoch = STEPS
    left_out: dict = {}  # noqa: RUF012
    dies_at = -1

    def __init__(self, run, processor, **options):
        self.processor = processor

    def micro_batches(self, step):
        if step == self.dies_at:
            raise KeyboardInterrupt
        return [self._batch((step, micro)) for micro in range(2)]

    def _batch(self, seed):
        rng = np.random.default_rng(seed)
        samples = [
            reading_sample(
                self.processor,
                f"{seed}/{number}",
                subject=f"p{rng.integers(3)}",
                expr=rng.dirichlet(np.ones(8)),
                au12=np.eye(6)[rng.integers(6)],
            )
            for number in range(FACES)
        ]
        points = torch.from_numpy(rng.uniform(0.2, 0.8, (FACES, 68, 2)).astype(np.float32))
        pixels = torch.from_numpy(rng.normal(size=(FACES, 3, 96, 96)).astype(np.float32))
        return batch_of(self.processor, samples, pixels=pixels, landmarks=points)

    def close(self):
        pass


@pytest.fixture
def run(tiny_checkpoint, tmp_path):
    changes = [f"losses.{switch}" for switch in SWITCHES]
    changes += [f"schedule.steps={STEPS}", "schedule.micro_batch=4", "schedule.global_batch=8"]
    changes += ["keep.save_every=2", "keep.valid_rows=0"]
    return load_run(write_config(tmp_path, tiny_checkpoint), changes)


def test_a_run_that_was_killed_ends_with_the_same_weights_and_memories(run, tmp_path, monkeypatch):
    makers = toy_makers(People)
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    train(TrainJob(run, whole, quiet=True, makers=makers))
    monkeypatch.setattr(People, "dies_at", 3)
    with pytest.raises(KeyboardInterrupt):
        train(TrainJob(run, killed, quiet=True, makers=makers))
    monkeypatch.undo()
    train(TrainJob(run, killed, quiet=True, resume=True, makers=makers))
    first, second = (load_file(latest_checkpoint(out) / WEIGHTS) for out in (whole, killed))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name].nan_to_num(), second[name].nan_to_num()) for name in first)
    remembered = {name.rsplit(".", 1)[-1]: first[name] for name in first if "objective" in name}
    assert int(remembered["seen"]) == STEPS * 2 * FACES
    assert int(remembered["passes"]) == STEPS * 2
    assert int((remembered["people"] >= 0).sum()) == 3


def test_what_objectives_keep_for_themselves_is_not_exported(run, tmp_path):
    model = train(TrainJob(run, tmp_path / "out", quiet=True, makers=toy_makers(People)))
    exported, start = (load_file(Path(f) / "model.safetensors") for f in (model, run.model.start))
    assert set(exported) == set(start)
