"""Shared toys: a small checkpoint with random weights, built in a second and never trained.

Its language model and encoder know nothing; its landmark network always answers with the same face
shape and a face probability of 0.75: OpenCV's proposals pass, a whole picture offered as one face
does not. So a photograph has faces, a plain wall has none, and what is said about them is noise.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import numpy as np
import pytest
import torch
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
IMAGE_SIZE = 96
FACE_PROBABILITY = 0.75
REAL_UNITS = (1, 2, 4, 12, 25, 26, 43)


def pytest_configure(config: pytest.Config) -> None:
    """One torch thread per process: two tests side by side then do not fight for cores."""
    torch.set_num_threads(1)


def mean_face() -> np.ndarray:
    """A drawn frontal face, (68, 2) in [0, 1] of its crop, in the usual order of 68 points.

    Framed as ``square_around`` frames a face, so that a second look asks for the same square.
    """
    from facellm.face import Landmarks, square_around

    jaw = np.linspace(np.pi, 0, 17)
    eye = np.array([[-1, 0], [-0.4, -0.4], [0.4, -0.4], [1, 0], [0.4, 0.4], [-0.4, 0.4]]) * 0.07
    lips = np.linspace(np.pi, 3 * np.pi, 12, endpoint=False)
    inner = np.linspace(np.pi, 3 * np.pi, 8, endpoint=False)
    brow_x = np.linspace(-0.12, 0.12, 5)
    brow = np.column_stack([brow_x, 2 * brow_x**2])
    parts = [
        np.column_stack([0.5 + 0.36 * np.cos(jaw), 0.42 + 0.45 * np.sin(jaw)]),
        brow + np.array([0.33, 0.28]),
        brow + np.array([0.67, 0.28]),
        np.column_stack([np.full(4, 0.5), np.linspace(0.38, 0.54, 4)]),
        np.column_stack([np.linspace(0.43, 0.57, 5), np.full(5, 0.57)]),
        eye + np.array([0.35, 0.38]),
        eye + np.array([0.65, 0.38]),
        np.column_stack([0.5 + 0.13 * np.cos(lips), 0.7 + 0.05 * np.sin(lips)]),
        np.column_stack([0.5 + 0.1 * np.cos(inner), 0.7 + 0.02 * np.sin(inner)]),
    ]
    points = 96 * np.concatenate(parts).astype(np.float32)
    return square_around(Landmarks(points).box).to_unit(points).astype(np.float32)


def build_landmarks(path: Path) -> Path:
    """Write the landmark file: a network that always answers ``mean_face``, and its geometry."""
    from safetensors.torch import save_file

    from facellm.geometry import MEASURES, measure
    from facellm.landmarks import EXTRA_PREFIX, LandmarkNet

    torch.manual_seed(1)
    net, shape = LandmarkNet(), mean_face()
    with torch.no_grad():
        net.heat.weight.mul_(0.01)
        net.heat.bias.zero_()
        net.correction.bias.copy_(torch.from_numpy(shape - 0.5).flatten())
        last: Any = net.face[2]
        last.weight.zero_()
        last.bias.fill_(float(np.log(FACE_PROBABILITY / (1 - FACE_PROBABILITY))))
    centred = shape - shape.mean(axis=0)
    geometry = {
        "mean_shape": centred / np.sqrt((centred**2).sum(axis=1).mean()),
        "pose_weights": np.zeros((1 + 4 * 68, 3)),
        "neutral_mean": measure(shape)[0],
        "neutral_std": np.full(len(MEASURES), 0.05),
    }
    tensors = {EXTRA_PREFIX + name: torch.from_numpy(a).float() for name, a in geometry.items()}
    save_file({**net.state_dict(), **tensors}, str(path))
    return path


def build_tokenizer(folder: Path) -> Any:
    """A small sentencepiece model with every reserved token, as a ``transformers`` tokenizer.

    The options are those of ``facellm.instruct_data.tokenizer``; only the vocabulary is smaller.
    """
    import sentencepiece
    from tokenizers import AddedToken
    from transformers import LlamaTokenizer

    from facellm.labels import BOS, EOS, PAD, UNK, reserved_tokens
    from facellm.prompts import chat_template

    folder.mkdir(parents=True, exist_ok=True)
    questions = (ROOT / "instruct_data" / "questions.json").read_text()
    lines = [line.strip(' ",') for line in questions.splitlines() if len(line) > 12]
    reserved, names = reserved_tokens(), (UNK, BOS, EOS, PAD)
    roles = ("unk", "bos", "eos", "pad")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*lines, "This face shows happiness; the lip corners are up."]),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=4 + 256 + len(reserved) + 160,
        model_type="bpe",
        normalization_rule_name="identity",
        add_dummy_prefix=False,
        remove_extra_whitespaces=False,
        byte_fallback=True,
        user_defined_symbols=reserved,
        **{f"{role}_id": index for index, role in enumerate(roles)},
        **{f"{role}_piece": name for role, name in zip(roles, names, strict=True)},
        minloglevel=2,
        num_threads=1,
    )
    special = {f"{role}_token": name for role, name in zip(roles, names, strict=True)}
    options = {"legacy": False, "add_prefix_space": False, "add_bos_token": False}
    tokenizer = LlamaTokenizer.from_pretrained(folder, **options, **special)
    tokenizer.add_tokens(
        [AddedToken(token, special=True, normalized=False) for token in reserved],
        special_tokens=True,
    )
    tokenizer.chat_template = chat_template()
    return tokenizer


def build_processor(folder: Path) -> Any:
    """Tokenizer, image settings and chat template of the toy."""
    from transformers import CLIPImageProcessorPil

    from facellm.processor import FaceLLMProcessor

    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    images = CLIPImageProcessorPil(
        size=size,
        crop_size=size,
        do_center_crop=False,
        image_mean=[0.5] * 3,
        image_std=[0.25] * 3,
    )
    words = build_tokenizer(folder)
    return FaceLLMProcessor(images, words, chat_template=words.chat_template, n_patches=9)


def build_model(processor: Any, spectrum: int = 0) -> Any:
    """Under a million parameters, random weights, seeded; ``spectrum`` units of texture branch."""
    from transformers import LlamaConfig

    from facellm.config import ConvHybridConfig, FaceLLMConfig
    from facellm.model import FaceLLMForConditionalGeneration

    torch.manual_seed(0)
    vision = ConvHybridConfig(
        image_size=IMAGE_SIZE,
        widths=(32, 32, 64, 64),
        depths=(1, 1, 1, 1),
        layers=1,
        heads=2,
        spectrum=spectrum,
    )
    text = LlamaConfig(
        vocab_size=len(processor.tokenizer),
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.2,
        pad_token_id=processor.tokenizer.pad_token_id,
        bos_token_id=processor.tokenizer.bos_token_id,
        eos_token_id=processor.token_id("<|end|>"),
        attn_implementation="eager",
    )
    config = FaceLLMConfig(
        vision_config=vision, text_config=text, image_token_id=processor.image_token_id
    )
    return FaceLLMForConditionalGeneration(config).eval()


@pytest.fixture(scope="session")
def tiny_checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A checkpoint folder as ``facellm.checkpoint.save_checkpoint`` writes it, random weights."""
    from facellm.checkpoint import save_checkpoint
    from facellm.readout import Calibration

    work = tmp_path_factory.mktemp("tiny")
    processor = build_processor(work / "tokenizer")
    landmarks = build_landmarks(work / "landmarks.safetensors")
    calibration = Calibration(abstain_below=0.3, units_on_real_faces=REAL_UNITS)
    save_checkpoint(work / "checkpoint", build_model(processor), processor, landmarks, calibration)
    return work / "checkpoint"


@pytest.fixture(scope="session")
def new_model() -> Callable[..., Any]:
    """``new_model(processor, spectrum=0)``: the toy's model, with a texture branch if asked for."""
    return build_model


@pytest.fixture(scope="session")
def exported(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Toy weights with a texture branch, exported once, unquantised (``engines.Exported``)."""
    from importlib.util import find_spec

    from engines import WITHOUT_OPENVINO, exported_weights

    from facellm.checkpoint import load_checkpoint

    if find_spec("openvino") is None:
        pytest.skip(WITHOUT_OPENVINO)

    model = build_model(load_checkpoint(tiny_checkpoint).processor, spectrum=8)
    folder = tmp_path_factory.mktemp("exported") / "weights"
    return exported_weights(tiny_checkpoint, folder, model)


@pytest.fixture(scope="module")
def short_toy_answers() -> Iterator[None]:
    """Toy weights never end an answer: local and served ones are cut short alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("facellm.assistant.LONGEST_ANSWER", 24)
        patch.setattr("facellm.serve.gateway.chat.LONGEST_ANSWER", 24)
        yield


@pytest.fixture(scope="session")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of one person, saved as JPEG (scikit-image's astronaut)."""
    from skimage.data import astronaut

    path = tmp_path_factory.mktemp("photo") / "astronaut.jpg"
    Image.fromarray(astronaut()).save(path, quality=92)
    return path


@pytest.fixture(scope="session")
def plain_wall(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture without a face."""
    path = tmp_path_factory.mktemp("wall") / "wall.png"
    Image.new("RGB", (320, 240), (120, 140, 160)).save(path)
    return path
