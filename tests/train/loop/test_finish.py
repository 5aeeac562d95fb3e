"""The folder a run ends with: it can be loaded whatever it started from, and is never mixed."""

import os
import shutil

import pytest
from small_bases import save_clip, save_llama
from train_toys import toy_makers
from training_runs import new_run

from facellm.checkpoint import CALIBRATION, LANDMARKS, SHIPPED, load_checkpoint
from facellm.errors import FaceLLMError
from facellm.readout import Calibration
from facellm.train.build_model import build_model
from facellm.train.loop import finish
from facellm.train.loop.finish import consolidate, put_in_place, thresholds_note, write_files
from facellm.train.run_sections import ModelConfig

RATES = {"multi_modal_projector": 1e-3}


def written(folder, run):
    folder.mkdir()
    write_files(*build_model(run), folder, run)
    return folder


def test_a_model_joined_from_bases_can_be_loaded_and_says_whose_thresholds_it_has(tmp_path):
    save_clip(tmp_path / "clip")
    save_llama(tmp_path / "llama")
    bases = ModelConfig(vision=str(tmp_path / "clip"), language=str(tmp_path / "llama"))
    folder = written(tmp_path / "model", new_run("task", RATES, model=bases))
    assert (folder / LANDMARKS).read_bytes() == (SHIPPED / LANDMARKS).read_bytes()
    assert load_checkpoint(folder).calibration == Calibration()
    assert "thresholds are neutral; python -m facellm.eval.calibrate" in thresholds_note(folder)


def test_thresholds_and_landmarks_of_the_start_are_kept(tiny_checkpoint, tmp_path):
    start = shutil.copytree(tiny_checkpoint, tmp_path / "start")
    Calibration(abstain_below=0.4).save(start / CALIBRATION)
    folder = written(tmp_path / "model", new_run("task", RATES, start))
    assert load_checkpoint(folder).calibration.abstain_below == 0.4
    assert (folder / LANDMARKS).read_bytes() == (start / LANDMARKS).read_bytes()
    assert "those of the model it started from" in thresholds_note(folder)


def test_two_that_write_the_model_at_once_do_not_share_a_folder(go, tmp_path, monkeypatch):
    """Where one process is half done another writes all of it."""
    out = go(tmp_path / "run", "schedule.steps=2")
    usual, parts = finish.write_files, []

    def half_done(model, processor, part, run):
        usual(model, processor, part, run)
        parts.append(part.name)
        if len(parts) == 1:
            monkeypatch.setattr(os, "getpid", lambda: 4242)
            consolidate(out, toy_makers())
            monkeypatch.undo()

    monkeypatch.setattr(finish, "write_files", half_done)
    consolidate(out, toy_makers())
    assert parts == [f"model.{os.getpid()}.part", "model.4242.part"]
    load_checkpoint(out / "model")
    assert not list(out.glob("model.*"))


def test_a_model_that_cannot_be_written_leaves_the_one_before_and_no_part(
    go, tmp_path, monkeypatch
):
    out = go(tmp_path / "run", "schedule.steps=2")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(finish, "write_files", full)
    with pytest.raises(FaceLLMError, match="no room left"):
        consolidate(out, toy_makers())
    load_checkpoint(out / "model")
    assert not list(out.glob("model.*"))


def test_an_old_model_is_put_back_where_the_new_one_cannot_take_its_name(tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "file").write_text("old")
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", tmp_path / "model")
    assert (tmp_path / "model" / "file").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
