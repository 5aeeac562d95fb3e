"""A LoRA adapter merged into weights while they are loaded, tensor by tensor.

``facellm.adapter_file.merge_adapter`` needs the whole model at once; an engine that shards and
fuses tensors as they come needs them merged before. The sums are the same, in float32:
``W + (alpha / r) B A``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from facellm.adapter_file import ADAPTER_CONFIG, ADAPTER_WEIGHTS, PEFT_PREFIX, adapter_base
from facellm.errors import FaceLLMError

# Fields of a PEFT config that change the sum; any of them set is refused.
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
        raise FaceLLMError(f"{adapter}: cannot be merged while loading, {used[0]} is set")
    tensors = load_file(adapter / ADAPTER_WEIGHTS)
    pairs = {n.removesuffix(LORA_A) for n in tensors if n.endswith(LORA_A)}
    if {pair + end for pair in pairs for end in (LORA_A, LORA_B)} != set(tensors):
        raise FaceLLMError(f"{adapter / ADAPTER_WEIGHTS}: holds more than pairs of LoRA matrices")
    for name, weight in weights:
        pair = PEFT_PREFIX + name.removesuffix(".weight")
        if name.endswith(".weight") and pair in pairs:
            pairs.remove(pair)
            left, right = tensors[pair + LORA_B].float(), tensors[pair + LORA_A].float()
            weight = torch.addmm(weight.float(), left, right, alpha=scale)
        yield name, weight
    if pairs:
        missing = min(pairs).removeprefix(PEFT_PREFIX)
        raise FaceLLMError(f"{adapter}: an adapter of another model, which has {missing}")
