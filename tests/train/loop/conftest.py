"""Toy runs on the toy checkpoint."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import train_toys
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


@pytest.fixture(scope="session")
def apart(toy_config):
    """``apart(out, "engine.kind=deepspeed", kill="save:4:1")``: a run in processes of its own.

    Forked from one process that has imported everything once; two ranks, or as many as ``world``.
    Gives exit codes, what each rank said on stderr, and seconds.
    """
    command = [sys.executable, train_toys.__file__, "--serve"]
    support = str(Path(train_toys.__file__).parent)
    environment = os.environ | {"PYTHONPATH": support, "OMP_NUM_THREADS": "1"}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen(command, env=environment, text=True, **pipes)

    def apart(out, *changes, resume=False, kill="", **rest):
        sets = [word for change in changes for word in ("--set", change)]
        words = [str(toy_config), str(out), *sets, *(["--resume"] if resume else [])]
        job = {"words": words, "environment": {"TOY_KILL": kill}, **rest}
        server.stdin.write(json.dumps(job) + "\n")
        server.stdin.flush()
        while not (line := server.stdout.readline()).startswith("{"):
            assert line, "the process that forks is gone"
        return json.loads(line)

    yield apart
    server.stdin.close()
    server.wait()
