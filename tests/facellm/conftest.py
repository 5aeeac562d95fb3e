"""Small models the core's tests share: the toy checkpoint in memory, and foreign bases on disk.

The foreign bases are what ``save_pretrained`` of CLIP, SigLIP, Qwen2 and Llama writes, with random
weights and a tokenizer trained on a few lines, so nothing is downloaded and nothing is known.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from facellm.checkpoint import Checkpoint, load_checkpoint
from facellm.conversation import FacePart
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

LINES = ["Which brow is raised?", "The face shows happiness.", "How old is this person? About 34."]


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
    """A CLIP vision model, 3 layers, 32 px in 8-px patches, as ``save_pretrained`` writes it."""
    from transformers import CLIPImageProcessorPil, CLIPVisionConfig, CLIPVisionModel

    torch.manual_seed(2)
    folder = tmp_path_factory.mktemp("clip")
    sizes = {"image_size": 32, "patch_size": 8, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = CLIPVisionConfig(hidden_size=32, intermediate_size=64, **sizes)
    CLIPVisionModel(config).save_pretrained(folder)
    square = {"height": 32, "width": 32}
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size=square).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session")
def siglip_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As ``clip_folder``, a SigLIP vision model."""
    from transformers import SiglipImageProcessorPil, SiglipVisionConfig, SiglipVisionModel

    torch.manual_seed(3)
    folder = tmp_path_factory.mktemp("siglip")
    sizes = {"image_size": 32, "patch_size": 8, "num_hidden_layers": 3, "num_attention_heads": 4}
    config = SiglipVisionConfig(hidden_size=32, intermediate_size=64, **sizes)
    SiglipVisionModel(config).save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def small_text_sizes(vocabulary: int) -> dict[str, int]:
    """Sizes both small language models share; grouped keys, as 7B bases have them."""
    return {
        "vocab_size": vocabulary,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "max_position_embeddings": 512,
    }


def save_qwen(folder: Path, *, tied: bool) -> None:
    """A Qwen2 with a byte-level BPE tokenizer; more embedding rows than tokens, as published."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    torch.manual_seed(4)
    words = Tokenizer(models.BPE())
    words.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    words.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>", "<|im_end|>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    words.train_from_iterator(LINES, trainer)
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=words, pad_token="<|endoftext|>", eos_token="<|im_end|>"
    )
    tokenizer.save_pretrained(folder)
    sizes = small_text_sizes(len(tokenizer) + 37)
    config = Qwen2Config(**sizes, tie_word_embeddings=tied, initializer_range=0.2)
    Qwen2ForCausalLM(config).save_pretrained(folder)


def save_llama(folder: Path) -> None:
    """A Llama with a sentencepiece tokenizer of the usual options and no padding token."""
    import sentencepiece
    from transformers import LlamaConfig, LlamaForCausalLM, LlamaTokenizer

    torch.manual_seed(5)
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES * 4),
        model_prefix=str(folder / "tokenizer"),
        vocab_size=3 + 256 + 60,
        model_type="bpe",
        byte_fallback=True,
        minloglevel=2,
        num_threads=1,
    )
    tokenizer = LlamaTokenizer.from_pretrained(folder)
    tokenizer.save_pretrained(folder)
    config = LlamaConfig(**small_text_sizes(len(tokenizer)), initializer_range=0.2)
    LlamaForCausalLM(config).save_pretrained(folder)


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
