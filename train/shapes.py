"""The real modules of a run without their weights: built on the meta device, nothing downloaded.

Shapes of published bases lie in ``configs/shapes``: what their own config files say, and for
language models how many tokens the tokenizer holds. A local folder's own config goes before them.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoConfig, AutoTokenizer

from facellm.bases import ROWS_MULTIPLE
from facellm.config import FaceLLMConfig, as_config
from facellm.errors import FaceLLMError
from facellm.labels import reserved_tokens
from facellm.model import FaceLLMForConditionalGeneration

from .adapters import inject_lora
from .build_model import SHIPPED_NAME, fresh_processor, start_folder
from .default_model import new_model
from .run_config import TrainRun

SHAPES = Path(__file__).parent / "configs" / "shapes"
CONFIG = "config.json"


@dataclass(frozen=True)
class Shape:
    """What is known of a base without its weights.

    Attributes:
        source: Hub id or folder.
        config: Its config.
        tokens: Of its tokenizer; 0 for a tower.
    """

    source: str
    config: Any
    tokens: int = 0


def known_shapes() -> dict[str, Path]:
    """Hub id, lower case -> its file."""
    return {
        str(json.loads(path.read_text())["source"]).lower(): path
        for path in sorted(SHAPES.glob("*.json"))
    }


def shape_of(name: str) -> Shape:
    """Shape of a vision or language model by folder or hub id.

    Raises:
        FaceLLMError: If it is no folder and none of the known ones, which are listed.
    """
    folder = Path(name)
    if (folder / CONFIG).is_file():
        return _shape_of_folder(folder)
    path = known_shapes().get(name.lower())
    if path is None:
        known = ", ".join(sorted(known_shapes()))
        raise FaceLLMError(f"{name}: no folder with {CONFIG}, and not among the known: {known}")
    record = json.loads(path.read_text())
    return Shape(record["source"], as_config(record["config"], ""), record.get("tokens", 0))


def _shape_of_folder(folder: Path) -> Shape:
    try:
        config: Any = AutoConfig.from_pretrained(folder)
        config = getattr(config, "vision_config", config)  # a full two-tower model
        words = (folder / "tokenizer_config.json").is_file()
        tokens = len(AutoTokenizer.from_pretrained(folder)) if words else 0
    except (OSError, ValueError) as error:
        raise FaceLLMError(f"{folder}: config cannot be read: {error}") from error
    return Shape(str(folder), config, tokens)


def meta_model(run: TrainRun) -> FaceLLMForConditionalGeneration:
    """The run's model with adapters, every weight on the meta device, unquantised.

    A ``start`` that is not there yet has the shape of the bases it says it was joined from.
    """
    model = _without_adapters(run)
    if run.lora.rank:
        with torch.device("meta"):
            inject_lora(model, run.lora)
    return model


def _without_adapters(run: TrainRun) -> FaceLLMForConditionalGeneration:
    wanted = run.model
    there = wanted.start == SHIPPED_NAME or (Path(wanted.start) / CONFIG).is_file()
    if wanted.start and (there or not wanted.vision):
        config: Any = FaceLLMConfig.from_pretrained(start_folder(wanted.start))
    elif wanted.vision:
        config = joined_config(run)
    else:
        processor = fresh_processor(wanted.tokenizer)
        with torch.device("meta"):
            return new_model(processor)
    with torch.device("meta"):
        return FaceLLMForConditionalGeneration(config)


def joined_config(run: TrainRun) -> FaceLLMConfig:
    """Config of two bases joined, vocabulary grown as ``facellm.bases`` grows it."""
    vision, language = shape_of(run.model.vision), shape_of(run.model.language)
    text = language.config
    tokens = language.tokens + len(reserved_tokens())
    if tokens > text.vocab_size:
        text.vocab_size = -(-tokens // ROWS_MULTIPLE) * ROWS_MULTIPLE
    return FaceLLMConfig(
        vision_config=vision.config,
        text_config=text,
        image_token_id=language.tokens,
        region_position=run.model.region_position,
        keep_cls=run.model.keep_cls,
    )
