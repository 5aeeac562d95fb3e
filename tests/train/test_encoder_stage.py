"""The stage on prepared sets of a few rows: begun, killed, resumed, refused."""

import numpy as np
import pytest
import torch

from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.train.encoder import EncoderTraining, train_encoder
from facellm.train.encoder_config import EncoderRun, PretextConfig, Stretch

ROWS, SIDE = 9, 48  # three rows of each split
MIX = (Stretch(1.0, ferplus=0.5, utkface=0.25, rig=0.25),)
RUN = EncoderRun(MIX, steps=3, batch=4, warmup=1)


def write_set(folder, **labels):
    rng = np.random.default_rng(len(labels))
    folder.mkdir()
    channels = 1 if "votes" in labels else 3
    np.save(folder / "images.npy", rng.integers(0, 255, (ROWS, SIDE, SIDE, channels), np.uint8))
    split = np.arange(ROWS, dtype=np.int8) % 3
    keys = np.array([f"{folder.name}/{row}" for row in range(ROWS)])
    np.savez(folder / "labels.npz", split=split, key=keys, **labels)
    points = np.tile(rng.uniform(0.3, 0.7, (68, 2)).astype(np.float32), (ROWS, 1, 1))
    np.save(folder / "landmarks.npy", points)


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cache")
    votes = np.zeros((ROWS, 10), np.int16)
    votes[:, 1] = 10
    years, yes = np.full(ROWS, 30, np.int16), np.arange(ROWS, dtype=np.int8) % 2
    write_set(folder / "ferplus", votes=votes)
    write_set(folder / "utkface", age=years, male=yes)
    for name in ("real_vs_stylegan2", "forged"):
        write_set(folder / name, fake=yes)
    for name in ("face_mask", "painted"):
        write_set(folder / name, mask=yes)
    measures = {"mouth_open": np.zeros(ROWS), "eye_open": np.ones((ROWS, 2))}
    write_set(folder / "rig", au=np.zeros((ROWS, 21)), gaze=np.zeros((ROWS, 2)), **measures)
    return folder


def weights(out):
    return torch.load(out / "checkpoint.pt", weights_only=True)["averaged"]


def test_a_run_that_was_killed_ends_with_the_weights_of_one_that_was_not(
    cache, tmp_path, monkeypatch
):
    train_encoder(RUN, tmp_path / "whole", resume=False, cache=cache)
    step = EncoderTraining._one_step

    def killed(self, batch):
        if self.step == 2:
            self.save()
            raise KeyboardInterrupt
        return step(self, batch)

    monkeypatch.setattr(EncoderTraining, "_one_step", killed)
    with pytest.raises(KeyboardInterrupt):
        train_encoder(RUN, tmp_path / "parts", resume=False, cache=cache)
    monkeypatch.setattr(EncoderTraining, "_one_step", step)
    train_encoder(RUN, tmp_path / "parts", resume=True, cache=cache)
    whole, parts = weights(tmp_path / "whole"), weights(tmp_path / "parts")
    assert all(torch.equal(whole[name], parts[name]) for name in whole)


def test_another_config_is_refused_with_its_differences(cache, tmp_path):
    train_encoder(RUN, tmp_path / "run", resume=False, cache=cache)
    other = EncoderRun(MIX, steps=3, batch=4, warmup=1, lr=5e-4)
    with pytest.raises(FaceLLMError, match=r"config\.lr was 0\.001, is 0\.0005"):
        train_encoder(other, tmp_path / "run", resume=True, cache=cache)
    with pytest.raises(FaceLLMError, match="already holds a run; --resume goes on"):
        train_encoder(RUN, tmp_path / "run", resume=False, cache=cache)


def test_hidden_blocks_are_learned_beside_the_labels(cache, tmp_path):
    run = EncoderRun(MIX, steps=1, batch=4, warmup=1, pretext=PretextConfig(masked=1.0))
    train_encoder(run, tmp_path / "run", resume=False, cache=cache)
    state = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert "masked.show.weight" in state["pretext"]
    assert not any("masked" in name for name in state["averaged"])


def test_the_command_runs_it_and_says_where(cache, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("FACELLM_CACHE", str(cache))
    changes = ["--set", 'corpus=""', "--set", "steps=1", "--set", "batch=8", "--set", "warmup=1"]
    out = tmp_path / "run"
    assert main(["train", "default-encoder", "-o", str(out), *changes]) == 0
    assert capsys.readouterr().out.strip().endswith(str(out / "checkpoint.pt"))
    assert main(["train", "default-encoder", "--dry-run"]) == 0
    assert "10600 steps of 64 pictures" in capsys.readouterr().out


def test_what_the_stage_does_not_know_is_told(tmp_path, capsys):
    assert main(["train", "default-encoder", "-o", str(tmp_path), "--set", "step=1"]) == 2
    assert "did you mean 'steps'?" in capsys.readouterr().err
    assert main(["train", "default-encoder"]) == 2
    assert "where to? give a folder with -o" in capsys.readouterr().err
