"""The exported graph is the model: equal log-probabilities, roles found, norms folded exactly."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from engines import exported_weights, needs_openvino

from facellm.checkpoint import load_checkpoint
from facellm.engine import TorchEngine
from facellm.engine_file import ENGINE
from facellm.openvino_engine import MOST, OpenVinoEngine
from facellm.train.reading_graph import ReadingGraph, example_inputs, fold_norms

pytestmark = needs_openvino


@pytest.fixture(scope="module")
def plain(tiny_checkpoint, new_model, tmp_path_factory):
    """As ``exported``, without a texture branch."""
    model = new_model(load_checkpoint(tiny_checkpoint).processor)
    return exported_weights(tiny_checkpoint, tmp_path_factory.mktemp("plain") / "weights", model)


@pytest.fixture(scope="module", params=["plain", "exported"])
def weights(request):
    """Weights without and with a texture branch."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def engines(weights):
    checkpoint = load_checkpoint(weights.folder)
    return TorchEngine(checkpoint), OpenVinoEngine(weights.folder / ENGINE)


def inputs(count: int, seed: int, side: int = 96) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randn(count, 3, side, side, generator=generator)
    return pixels, torch.rand(count, 68, 2, generator=generator)


@pytest.mark.parametrize("count", [1, 3, MOST + 1])
def test_log_probabilities_equal_torchs(engines, count):
    pixels, landmarks = inputs(count, count)
    landmarks[::2] = torch.nan  # missing in every second row
    tables = [engine.logprobs(pixels, landmarks) for engine in engines]
    for expected, found in zip(*tables, strict=True):
        assert found.shape == expected.shape
        assert found.dtype == np.float32
        assert np.abs(found - expected).max() < 1e-4


def test_landmarks_and_pixels_both_count(engines):
    pixels, landmarks = inputs(2, 9)
    whole = np.concatenate(engines[1].logprobs(pixels, landmarks), axis=1)
    missing = torch.full_like(landmarks, torch.nan)
    assert np.abs(np.concatenate(engines[1].logprobs(pixels, missing), 1) - whole).max() > 1e-3
    assert np.abs(np.concatenate(engines[1].logprobs(-pixels, landmarks), 1) - whole).max() > 1e-3


def test_results_of_one_call_do_not_change_with_the_next(engines):
    pixels, landmarks = inputs(2, 3)
    first = engines[1].logprobs(pixels[:1], landmarks[:1])
    kept = [table.copy() for table in first]
    engines[1].logprobs(pixels[1:], landmarks[1:])
    assert all(np.array_equal(a, b) for a, b in zip(first, kept, strict=True))


def test_float_parts_are_found_by_the_module_they_come_from(weights):
    checkpoint, graph = load_checkpoint(weights.folder), weights.graph
    roles = {name: graph.role(name) for name in graph.weighed()}
    assert all(roles.values())  # no operation without a module
    kept = {roles[name] for name in graph.float_operations()}
    assert {"readout", "vision_tower.stem.0", "region_attention.query"} <= kept
    textured = checkpoint.model.vision_tower.spectrum is not None
    assert ("vision_tower.spectrum.into" in kept) == textured
    rest = {role for role in roles.values() if role not in kept}
    assert {role.split(".")[0] for role in rest} == {
        "vision_tower",
        "multi_modal_projector",
        "language_model",
    }
    assert "vision_tower.stages.0.conv1" in rest


def test_folding_the_norms_leaves_the_tower_as_it_is(weights):
    tower = load_checkpoint(weights.folder).model.vision_tower
    folded = copy.deepcopy(tower)
    fold_norms(folded)
    pixels, _ = inputs(2, 4)
    with torch.inference_mode():
        assert torch.allclose(folded(pixels), tower(pixels), atol=1e-4)
    assert not [m for m in folded.modules() if isinstance(m, torch.nn.BatchNorm2d)]


def test_the_checkpoint_is_left_alone(weights):
    checkpoint = load_checkpoint(weights.folder)
    before = {name: value.clone() for name, value in checkpoint.model.state_dict().items()}
    graph = ReadingGraph(checkpoint).eval()
    with torch.inference_mode():
        graph(*example_inputs(checkpoint, 1))
    after = checkpoint.model.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
