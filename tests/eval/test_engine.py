"""Engine against torch: paired differences, the same crops on both sides."""

from __future__ import annotations

import json

import numpy as np
import pytest

from facellm.assistant import FaceAssistant
from facellm.checkpoint import weight_digests
from facellm.engine_file import ENGINE
from facellm.eval import engine
from facellm.eval.engine import BothEngines, difference
from facellm.eval.held_out import VALID, HeldOut
from facellm.eval.statistics import auc_statistic, mean_statistic
from facellm.labels import ACTION_UNITS
from facellm.openvino_engine import OpenVinoEngine

N = 24  # rows of a set, the second half of them for validation


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Prepared sets of noise with labels of every kind."""
    folder, rng = tmp_path_factory.mktemp("cache"), np.random.default_rng(0)
    labels = {
        "ferplus": {"votes": np.eye(10, dtype=np.int64)[np.arange(N) % 8] * 7},
        "utkface": {"age": np.arange(N) * 3, "male": np.arange(N) % 2},
        "real_vs_stylegan2": {"fake": np.arange(N) % 2},
        "forged": {"fake": np.arange(N) % 2},
        "rig": {"au": np.indices((N, len(ACTION_UNITS))).sum(0) % 2.0},
    }
    for name, held in labels.items():
        (folder / name).mkdir()
        side, channels = (48, 1) if name == "ferplus" else (64, 3)
        images = rng.integers(0, 255, (N, side, side, channels)).astype(np.uint8)
        np.save(folder / name / "images.npy", images)
        split = np.repeat([0, VALID], N // 2)
        np.savez(folder / name / "labels.npz", split=split, **held)
    return folder


@pytest.fixture(scope="module")
def assistant(exported):
    return FaceAssistant.load(exported.folder, engine="torch")


def test_a_difference_is_paired():
    torch_right, engine_right = np.array([1, 1, 0, 1, 0, 1]), np.array([1, 0, 0, 1, 1, 1])
    same = difference("x", mean_statistic(torch_right), mean_statistic(torch_right), 6, 0.0)
    assert (same.change.value, same.change.low, same.change.high) == (0, 0, 0)
    assert same.reached
    found = difference("x", mean_statistic(torch_right), mean_statistic(engine_right), 6, 0.1)
    assert (found.torch, found.engine) == pytest.approx((4 / 6, 4 / 6))
    assert found.change.low < 0 < found.change.high
    worse = difference("x", mean_statistic(torch_right), mean_statistic(0 * torch_right), 6, 0.1)
    assert worse.change.value == pytest.approx(-4 / 6)
    assert worse.reached is False
    assert (
        difference("x", mean_statistic(torch_right), mean_statistic(torch_right), 6, None).reached
        is None
    )


def test_a_mean_of_statistics_leaves_out_what_a_resample_leaves_undefined():
    first = auc_statistic([0, 0, 1], [0.1, 0.2, 0.9])
    second = auc_statistic([0, 1, 1], [0.1, 0.2, 0.0])
    mean = engine.mean_of([first, second])
    assert mean(np.ones((1, 3)))[0] == pytest.approx((1 + 0.5) / 2)
    assert mean(np.array([[0.0, 1.0, 1.0]]))[0] == 1.0  # the second has no negative row there


def test_both_sides_read_the_same_crops(assistant, exported, cache):
    held_out = HeldOut(assistant, cache)
    both = BothEngines(held_out, OpenVinoEngine(exported.folder / ENGINE))
    rows = both.rows("utkface", 5)
    assert len(rows) == 5
    torch_side, engine_side = both.columns("utkface", rows)
    crops = [held_out.crop("utkface", int(row)) for row in rows]
    expected = [reading.age.mean for reading in assistant.read_crops(crops)]
    assert np.allclose(torch_side.age[:, 0], expected, atol=1e-4)
    assert np.allclose(engine_side.age, torch_side.age, atol=1e-2)
    assert np.allclose(engine_side.units, torch_side.units, atol=1e-4)


def test_an_unquantised_engine_costs_nothing_and_the_record_says_which_weights(
    exported, cache, tmp_path, capsys
):
    out = tmp_path / "engine.json"
    arguments = ("--model", exported.folder, "--cache", cache, "--out", out)
    engine.main([str(argument) for argument in arguments])
    printed = capsys.readouterr().out
    record = json.loads(out.read_text())
    assert record["sha256"] == weight_digests(exported.folder)
    assert record["split"] == "valid"
    lines = {line["name"]: line for line in record["differences"]}
    assert lines["FER+ accuracy"]["change"]["n"] == N // 2
    assert lines["UTKFace apparent age, MAE in years"]["change"]["value"] == pytest.approx(
        0, abs=0.01
    )
    assert {line["reached"] for line in lines.values()} == {True, None}
    assert "mean of 21 units on renders, AUC" in lines
    assert all(name in printed for name in lines)
