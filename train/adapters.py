"""LoRA on the language model (arXiv 2106.09685), by ``peft``.

The model object stays the one it was: no wrapper, so everything that knows a
``FaceLLMForConditionalGeneration`` goes on. The base under the adapters may be stored in 4 or 8
bits (``quantised``).

Adapters are saved in PEFT layout with a plain list of module names, and nothing else in it, which
is what vLLM loads; its server must be told ``--max-lora-rank`` of at least the rank.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from facellm.adapter_file import (
    ADAPTER_CONFIG,
    ADAPTER_WEIGHTS,
    BASE_DIGEST,
    BASE_NAME,
    PEFT_PREFIX,
    check_base,
    language_digest,
)
from facellm.atomic import told_in_words
from facellm.errors import FaceLLMError
from facellm.model import LORA_TARGETS, FaceLLMForConditionalGeneration

from .quantised import is_quantised
from .run_sections import LoraSettings

NAME = "default"  # peft's name of the one adapter


def lora_targets(model: FaceLLMForConditionalGeneration) -> list[str]:
    """Full names of the linear maps that get an adapter; ``FaceLLMError`` where there is none."""
    found = [name for name, _ in model.named_modules() if re.fullmatch(LORA_TARGETS, name)]
    if not found:
        raise FaceLLMError(
            f"no module of {type(model.language_model).__name__} matches {LORA_TARGETS}"
        )
    return found


def inject_lora(model: FaceLLMForConditionalGeneration, settings: LoraSettings) -> None:
    """Put adapters into the language model, in place; the base is frozen.

    The second halves start at zero: the model's output does not change.

    Args:
        model: Quantised before, if at all (``quantise_language``).
        settings: Rank, scale, dropout; ``quantise`` must be what was done to the model.
    """
    from peft import LoraConfig, inject_adapter_in_model

    config = LoraConfig(
        r=settings.rank,
        lora_alpha=cast(int, settings.alpha),
        lora_dropout=settings.dropout,
        target_modules=lora_targets(model),
        bias="none",
    )
    with _marked_as_quantised(model, settings.quantise):
        inject_adapter_in_model(config, model)


@contextmanager
def _marked_as_quantised(model: nn.Module, kind: str) -> Iterator[None]:
    """Peft picks the adapter's class by a mark that ``transformers`` would read later on too."""
    mark = {"nf4": "is_loaded_in_4bit", "int8": "is_loaded_in_8bit"}.get(kind)
    if mark is None:
        yield
        return
    setattr(model, mark, True)
    try:
        yield
    finally:
        delattr(model, mark)


def merge(model: FaceLLMForConditionalGeneration) -> None:
    """Add the adapters to the weights under them, in place, so that they cost nothing.

    Raises:
        FaceLLMError: If the base is quantised: what is added would be rounded away.
    """
    for name, layer in _lora_layers(model):
        if is_quantised(layer.base_layer):
            raise FaceLLMError(
                f"{name} is quantised: merge the saved adapter into the base as it was loaded"
            )
        layer.merge()


def unmerge(model: FaceLLMForConditionalGeneration) -> None:
    """Take merged adapters off the weights again."""
    for _, layer in _lora_layers(model):
        layer.unmerge()


def _lora_layers(model: nn.Module) -> Iterator[tuple[str, Any]]:
    from peft.tuners.lora import LoraLayer

    return ((name, m) for name, m in model.named_modules() if isinstance(m, LoraLayer))


def save_adapter(model: FaceLLMForConditionalGeneration, folder: Path, base: str) -> None:
    """Write the adapter alone, in PEFT layout.

    Args:
        model: With adapters.
        folder: Created when missing.
        base: Name of what the adapter sits on, for the message that refuses another base. Its
            digest is taken before anything is quantised (``remember_base``), or now.
    """
    from peft import get_peft_model_state_dict

    config = copy.copy(_config(model))
    config.inference_mode = True
    found = get_peft_model_state_dict(model, save_embedding_layers=False)
    tensors = {PEFT_PREFIX + name: t.detach().cpu().contiguous() for name, t in found.items()}
    told = {"format": "pt", BASE_NAME: base, BASE_DIGEST: base_digest(model)}
    with told_in_words(folder):
        folder.mkdir(parents=True, exist_ok=True)
        config.save_pretrained(str(folder))
        save_file(tensors, folder / ADAPTER_WEIGHTS, metadata=told)


def remember_base(model: FaceLLMForConditionalGeneration) -> None:
    """Keep the digest of the base, which cannot be taken of quantised weights."""
    cast(Any, model).adapter_base_digest = language_digest(model)


def base_digest(model: FaceLLMForConditionalGeneration) -> str:
    """Digest of the base under the adapters."""
    return getattr(model, "adapter_base_digest", "") or language_digest(model)


def load_adapter(model: FaceLLMForConditionalGeneration, folder: Path, base: str) -> None:
    """Set the adapters that are in place to those of a folder.

    Args:
        model: With adapters of the same rank, scale and targets.
        folder: Written by ``save_adapter``.
        base: Name of the model's base, for the message.

    Raises:
        FaceLLMError: If the adapter is of another base, or of another shape; both are named.
    """
    from peft import set_peft_model_state_dict

    check_base(folder, base, base_digest(model))
    held = _config(model)
    try:
        told = json.loads((folder / ADAPTER_CONFIG).read_text())
        tensors = load_file(folder / ADAPTER_WEIGHTS)
    except (OSError, ValueError, SafetensorError) as error:
        raise FaceLLMError(f"{folder}: adapter cannot be loaded: {error}") from error
    for key, wanted in (("r", held.r), ("lora_alpha", held.lora_alpha)):
        if told.get(key) != wanted:
            raise FaceLLMError(f"{folder}: {key} is {told.get(key)}, the run's is {wanted}")
    plain = {name.removeprefix(PEFT_PREFIX): tensor for name, tensor in tensors.items()}
    try:
        result: Any = set_peft_model_state_dict(model, plain)
    except RuntimeError as error:  # another width
        raise FaceLLMError(f"{folder}: adapter does not fit: {error}") from error
    absent = [name for name in result.missing_keys if ".lora_" in name]
    if absent or result.unexpected_keys:
        first = (absent or result.unexpected_keys)[0]
        raise FaceLLMError(f"{folder}: adapter of other modules, first {first}")


def plain_state(model: FaceLLMForConditionalGeneration) -> dict[str, Tensor]:
    """State of the model without its adapters, by the names it has without them.

    For ``model.save_pretrained(folder, state_dict=plain_state(model))``. Weights must not be
    quantised, nor adapters merged.
    """
    return {
        name.replace(".base_layer.", "."): tensor
        for name, tensor in model.state_dict().items()
        if ".lora_" not in name
    }


def _config(model: FaceLLMForConditionalGeneration) -> Any:
    configs = getattr(model, "peft_config", None)
    if not configs:
        raise FaceLLMError("the model has no adapter")
    return configs[NAME]
