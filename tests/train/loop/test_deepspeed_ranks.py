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
    train(TrainJob(load_run(toy_config), out, quiet=True, makers=toy_makers()))
    return out


@pytest.fixture(scope="module")
def straight(tmp_path_factory, apart):
    """ZeRO stage -> two ranks' run without a stop."""
    found = {}
    for stage in (2, 3):
        found[stage] = tmp_path_factory.mktemp(f"zero{stage}") / "run"
        done = apart(found[stage], *ENGINE, f"engine.zero={stage}")
        assert done["codes"] == [0, 0], done["said"]
    return found


@pytest.mark.parametrize("stage", [2, 3])
def test_losses_and_weights_are_those_of_one_process(single, straight, stage):
    assert losses(straight[stage]) == pytest.approx(losses(single), rel=SAME)
    mine, theirs = weights(straight[stage]), weights(single)
    for name, weight in theirs.items():
        torch.testing.assert_close(mine[name], weight, rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize("stage", [2, 3])
def test_a_rank_killed_in_a_save_costs_nothing_but_time(straight, apart, tmp_path, stage):
    out = tmp_path / "run"
    done = apart(out, *ENGINE, f"engine.zero={stage}", kill="save:4:1")
    assert done["codes"][1] == -9
    assert [step for step, _ in checkpoints_of(out)] == [2]
    done = apart(out, *ENGINE, f"engine.zero={stage}", resume=True)
    assert done["codes"] == [0, 0], done["said"]
    assert losses(out) == losses(straight[stage])
    mine, theirs = weights(out), weights(straight[stage])
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)


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
    changes = (f"engine.config={own}", "schedule.recompute=true", "schedule.decay=cosine")
    done = apart(out, *ENGINE, *changes, "keep.save_every=100")
    assert done["codes"] == [0, 0], done["said"]
    assert losses(out) == pytest.approx(losses(single), rel=SAME)
    assert load_record(out)["deepspeed"]["zero_optimization"]["stage"] == 3


def test_bf16_follows_float32(single, apart, tmp_path):
    out = tmp_path / "run"
    done = apart(out, *ENGINE, "schedule.precision=bf16", "engine.zero=2", "schedule.steps=2")
    assert done["codes"] == [0, 0], done["said"]
    assert losses(out)[1] == pytest.approx(losses(single)[1], rel=0.02)


LAUNCHERS = {
    "torchrun": ["torch.distributed.run", "--nproc-per-node", "2", "--master-port"],
    "deepspeed": ["deepspeed.launcher.runner", "--num_gpus", "2", "--master_port"],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_killing_a_rank_ends_the_job_within_ten_seconds(toy_config, tmp_path, launcher):
    words = [*LAUNCHERS[launcher], str(train_toys.free_port()), train_toys.__file__]
    if launcher == "deepspeed":  # its own main, as the command of that name calls it
        words = ["-c", "from deepspeed.launcher.runner import main; main()", *words[1:]]
    else:
        words = ["-m", *words]
    sets = [word for change in ENGINE for word in ("--set", change)]
    words += [str(toy_config), str(tmp_path / "run"), *sets]
    environment = os.environ | {"TOY_KILL": "step:3:1", "TOY_NOTE": str(tmp_path / "killed")}
    environment |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(train_toys.__file__).parent)}
    environment["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    job = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    said, _ = job.communicate(timeout=300)
    seconds = time.time() - (tmp_path / "killed").stat().st_mtime
    assert job.returncode, said
    assert seconds < 10
    assert [step for step, _ in checkpoints_of(tmp_path / "run")] == [2]
