"""Small models the core's tests share: the toy checkpoint in memory, and foreign bases on disk."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from small_bases import save_clip, save_llama, save_qwen, save_siglip
from torch import Tensor

from facellm.checkpoint import Checkpoint, load_checkpoint
from facellm.conversation import FacePart
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor


@pytest.fixture(scope="session")
def loaded(tiny_checkpoint: Path) -> Checkpoint:
    """The toy checkpoint, its gate opened so that landmarks matter; do not change it."""
    checkpoint = load_checkpoint(tiny_checkpoint)
    with torch.no_grad():
        checkpoint.model.region_attention.gate.fill_(0.7)
    return checkpoint


@pytest.fixture(scope="session")
def processor(loaded: Checkpoint) -> FaceLLMProcessor:
    """The toy's processor; do not change it."""
    return loaded.processor


@pytest.fixture
def model(loaded: Checkpoint) -> FaceLLMForConditionalGeneration:
    """A copy of the toy's model, free to be changed."""
    return copy.deepcopy(loaded.model)


@pytest.fixture(scope="session")
def face_points(loaded: Checkpoint) -> Tensor:
    """Points of one frontal face, (1, 68, 2) in [0, 1]."""
    points, _ = loaded.landmark_net.predict([np.zeros((96, 96, 3), np.uint8)])
    return torch.from_numpy(points)


@pytest.fixture(scope="session")
def make_face(face_points: Tensor) -> Callable[..., FacePart]:
    """``make_face(seed, landmarks=True, reading=None)``: a noise crop as a face part."""

    def build(seed: int, landmarks: bool = True, reading: str | None = None) -> FacePart:
        rng = np.random.default_rng(seed)
        crop = rng.integers(0, 256, (96, 96, 3), dtype=np.uint8)
        points = face_points[0].numpy() + rng.normal(0, 0.02, (68, 2))
        unit = points if landmarks else np.full((68, 2), np.nan)
        return FacePart(crop, unit.astype(np.float32), reading)

    return build


@pytest.fixture(scope="session")
def clip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small CLIP vision model."""
    folder = tmp_path_factory.mktemp("clip")
    save_clip(folder)
    return folder


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SigLIP vision model."""
    folder = tmp_path_factory.mktemp("siglip")
    save_siglip(folder)
    return folder


@pytest.fixture(scope="session")
def llama_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small Llama."""
    folder = tmp_path_factory.mktemp("llama")
    save_llama(folder)
    return folder


@pytest.fixture(scope="session", params=["llama", "qwen-untied", "qwen-tied"])
def language_folder(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Each small language model in turn."""
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == "llama":
        save_llama(folder)
    else:
        save_qwen(folder, tied=request.param == "qwen-tied")
    return folder
