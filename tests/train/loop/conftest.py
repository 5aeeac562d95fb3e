"""Toy runs on the toy checkpoint."""

import pytest
from safetensors.torch import load_file
from train_toys import ToyStream, toy_makers, write_config

from facellm.train.loop.job import TrainJob
from facellm.train.loop.training import train
from facellm.train.run_config import load_run


@pytest.fixture(scope="session")
def toy_config(tiny_checkpoint, tmp_path_factory):
    return write_config(tmp_path_factory.mktemp("config"), tiny_checkpoint)


@pytest.fixture
def go(toy_config):
    """``go(out, "schedule.steps=2", resume=True)`` -> the folder, after the run."""

    def go(out, *changes, resume=False, stream=ToyStream):
        run = load_run(toy_config, changes)
        train(TrainJob(run, out, resume=resume, quiet=True, makers=toy_makers(stream)))
        return out

    return go


@pytest.fixture(scope="session")
def weights_of():
    """Trained weights of a run's checkpoint by step."""
    return lambda out, step: load_file(out / f"checkpoint-{step:06d}" / "weights.safetensors")
