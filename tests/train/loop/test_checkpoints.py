"""Checkpoints are whole or not there, and say so when there is no room for one."""

import json
import random
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from facellm.errors import FaceLLMError
from facellm.train.loop.checkpoints import Checkpoints, Progress, check_room, checkpoints_of
from facellm.train.loop.random_states import load_random, save_random, seed_all
from facellm.train.loop.ranks import Ranks


def new(out, kept=2, size=0):
    return Checkpoints(out, Ranks(), kept, size)


def write(folder):
    (folder / "weights").write_text("numbers")


def test_the_last_ones_are_kept(tmp_path):
    for step in (2, 10, 100):
        new(tmp_path).save(Progress(step, 1.5), write)
    assert [step for step, _ in checkpoints_of(tmp_path)] == [10, 100]
    assert new(tmp_path).load(checkpoints_of(tmp_path)[-1][1], lambda _: None).step == 100
    assert not list(tmp_path.glob("*.part"))


def test_what_a_kill_left_is_swept_and_never_taken_for_a_checkpoint(tmp_path):
    new(tmp_path).save(Progress(2), write)
    left = tmp_path / "checkpoint-000004.part"
    left.mkdir()
    (left / "weights").write_text("half")
    assert [step for step, _ in checkpoints_of(tmp_path)] == [2]
    new(tmp_path).save(Progress(4), write)
    assert not left.exists()


def test_a_failed_write_leaves_the_last_good_one(tmp_path):
    def fail(folder):
        write(folder)
        raise OSError(28, "No space left on device")

    new(tmp_path).save(Progress(2), write)
    with pytest.raises(FaceLLMError, match=r"no room left on the disk.*go on with --resume"):
        new(tmp_path).save(Progress(4), fail)
    assert [step for step, _ in checkpoints_of(tmp_path)] == [2]


def test_no_room_says_how_much_is_needed_before_anything_is_written(tmp_path):
    with pytest.raises(FaceLLMError) as caught:
        new(tmp_path, size=10**15).save(Progress(2), write)
    assert "takes about 1,000,000,000.0 MB" in str(caught.value)
    assert "keep.checkpoints" in str(caught.value)
    assert not list(tmp_path.iterdir())
    check_room(tmp_path, 10)


def test_a_full_disk_is_told_in_words(tmp_path, apart):
    """Files may grow to 64 KB in that process: the weights do not fit."""
    done = apart(tmp_path / "run", world=1, limit=65536)
    assert done["codes"] == [1]
    (line,) = done["said"][0].splitlines()
    assert line.startswith("facellm: error: ")
    assert "checkpoint-000002.part: cannot be written" in line
    assert "go on with --resume" in line
    assert checkpoints_of(tmp_path / "run") == []


@pytest.mark.parametrize("name", ["weights.safetensors", "optimizer.pt", "rng-0.pt"])
def test_a_damaged_checkpoint_is_named(go, tmp_path, name):
    out = go(tmp_path / "run", "schedule.steps=2")
    shutil.rmtree(out / "model")
    (out / "checkpoint-000002" / name).write_bytes(b"\0" * 100)
    with pytest.raises(FaceLLMError, match="checkpoint-000002: cannot be resumed from"):
        go(out, "schedule.steps=2", resume=True)


def test_a_kill_during_a_save_leaves_the_last_good_one(apart, tmp_path, go):
    out = tmp_path / "run"
    assert apart(out, world=1, kill="save:4:0")["codes"] == [-9]
    assert [path.name for path in sorted(out.glob("checkpoint-*"))] == [
        "checkpoint-000002",
        "checkpoint-000004.part",
    ]
    torn = '{"step": 4, "lo'
    with (out / "log.jsonl").open("a") as file:
        file.write(torn)
    go(out, resume=True)
    straight = go(tmp_path / "straight")
    last = "checkpoint-000006/weights.safetensors"
    mine, theirs = load_file(out / last), load_file(straight / last)
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    steps = [json.loads(line)["step"] for line in (out / "log.jsonl").read_text().splitlines()]
    assert steps == [1, 2, 3, 4, 5, 6, 6]


def test_random_states_go_on_where_they_were(tmp_path):
    def draws():
        return random.random(), np.random.normal(), float(torch.rand(()))

    seed_all(5)
    draws()
    save_random(tmp_path / "rng.pt")
    wanted = draws()
    seed_all(6)
    load_random(tmp_path / "rng.pt")
    assert draws() == wanted
