"""What a forward pass leaves for the backward pass, counted without computing it.

The real layers, adapters and dropout included, run on fake tensors, which have shapes and no
values, and what autograd would keep is added up, each storage once, weights left out. Kernels are
the CPU's; on a GPU they keep about the same.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from dataclasses import asdict, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.autograd.graph import saved_tensors_hooks
from torch.func import functional_call

from facellm.model import FaceLLMForConditionalGeneration

from .adapters import inject_lora
from .parts import part_parameters
from .run_config import TrainRun
from .trainee import packed_mask

SMALL_VOCABULARY = 64  # of the stand-in: logits are counted apart
LOGIT_BYTES = 10  # 16-bit logits, their 32-bit copy and its gradient
LEARNED_TOKENS = 64  # of a row, assumed: an answer, or the query tokens


def activation_bytes(config: Any, run: TrainRun) -> tuple[float, float]:
    """Bytes of one micro batch as it is, and with recomputed layers (their inputs, and one layer).

    Rows are taken as full, ``max_tokens`` each, with one face.

    Args:
        config: ``FaceLLMConfig`` of the run's model.
        run: Its rates, dtypes, adapters and sizes.
    """
    rows, length = run.schedule.micro_batch, run.data.max_tokens
    text = config.text_config
    one, two = (stand_in(config, run, layers) for layers in (1, 2))
    layer = language_bytes(two, run) - language_bytes(one, run)
    logits = LOGIT_BYTES * text.vocab_size * rows * min(LEARNED_TOKENS, length)
    beside = face_bytes(one, run) + logits
    held = _dtypes(run)["embeddings"].itemsize
    inputs = text.num_hidden_layers * rows * length * text.hidden_size * held
    return text.num_hidden_layers * layer + beside, inputs + layer + beside


def kept_bytes(weights: Iterable[Tensor], forward: Callable[[], Any]) -> int:
    """Bytes that autograd keeps of one call.

    Args:
        weights: Tensors that are no activations.
        forward: The call.
    """
    known = {weight.untyped_storage()._cdata for weight in weights}
    kept: dict[int, int] = {}
    alive: list[Tensor] = []  # a storage that is freed may hand its identity on

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage._cdata not in known:
            kept[storage._cdata] = storage.nbytes()
            alive.append(tensor)
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        forward()
    return sum(kept.values())


def stand_in(config: Any, run: TrainRun, layers: int) -> FaceLLMForConditionalGeneration:
    """The run's model with few layers and words, on the meta device; what learns is marked."""
    small = copy.deepcopy(config)
    small.text_config.num_hidden_layers = layers
    small.text_config.vocab_size = SMALL_VOCABULARY
    small.text_config.pad_token_id = None  # it may lie beyond the small vocabulary
    if getattr(small.vision_config, "spectrum", 0):
        small.vision_config.spectrum = (
            0  # its bins are counted from values; it keeps next to nothing
        )
    if getattr(small.text_config, "layer_types", None):
        small.text_config.layer_types = small.text_config.layer_types[:layers]
    with torch.device("meta"):
        model = FaceLLMForConditionalGeneration(small)
        if run.lora.rank:
            inject_lora(model, replace(run.lora, quantise="none"))
    dtypes = _dtypes(run)
    for name in ("vision_tower", "region_attention", "multi_modal_projector"):
        getattr(model, name).to(dtypes[name])  # buffers too, as engines do
    for part, named in part_parameters(model).items():
        for parameter in named.values():
            parameter.data = parameter.data.to(dtypes[part])
            parameter.requires_grad_(bool(getattr(run.rates, part)))
    return model.train()


def language_bytes(model: FaceLLMForConditionalGeneration, run: TrainRun) -> int:
    """Kept of the language model over one micro batch, with a gradient to its input."""
    rows, length = run.schedule.micro_batch, run.data.max_tokens
    width, dtype = model.config.text_config.hidden_size, _dtypes(run)["embeddings"]
    with FakeTensorMode():
        inputs = {
            "inputs_embeds": torch.zeros(rows, length, width, dtype=dtype, requires_grad=True),
            "attention_mask": packed_mask(torch.ones(rows, length, dtype=torch.int64), dtype),
            "position_ids": torch.arange(length).expand(rows, -1),
            "use_cache": False,
        }
        return _kept(model.language_model.model, (), inputs, run)


def face_bytes(model: FaceLLMForConditionalGeneration, run: TrainRun) -> int:
    """Kept of tower, FRGCA and projector over one face a row."""
    rows, size = run.schedule.micro_batch, model.config.vision_config.image_size
    with FakeTensorMode():
        pixels = torch.zeros(rows, 3, size, size, dtype=_dtypes(run)["vision_tower"])
        return _kept(_Faces(model), (pixels, torch.zeros(rows, 68, 2)), {}, run)


class _Faces(nn.Module):
    """The part of the model that sees, as one call."""

    def __init__(self, model: FaceLLMForConditionalGeneration) -> None:
        super().__init__()
        self.model = model

    def forward(self, pixels: Tensor, landmarks: Tensor) -> Tensor:
        return self.model.encode_faces(pixels, landmarks)


def _kept(
    module: nn.Module, args: tuple[Tensor, ...], kwargs: dict[str, Any], run: TrainRun
) -> int:
    """Bytes a module on the meta device keeps of a call, run on fake CPU tensors."""
    held = {
        name: torch.empty(t.shape, dtype=t.dtype, device="cpu").requires_grad_(t.requires_grad)
        for name, t in (*module.named_parameters(), *module.named_buffers())
    }
    # As the engines run a step: DeepSpeed casts the weights, a single process autocasts.
    autocast = run.schedule.precision == "bf16" and run.engine.kind == "single"
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        return kept_bytes(held.values(), lambda: functional_call(module, held, args, kwargs))


def _dtypes(run: TrainRun) -> dict[str, torch.dtype]:
    """What each part's weights are held in while a step runs."""
    frozen = getattr(torch, run.model.dtype)
    whole = run.engine.kind == "deepspeed" and run.schedule.precision == "bf16"
    return {
        part: torch.bfloat16 if whole else torch.float32 if rate else frozen
        for part, rate in asdict(run.rates).items()
    }
