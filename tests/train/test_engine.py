"""Quantising the reading: what stays float, what the correction does, and the file at the end."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import torch
from engines import needs_nncf

from facellm.checkpoint import load_checkpoint
from facellm.engine import TorchEngine
from facellm.engine_file import ENGINE, EngineFile, engine_facts, source_digest
from facellm.errors import FaceLLMError
from facellm.openvino_engine import OpenVinoEngine, label_columns
from facellm.train import engine
from facellm.train.engine import SHARES, calibration_samples, corrected, log_probabilities

pytestmark = needs_nncf
ROWS = 24


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    """Prepared sets of smooth noise; every second row has no landmarks."""
    folder, rng = tmp_path_factory.mktemp("cache"), np.random.default_rng(0)
    for name in SHARES:
        (folder / name).mkdir()
        side, channels = (48, 1) if name == "ferplus" else (64, 3)
        small = rng.integers(0, 255, (12, 8, 8, channels))
        images = small.repeat(side // 8, 1).repeat(side // 8, 2).astype(np.uint8)
        np.save(folder / name / "images.npy", images)
        points = rng.uniform(0.3, 0.7, (12, 68, 2)).astype(np.float32)
        points[::2] = np.nan
        np.save(folder / name / "landmarks.npy", points)
        np.savez(folder / name / "labels.npz", split=np.repeat([0, 1], 6))
    return folder


@pytest.fixture(scope="module")
def checkpoint(exported):
    return load_checkpoint(exported.folder)


@pytest.fixture(scope="module")
def samples(checkpoint, cache):
    return calibration_samples(checkpoint, cache, ROWS, seed=0)


@pytest.fixture(scope="module")
def quantised(exported, samples):
    return engine.quantised(exported.graph, samples)


def shares(model, samples):
    return np.exp(log_probabilities(model, samples))


def test_calibration_takes_training_rows_of_every_set_and_the_seed_decides(
    checkpoint, cache, samples
):
    assert len(samples) == sum(min(6, max(1, round(s * ROWS))) for s in SHARES.values())
    assert {tuple(part.shape for part in sample) for sample in samples} == {
        ((1, 3, 96, 96), (1, 68, 2), (1, 144))
    }
    again = calibration_samples(checkpoint, cache, ROWS, seed=0)
    other = calibration_samples(checkpoint, cache, ROWS, seed=1)
    assert all(np.array_equal(a[0], b[0]) for a, b in zip(samples, again, strict=True))
    assert not all(np.array_equal(a[0], b[0]) for a, b in zip(samples, other, strict=True))


def test_a_missing_set_is_named(checkpoint, tmp_path):
    with pytest.raises(FaceLLMError, match="ferplus: no prepared set"):
        calibration_samples(checkpoint, tmp_path, ROWS, seed=0)


def test_float_parts_meet_no_quantiser_and_the_rest_does(exported, quantised):
    kept = set(exported.graph.float_operations())
    for op in quantised.get_ordered_ops():
        if op.get_friendly_name() not in exported.graph.weighed():
            continue
        sources = {op.input_value(index).get_node().get_type_name() for index in (0, 1)}
        assert ("FakeQuantize" in sources) == (op.get_friendly_name() not in kept)


def test_quantising_leaves_the_float_graph_as_it_was(exported, samples, quantised):
    file = EngineFile.load(exported.folder / ENGINE)
    core = engine.openvino_module().Core()
    stored = core.read_model(file.graph, engine.openvino_module().Tensor(file.weights))
    assert quantised is not exported.graph.model
    now = shares(exported.graph.model, samples)
    assert np.abs(now - shares(stored, samples)).max() < 1e-5  # storing reorders a sum or two
    assert np.abs(now - shares(quantised, samples)).max() > 1e-3


def test_the_correction_takes_the_mean_shift_off_the_readouts(exported, samples, quantised):
    truth = log_probabilities(exported.graph.model, samples)
    labelled = truth[0] > -1e3
    before = (log_probabilities(quantised, samples) - truth).mean(0)[labelled]
    model = corrected(quantised.clone(), exported.graph, samples)
    after = (log_probabilities(model, samples) - truth).mean(0)[labelled]
    assert np.abs(before).max() > 1e-4
    assert np.abs(after).mean() < 0.2 * np.abs(before).mean()


def test_a_quantised_reading_is_stored_small_and_read_back_close_to_torch(
    exported, samples, quantised, tmp_path
):
    folder = exported.copy_to(tmp_path / "weights")
    unquantised = (folder / ENGINE).stat().st_size
    model = corrected(quantised.clone(), exported.graph, samples)
    expected = shares(model, samples)
    engine.engine_file(model, folder, engine.INT8).save(folder / ENGINE)
    facts = engine_facts(folder / ENGINE)
    assert facts.precision == engine.INT8
    assert facts.source == source_digest(folder)
    weights = [EngineFile.load(path / ENGINE).weights.nbytes for path in (folder, exported.folder)]
    assert weights[0] < 0.5 * weights[1]
    assert (folder / ENGINE).stat().st_size < unquantised
    found = OpenVinoEngine(folder / ENGINE)
    pixels, landmarks = (
        torch.from_numpy(np.concatenate([sample[part] for sample in samples])) for part in (0, 1)
    )
    tables = [np.exp(table) for table in found.logprobs(pixels, landmarks)]
    for row, columns in enumerate(label_columns()):
        assert np.abs(tables[row] - expected[:, row, columns]).max() < 1e-4
    truth = [np.exp(t) for t in TorchEngine(load_checkpoint(folder)).logprobs(pixels, landmarks)]
    apart = [np.abs(a - b).mean() for a, b in zip(tables, truth, strict=True)]
    assert np.mean(apart) < 0.02
    assert "int8" in found.detail


def test_the_command_writes_an_engine_for_the_folder(
    exported, cache, tmp_path, capsys, monkeypatch
):
    folder = exported.copy_to(tmp_path / "weights")
    (folder / ENGINE).unlink()
    monkeypatch.setattr(
        engine, "convert", lambda _: exported.graph
    )  # seconds, and tested elsewhere
    threads = str(torch.get_num_threads())
    engine.main(
        ["--model", str(folder), "--cache", str(cache), "--rows", "6", "--threads", threads]
    )
    assert f"{folder / ENGINE}: " in capsys.readouterr().out
    assert OpenVinoEngine(folder / ENGINE).name == "openvino"


def test_bad_settings_and_a_missing_package_are_told(exported, cache, monkeypatch):
    with pytest.raises(FaceLLMError, match="--rows 0: must be at least 1"):
        engine.main(["--model", str(exported.folder), "--cache", str(cache), "--rows", "0"])
    monkeypatch.setitem(sys.modules, "nncf", None)
    with pytest.raises(FaceLLMError, match=r"nncf cannot be imported.*pip install 'nncf>="):
        engine.main(["--model", str(exported.folder), "--cache", str(cache)])


def test_a_place_that_cannot_be_written_is_told_first(exported, cache, tmp_path):
    place = tmp_path / "nowhere" / "engine.safetensors"
    with pytest.raises(FaceLLMError, match="nowhere does not exist"):
        engine.main(["--model", str(exported.folder), "--cache", str(cache), "--out", str(place)])


def test_another_graph_of_the_same_weights_is_refused(exported, quantised, tmp_path):
    """Its file fits the weights, but it gives readings of other queries."""
    folder, openvino = exported.copy_to(tmp_path / "weights"), engine.openvino_module()
    model = quantised.clone()
    whole = model.output(0).get_node().input_value(0)
    half = openvino.opset13.slice(whole, [0], [2], [1], [1])
    given = openvino.Model([half], model.get_parameters(), "half")
    engine.engine_file(given, folder, engine.INT8).save(folder / ENGINE)
    with pytest.raises(FaceLLMError, match=r"int8.safetensors: gives .*expected \(N, Q, K\)"):
        OpenVinoEngine(folder / ENGINE)
