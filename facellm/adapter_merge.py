"""A LoRA adapter merged into weights: a model's, or tensor by tensor while they are loaded.

An engine that shards and fuses tensors as they come needs them merged before, and a process that
only reads should not wait for peft. The sum is peft's, in float32: ``W + (alpha / r) B A``. What is
of another kind peft merges itself.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from facellm.adapter_file import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    PEFT_PREFIX,
    adapter_base,
    check_base,
    language_digest,
)
from facellm.errors import FaceLLMError
from facellm.model import FaceLLMForConditionalGeneration

# Fields of a PEFT config that change the sum.
UNSUPPORTED = (
    "use_dora",
    "use_rslora",
    "fan_in_fan_out",
    "rank_pattern",
    "alpha_pattern",
    "modules_to_save",
    "layer_replication",
    "lora_bias",
)
LORA_A, LORA_B = ".lora_A.weight", ".lora_B.weight"
_WEIGHT = ".weight"
Pairs = dict[str, tuple[Tensor, Tensor]]


class OtherKind(FaceLLMError):
    """An adapter that is more than pairs of matrices to be added."""


def merged_stream(
    weights: Iterable[tuple[str, Tensor]], adapter: Path
) -> Iterator[tuple[str, Tensor]]:
    """The tensors, with the adapter added to those it was trained on.

    Args:
        weights: Names and tensors of a checkpoint.
        adapter: Folder in PEFT layout.

    Yields:
        Name and tensor; an adapted one is float32.

    Raises:
        FaceLLMError: If a file is missing or damaged, the adapter is of a kind that cannot be
            merged so, or it was trained on a tensor that does not come by.
    """
    scale, pairs = lora_pairs(adapter)
    yield from _added(weights, scale, pairs, adapter)


def _added(
    weights: Iterable[tuple[str, Tensor]], scale: float, pairs: Pairs, adapter: Path
) -> Iterator[tuple[str, Tensor]]:
    left = dict(pairs)
    for name, weight in weights:
        pair = left.pop(name, None)
        yield name, weight if pair is None else torch.addmm(weight.float(), *pair, alpha=scale)
    if left:
        raise FaceLLMError(
            f"{adapter}: an adapter of another model, which has {min(left).removesuffix(_WEIGHT)}"
        )


def lora_pairs(adapter: Path) -> tuple[float, Pairs]:
    """``alpha / r``, and name of a weight -> B and A, of an adapter that is nothing but such pairs.

    Raises:
        FaceLLMError: If a file is missing or damaged.
        OtherKind: If the adapter changes more than a plain sum does.
    """
    adapter_base(adapter)  # its files are there
    try:
        config: dict[str, Any] = json.loads((adapter / ADAPTER_CONFIG).read_text())
        scale = config["lora_alpha"] / config["r"]
    except (ValueError, KeyError, TypeError, ZeroDivisionError) as error:
        raise FaceLLMError(
            f"{adapter / ADAPTER_CONFIG}: not an adapter's config: {error}"
        ) from error
    used = [name for name in UNSUPPORTED if config.get(name)]
    if used:
        raise OtherKind(f"{adapter}: cannot be merged while loading, {used[0]} is set")
    tensors = load_file(adapter / ADAPTER_WEIGHTS)
    names = {n.removesuffix(LORA_A) for n in tensors if n.endswith(LORA_A)}
    if {name + end for name in names for end in (LORA_A, LORA_B)} != set(tensors):
        raise OtherKind(f"{adapter / ADAPTER_WEIGHTS}: holds more than pairs of LoRA matrices")
    return scale, {
        f"{name.removeprefix(PEFT_PREFIX)}{_WEIGHT}": (
            tensors[name + LORA_B].float(),
            tensors[name + LORA_A].float(),
        )
        for name in names
    }


def merge_adapter(
    model: FaceLLMForConditionalGeneration, folder: Path
) -> FaceLLMForConditionalGeneration:
    """Merge a LoRA adapter in PEFT layout into the model.

    Raises:
        FaceLLMError: If a file is missing, or the adapter was made for another model.
    """
    if adapter_base(folder)[1]:  # a digest of 7B takes seconds
        check_base(folder, str(model.config.name_or_path or folder.parent), language_digest(model))
    try:
        scale, pairs = lora_pairs(folder)
    except OtherKind:
        return _merged_by_peft(model, folder)
    try:
        with torch.no_grad():
            parameters = dict(model.named_parameters())
            for name, weight in _added(parameters.items(), scale, pairs, folder):
                if weight is not parameters[name]:
                    parameters[name].copy_(weight)
    except RuntimeError as error:
        raise FaceLLMError(f"{folder}: adapter cannot be loaded: {error}") from error
    return model


def _merged_by_peft(
    model: FaceLLMForConditionalGeneration, folder: Path
) -> FaceLLMForConditionalGeneration:
    from peft import PeftModel  # takes as long to import as all the rest

    try:
        return PeftModel.from_pretrained(model, folder).merge_and_unload()  # type: ignore[operator]
    except (SafetensorError, RuntimeError, OSError, ValueError) as error:
        raise FaceLLMError(f"{folder}: adapter cannot be loaded: {error}") from error
