"""A toy is trained: the same twice, the same after a stop, and what comes out can be loaded."""

import json
import math
import shutil

import pytest
import torch
from train_toys import ToyStream

from facellm.adapter_file import adapter_base
from facellm.checkpoint import load_checkpoint
from facellm.errors import FaceLLMError
from facellm.train.loop.finish import consolidate
from facellm.train.loop.run_folder import RunFolder


@pytest.fixture(scope="module")
def straight(tmp_path_factory, toy_config):
    """Six steps without a stop."""
    from train_toys import toy_makers

    from facellm.train.loop.job import TrainJob
    from facellm.train.loop.training import train
    from facellm.train.run_config import load_run

    out = tmp_path_factory.mktemp("straight") / "run"
    train(TrainJob(load_run(toy_config), out, quiet=True, makers=toy_makers()))
    return out


def log_of(out):
    return [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]


def losses(out):
    return {row["step"]: row["loss"] for row in log_of(out) if "loss" in row}


def assert_equal(mine, theirs):
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[name], theirs[name]) for name in mine)


def test_two_runs_give_equal_weights(go, straight, weights_of, tmp_path):
    assert_equal(weights_of(go(tmp_path / "run"), 6), weights_of(straight, 6))


@pytest.mark.parametrize("step", [2, 4])
def test_a_run_resumed_from_any_checkpoint_gives_the_same_weights(
    go, straight, weights_of, tmp_path, step
):
    out = shutil.copytree(straight, tmp_path / "run")
    for later in range(step + 2, 8, 2):
        shutil.rmtree(out / f"checkpoint-{later:06d}")
    shutil.rmtree(out / "model")
    go(out, resume=True)
    assert_equal(weights_of(out, 6), weights_of(straight, 6))
    assert losses(out) == losses(straight)
    assert_equal_models(out, straight)


def assert_equal_models(mine, theirs):
    states = [load_checkpoint(out / "model").model.state_dict() for out in (mine, theirs)]
    assert_equal(*states)


def test_the_weights_move_and_frozen_ones_do_not(straight, tiny_checkpoint):
    before = load_checkpoint(tiny_checkpoint).model.state_dict()
    after = load_checkpoint(straight / "model").model.state_dict()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert any(name.startswith("region_attention.") for name in moved)
    assert any(name.startswith("multi_modal_projector.") for name in moved)
    assert not any(name.startswith("vision_tower.") for name in moved)
    assert not any("embed_tokens" in name for name in moved)


def test_the_model_is_the_last_checkpoint(straight, weights_of):
    model = load_checkpoint(straight / "model").model.state_dict()
    for name, weight in weights_of(straight, 6).items():
        assert torch.equal(model[name.removeprefix("model.")], weight)


def test_consolidating_gives_the_same_model_again(straight, tmp_path):
    from train_toys import toy_makers

    out = shutil.copytree(straight, tmp_path / "run")
    shutil.rmtree(out / "model")
    consolidate(out, toy_makers())
    assert_equal_models(out, straight)


def test_an_adapter_lies_apart_with_its_base_named(go, tmp_path, tiny_checkpoint):
    out = go(
        tmp_path / "run",
        "rates={multi_modal_projector: 1.0e-3, lora: 1.0e-2}",
        "lora={rank: 4, alpha: 8}",
        "schedule.steps=2",
    )
    name, digest = adapter_base(out / "model" / "adapter")
    assert name == str(tiny_checkpoint)
    assert len(digest) == 64
    whole = load_checkpoint(out / "model").model.state_dict()  # merges the adapter
    before = load_checkpoint(tiny_checkpoint).model.state_dict()
    key = "language_model.model.layers.0.self_attn.q_proj.weight"
    assert not torch.equal(whole[key], before[key])
    shutil.rmtree(out / "model" / "adapter")
    assert torch.equal(load_checkpoint(out / "model").model.state_dict()[key], before[key])


def test_the_log_holds_every_step_and_the_validation(straight):
    rows = log_of(straight)
    assert [row["step"] for row in rows if "loss" in row] == list(range(1, 7))
    first = rows[0]
    assert first["loss"] == pytest.approx(first["answer"] + first["readout"])
    assert 0 < first["padding"] < 1
    assert first["tokens_per_second"] > 0
    assert first["epoch"] == 0.25
    assert math.isfinite(rows[-1]["valid"]["loss"])


class Poisoned(ToyStream):
    poisoned = 3


def test_a_loss_that_is_no_number_names_its_samples_and_keeps_the_checkpoint(go, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(FaceLLMError) as caught:
        go(out, stream=Poisoned)
    message = str(caught.value)
    assert "no number at step 4" in message
    assert f"{out / 'checkpoint-000002'} is kept" in message
    assert "samples: 3/0/3/0, 3/0/3/1" in message  # of the one micro batch
    assert "3/0/3/2" not in message
    assert not list(out.glob("checkpoint-000004*"))


def test_recomputed_activations_and_bf16_give_nearly_the_same_losses(go, straight, tmp_path):
    again = go(tmp_path / "again", "schedule.recompute=true")
    assert losses(again) == pytest.approx(losses(straight), rel=1e-6)
    half = go(tmp_path / "half", "schedule.precision=bf16", "schedule.steps=1")
    assert losses(half)[1] == pytest.approx(losses(straight)[1], rel=0.02)


def test_clip_0_clips_nothing(go, straight, tmp_path):
    """The gradients of the toy are far above 1 in norm."""
    free = losses(go(tmp_path / "free", "schedule.clip=0", "schedule.steps=6"))
    wide = losses(go(tmp_path / "wide", "schedule.clip=1.0e+6", "schedule.steps=6"))
    assert free == wide != losses(straight)


def test_another_config_is_refused_with_its_differences(go, straight, tmp_path):
    out = shutil.copytree(straight, tmp_path / "run")
    with pytest.raises(FaceLLMError) as caught:
        go(out, "schedule.steps=8", "rates.region_attention=0.5", resume=True)
    assert "config.rates.region_attention was 0.001, is 0.5" in str(caught.value)
    assert "config.schedule.steps was 6, is 8; only keep.* may change" in str(caught.value)
    go(out, "keep.log_every=3", resume=True)


def test_what_is_there_is_refused_without_resume(go, straight, tmp_path):
    with pytest.raises(FaceLLMError, match="already holds a run; --resume goes on with it"):
        go(straight)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(FaceLLMError, match=r"is not empty and no run \(notes.txt\)"):
        go(tmp_path)
    with pytest.raises(FaceLLMError, match="is a file, not a folder"):
        go(tmp_path / "notes.txt")


def test_two_runs_in_one_folder_are_refused(go, tmp_path):
    with (
        RunFolder(tmp_path).locked(),
        pytest.raises(FaceLLMError, match="another run is at work in it"),
    ):
        go(tmp_path)


class NoValid(ToyStream):
    def __init__(self, run, processor, *, rank=0, world=1, split="train", features=None):
        if split == "valid":
            raise FaceLLMError("toys: no sample of valid is left")
        super().__init__(run, processor, rank=rank, world=world, split=split)


def test_a_missing_validation_split_is_told_at_the_beginning(go, tmp_path):
    with pytest.raises(FaceLLMError, match=r"--set keep.valid_rows=0 trains without it"):
        go(tmp_path / "run", stream=NoValid)
    assert not (tmp_path / "run" / "log.jsonl").exists()
    out = go(tmp_path / "run", "keep.valid_rows=0", "schedule.steps=6", resume=True, stream=NoValid)
    assert "valid" not in (out / "log.jsonl").read_text()


def test_a_run_that_ended_before_its_first_checkpoint_can_be_begun_again(go, tmp_path):
    out = tmp_path / "run"
    with pytest.raises(FaceLLMError, match="valid_rows"):
        go(out, stream=NoValid)
    assert (out / "run.json").is_file()
    go(out, "schedule.steps=2")  # another config: nothing of the first is there
    assert losses(out).keys() == {1, 2}


def test_a_run_that_fails_while_it_is_built_ends_its_streams(go, tmp_path, monkeypatch):
    from facellm.train.loop import training

    closed = []

    class Counted(ToyStream):
        def close(self):
            closed.append(self.split)

    def fails(*_):
        raise FaceLLMError("no engine")

    monkeypatch.setattr(training, "new_engine", fails)
    with pytest.raises(FaceLLMError, match="no engine"):
        go(tmp_path / "run", stream=Counted)
    assert sorted(closed) == ["train", "valid"]
