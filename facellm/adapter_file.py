"""A LoRA adapter on disk in PEFT layout: its config, and its weights as safetensors.

The layout is what peft and vLLM read. Beside it the weights file may say, in its metadata, on which
language model the adapter was trained: a digest and a name. An adapter that says so is refused on
any other base; one that says nothing is taken where its shapes fit.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from facellm.errors import FaceLLMError
from facellm.model import FaceLLMForConditionalGeneration

ADAPTER = "adapter"  # folder of an adapter inside a checkpoint
ADAPTER_CONFIG, ADAPTER_WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
ADAPTER_FILES = (ADAPTER_CONFIG, ADAPTER_WEIGHTS)
BASE_DIGEST, BASE_NAME = "base_sha256", "base_name"  # keys of the metadata
PEFT_PREFIX = "base_model.model."  # of every tensor's name in the file
LANGUAGE = "language_model."  # of the language model's tensors in a checkpoint
TABLES = ("embed_tokens.weight", "lm_head.weight")  # its token tables


def language_digest(model: FaceLLMForConditionalGeneration) -> str:
    """What an adapter's base is known by: SHA-256 of the language model without its token tables.

    Names and bfloat16 values are hashed, so that one base gives one digest in float32 and in
    bfloat16. The tables are left out because they may learn beside an adapter.
    """
    tables = {
        id(table.weight)
        for table in (model.get_input_embeddings(), model.get_output_embeddings())
        if table is not None
    }
    found = hashlib.sha256()
    for name, weight in sorted(plain_names(model.language_model).items()):
        if id(weight) in tables:
            continue
        add_tensor(found, name, weight)
    return found.hexdigest()


def folder_language_digest(folder: Path) -> str:
    """``language_digest`` of the weights in a folder, read tensor by tensor.

    Raises:
        FaceLLMError: If the folder holds no ``model*.safetensors``, or a damaged one.
    """
    places: dict[str, Path] = {}
    try:
        for file in sorted(folder.glob("model*.safetensors")):
            with safe_open(file, framework="pt") as held:
                places |= dict.fromkeys(held.keys(), file)
        found = hashlib.sha256()
        for name in sorted(name for name in places if name.startswith(LANGUAGE)):
            if name.endswith(TABLES):
                continue
            with safe_open(places[name], framework="pt") as held:
                add_tensor(found, name.removeprefix(LANGUAGE), held.get_tensor(name))
    except (SafetensorError, OSError) as error:
        raise FaceLLMError(f"{folder}: weights cannot be read: {error}") from error
    if not places:
        raise FaceLLMError(f"{folder}: no model*.safetensors")
    return found.hexdigest()


def add_tensor(digest: hashlib._Hash, name: str, weight: Tensor) -> None:
    """Hash a name and bfloat16 values."""
    digest.update(name.encode())
    values = weight.detach().to(torch.bfloat16).cpu().contiguous()
    digest.update(values.view(torch.uint8).numpy().data)


def plain_names(module: nn.Module) -> dict[str, Tensor]:
    """Parameters by the names they have without an adapter; those of the adapter are left out."""
    return {
        name.replace(".base_layer.", "."): parameter
        for name, parameter in module.named_parameters()
        if ".lora_" not in name
    }


def adapter_base(folder: Path) -> tuple[str, str]:
    """Name and digest of the base an adapter was trained on; empty where the file tells none.

    Raises:
        FaceLLMError: If a file is missing (peft would ask the hub, or read a pickle) or damaged.
    """
    for name in ADAPTER_FILES:
        if not (folder / name).is_file():
            raise FaceLLMError(f"{folder}: not a PEFT adapter, {name} missing")
    try:
        with safe_open(folder / ADAPTER_WEIGHTS, framework="pt") as file:
            told = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise FaceLLMError(f"{folder}: adapter cannot be loaded: {error}") from error
    return told.get(BASE_NAME, ""), told.get(BASE_DIGEST, "")


def check_base(folder: Path, name: str, digest: str) -> None:
    """Refuse an adapter of another base.

    Args:
        folder: The adapter.
        name: Of the base it is to be put on, for the message.
        digest: Of that base (``language_digest``).
    """
    wanted_name, wanted = adapter_base(folder)
    if wanted and wanted != digest:
        raise FaceLLMError(
            f"{folder}: an adapter of {wanted_name or 'another base'} (sha256 {wanted[:16]}), "
            f"not of {name} (sha256 {digest[:16]})"
        )


def replaces_own(folder: Path, weights: Path) -> bool:
    """Whether an adapter stands in for the one that lies beside the weights, or comes on top of it.

    It stands in where it was trained on the weights without their own adapter, and where it does
    not say on what.

    Args:
        folder: The adapter.
        weights: A checkpoint.
    """
    if not (weights / ADAPTER).is_dir():
        return True
    told = adapter_base(folder)[1]
    return not told or told == folder_language_digest(weights)
