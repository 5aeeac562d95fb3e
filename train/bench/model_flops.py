"""Floating point operations a training step has to do, by formula, and how fast matrices multiply.

A multiplication with its addition counts two. Per layer, with maps of I x O weights, adapters of
rank r, attention width A (heads times their width) and a sample of L tokens::

    maps        forward 2 I O a token; backward the same for the input's gradient, and once more
                for the weights' where they learn
    adapters    6 r (I + O) a token
    attention   12 L^2 A a sample: scores and their use, once forward and twice backward
    output      as a map of D x V weights, at the tokens whose successor is learned

Padding, the masked parts of packed rows and recomputed layers are no work that has to be done and
count nothing. What a face costs in tower, FRGCA and projector is counted by torch.

Source of the count: Kaplan et al., arXiv 2001.08361, section 2.1; utilisation: PaLM, arXiv
2204.02311, appendix B, held against measured products instead of a data sheet.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import IGNORE_INDEX

from ..run_config import TrainRun
from ..sample import TrainingSample

PASSES = 3  # over the shapes, in one measurement


@dataclass(frozen=True)
class Work:
    """What a step learns from, as far as its operations depend on it.

    Attributes:
        lengths: Tokens of every sample.
        learned: Tokens with a label, all samples together.
        faces: Pictures of faces.
    """

    lengths: tuple[int, ...]
    learned: int
    faces: int

    @property
    def tokens(self) -> int:
        """Tokens that are no padding."""
        return sum(self.lengths)


def work_of(samples: Iterable[TrainingSample]) -> Work:
    """Work of some samples."""
    held = list(samples)
    return Work(
        tuple(len(sample) for sample in held),
        sum(label != IGNORE_INDEX for sample in held for label in sample.labels[1:]),
        sum(len(sample.images) for sample in held),
    )


def maps_of(text: Any) -> list[tuple[int, int]]:
    """Inputs and outputs of the seven linear maps of a layer.

    Args:
        text: Config of a Llama- or Qwen-class language model.
    """
    width, inner = text.hidden_size, text.intermediate_size
    query, keys = text.num_attention_heads * head_of(text), text.num_key_value_heads * head_of(text)
    attention = [(width, query), (width, keys), (width, keys), (query, width)]
    return [*attention, (width, inner), (width, inner), (inner, width)]


def head_of(text: Any) -> int:
    """Width of an attention head."""
    return getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads


def language_flops(text: Any, run: TrainRun, work: Work) -> int:
    """Operations of the language model in a training step; see the module docstring.

    Args:
        text: Its config.
        run: What learns.
        work: Of the step.
    """
    maps, layers = maps_of(text), text.num_hidden_layers
    weights = sum(inputs * outputs for inputs, outputs in maps)
    adapters = run.lora.rank * sum(inputs + outputs for inputs, outputs in maps)
    per_token = (6 if run.rates.language_model else 4) * weights + 6 * adapters
    squares = sum(length * length for length in work.lengths)
    attention = 12 * squares * text.num_attention_heads * head_of(text)
    table = text.hidden_size * text.vocab_size
    output = (6 if run.rates.embeddings else 4) * work.learned * table
    return layers * (work.tokens * per_token + attention) + output


def face_flops(model: FaceLLMForConditionalGeneration) -> int:
    """Operations of one face, by torch's counter: forward, and backward through what learns."""
    weight = next(model.vision_tower.parameters())
    size = model.config.vision_config.image_size
    pixels = torch.zeros(1, 3, size, size, dtype=weight.dtype, device=weight.device)
    landmarks = torch.rand(1, 68, 2, device=weight.device)
    # The counter knows attention as plain products, not every device's own kernel.
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        tokens = model.encode_faces(pixels, landmarks)
        if tokens.requires_grad:
            tokens.sum().backward()
    model.zero_grad(set_to_none=True)
    return counter.get_total_flops()


class Products:
    """The matrix products of a layer's forward pass over one micro batch, and nothing else.

    Args:
        text: Config of the language model.
        run: Rows and tokens of a micro batch; ``bf16`` multiplies in 16 bits.
        device: Where.
    """

    def __init__(self, text: Any, run: TrainRun, device: torch.device) -> None:
        dtype = torch.bfloat16 if run.schedule.precision == "bf16" else torch.float32
        rows, length = run.schedule.micro_batch, run.data.max_tokens
        heads, head = text.num_attention_heads, head_of(text)

        def drawn(*shape: int) -> Tensor:
            return torch.randn(*shape, dtype=dtype, device=device)

        self.device = device
        self.pairs = [
            (drawn(rows * length, inputs), drawn(inputs, outputs))
            for inputs, outputs in maps_of(text)
        ]
        scores = drawn(rows * heads, length, head), drawn(rows * heads, head, length)
        used = drawn(rows * heads, length, length), drawn(rows * heads, length, head)
        self.pairs += [scores, used]

    @property
    def flops(self) -> int:
        """Operations of one pass."""
        return sum(2 * left.numel() * right.shape[-1] for left, right in self.pairs)

    def rate(self) -> float:
        """Operations a second, over all products together."""
        self._wait()
        start = time.perf_counter()
        for _ in range(PASSES):
            for left, right in self.pairs:
                torch.matmul(left, right)
        self._wait()
        return PASSES * self.flops / (time.perf_counter() - start)

    def _wait(self) -> None:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
