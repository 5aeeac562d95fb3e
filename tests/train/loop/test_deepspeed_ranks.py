"""Two ranks over gloo on one machine: the same losses, also after a kill, and one model at the end.

Losses agree with the single process to 1e-5 of their value (float32; seen: 3e-7): the ranks add in
another order. Between two runs of the same ranks nothing differs at all.
"""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
import train_toys
from train_toys import toy_makers

pytest.importorskip("deepspeed", reason="optional: pip install 'facellm[deepspeed]'")

from facellm.checkpoint import load_checkpoint
from facellm.train.loop.checkpoints import checkpoints_of
from facellm.train.loop.finish import consolidate
from facellm.train.loop.run_folder import load_record

SAME = 1e-5
STEPS = "schedule.steps=4"
ENGINE = ("engine.kind=deepspeed", "schedule.micro_batch=1")
pytestmark = pytest.mark.slow


def losses(out):
    rows = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return {row["step"]: row["loss"] for row in rows if "loss" in row}


def weights(out):
    return load_checkpoint(out / "model").model.state_dict()


@pytest.fixture(scope="module")
def single(tmp_path_factory, toy_config):
    """The same steps in one process, in micro batches of two."""
    from facellm.train.loop.job import TrainJob
    from facellm.train.loop.training import train
    from facellm.train.run_config import load_run

    out = tmp_path_factory.mktemp("single") / "run"
    train(TrainJob(load_run(toy_config, [STEPS]), out, quiet=True, makers=toy_makers()))
    return out


@pytest.fixture(scope="module")
def straight(tmp_path_factory, apart):
    """ZeRO stage -> two ranks' run without a stop."""
    found = {}
    for stage in (2, 3):
        found[stage] = tmp_path_factory.mktemp(f"zero{stage}") / "run"
        done = apart(found[stage], *ENGINE, STEPS, f"engine.zero={stage}")
        assert done["codes"] == [0, 0], done["said"]
    return found


@pytest.mark.parametrize("stage", [2, 3])
def test_losses_and_weights_are_those_of_one_process(single, straight, stage):
    assert losses(straight[stage]) == pytest.approx(losses(single), rel=SAME)
    mine, theirs = weights(straight[stage]), weights(single)
    for name, weight in theirs.items():
        torch.testing.assert_close(mine[name], weight, rtol=1e-3, atol=2e-5)


def test_zero_3_in_parts_becomes_one_folder(straight):
    """Made anew from the ranks' files, it is what the ranks made at the end."""
    before = weights(straight[3])
    (straight[3] / "model" / "model.safetensors").unlink()
    consolidate(straight[3], toy_makers())
    after = weights(straight[3])
    assert all(torch.equal(after[name], before[name]) for name in before)


def test_offload_a_json_of_ones_own_and_recomputing_change_no_loss(single, apart, tmp_path):
    own = tmp_path / "zero3.json"
    zero = {"stage": 3, "reduce_bucket_size": "auto", "offload_param": {"device": "cpu"}}
    zero["offload_optimizer"] = {"device": "cpu"}
    own.write_text(json.dumps({"train_batch_size": "auto", "zero_optimization": zero}))
    out = tmp_path / "run"
    changes = (f"engine.config={own}", "schedule.recompute=true", "schedule.decay=constant")
    done = apart(out, *ENGINE, *changes, "schedule.steps=2")
    assert done["codes"] == [0, 0], done["said"]
    assert losses(out)[1] == pytest.approx(losses(single)[1], rel=SAME)
    assert load_record(out)["deepspeed"]["zero_optimization"]["stage"] == 3


def test_bf16_follows_float32(single, apart, tmp_path):
    out = tmp_path / "run"
    done = apart(out, *ENGINE, "schedule.precision=bf16", "engine.zero=2", "schedule.steps=1")
    assert done["codes"] == [0, 0], done["said"]
    assert losses(out)[1] == pytest.approx(losses(single)[1], rel=0.02)


LAUNCHERS = {
    "torchrun": ["-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port"],
    # As the command of that name calls it.
    "deepspeed": [
        "-c",
        "from deepspeed.launcher.runner import main; main()",
        *("--num_gpus", "2", "--master_port"),
    ],
}


@pytest.mark.parametrize(
    ("launcher", "stage", "kill"),
    [
        ("torchrun", 2, "step:3:1"),
        pytest.param("deepspeed", 3, "save:4:1", marks=pytest.mark.long),
    ],
)
def test_killing_a_rank_ends_the_job_and_costs_nothing_but_time(job, launcher, stage, kill):
    """At a step, and in a save: within ten seconds all is over, and the rest is as without it."""
    code, seconds, said = job.launch(LAUNCHERS[launcher], stage, kill)
    assert code, said
    assert seconds < 10
    assert [step for step, _ in checkpoints_of(job.out)] == [2]
    losses_now, weights_now = job.resumed(stage)
    assert losses_now == losses(job.straight[stage])
    wanted = weights(job.straight[stage])
    assert all(torch.equal(weights_now[name], wanted[name]) for name in wanted)


class Job:
    """One run that a launcher starts and this process resumes."""

    def __init__(self, config, out, apart, straight):
        self.config, self.out, self.apart, self.straight = config, out, apart, straight

    def launch(self, launcher, stage, kill):
        """Exit code, seconds from the kill to the end, and what was said."""
        sets = [word for c in (*ENGINE, STEPS, f"engine.zero={stage}") for word in ("--set", c)]
        words = [*launcher, str(train_toys.free_port()), train_toys.__file__]
        noted = self.out.with_name("killed")
        environment = os.environ | {
            "TOY_KILL": kill,
            "TOY_NOTE": str(noted),
            "OMP_NUM_THREADS": "1",
            "PYTHONPATH": str(Path(train_toys.__file__).parent),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        }
        done = subprocess.run(
            [sys.executable, *words, str(self.config), str(self.out), *sets],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert noted.is_file(), done.stdout.decode()
        return done.returncode, time.time() - noted.stat().st_mtime, done.stdout

    def resumed(self, stage):
        """Losses and weights after the rest of the steps."""
        done = self.apart(self.out, *ENGINE, STEPS, f"engine.zero={stage}", resume=True)
        assert done["codes"] == [0, 0], done["said"]
        return losses(self.out), weights(self.out)


@pytest.fixture
def job(toy_config, tmp_path, apart, straight):
    return Job(toy_config, tmp_path / "run", apart, straight)
