"""Join published parts into one model: a CLIP or SigLIP tower and a Llama-like language model.

Both come from a local folder or a hub id by the ordinary ``from_pretrained``; what lies between
them (FRGCA, projector) starts at random and the base's vocabulary grows by our reserved tokens, so
the result has to be trained before it reads a face.

Example::

    model, processor = from_bases("openai/clip-vit-large-patch14-336", "Qwen/Qwen2.5-7B-Instruct")
    model.save_pretrained(folder), processor.save_pretrained(folder)

The base's token ids, and the logits it gives them, do not change.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPImageProcessorPil,
    CLIPVisionModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    SiglipImageProcessorPil,
    SiglipVisionModel,
)

from facellm.config import FaceLLMConfig
from facellm.errors import FaceLLMError
from facellm.labels import PAD, reserved_tokens
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor
from facellm.prompts import chat_template
from facellm.vision import HubTower

CLIP, SIGLIP = (
    (CLIPVisionModel, CLIPImageProcessorPil),
    (SiglipVisionModel, SiglipImageProcessorPil),
)
# Model type in the folder's config -> classes; a full two-tower model gives its vision half.
TOWERS: dict[str, tuple[Any, Any]] = {
    "clip": CLIP,
    "clip_vision_model": CLIP,
    "siglip": SIGLIP,
    "siglip_vision_model": SIGLIP,
}
ROWS_MULTIPLE = 64  # of the embedding table: 4-bit kernels and tensor cores want it
NEW_ROW_SPREAD = 0.1  # of the old rows' deviation: new tokens start alike but not equal


def from_bases(
    vision: str | Path,
    language: str | Path,
    *,
    region_position: str = "tower",
    keep_cls: bool = True,
    dtype: torch.dtype = torch.float32,
) -> tuple[FaceLLMForConditionalGeneration, FaceLLMProcessor]:
    """Load a tower and a language model and join them.

    Args:
        vision: Folder or hub id of a CLIP or SigLIP model with its image processor.
        language: Folder or hub id of a causal language model with its tokenizer.
        region_position: ``tower`` or ``projected`` (``FaceLLMConfig``).
        keep_cls: Keep CLIP's class token.
        dtype: Of every weight.

    Returns:
        The model in evaluation mode and its processor, which has no landmark function yet.

    Raises:
        FaceLLMError: If the tower is of another kind, or its picture size is not that of its image
            processor; the message names both.
    """
    vision_model, images = load_vision(vision, dtype)
    text_model = AutoModelForCausalLM.from_pretrained(language, dtype=dtype)
    tokenizer = AutoTokenizer.from_pretrained(language)
    add_reserved_tokens(text_model, tokenizer)
    tower = HubTower(vision_model, keep_cls=keep_cls)
    processor = FaceLLMProcessor(
        images, tokenizer, chat_template=chat_template(), n_patches=tower.n_patches
    )
    size = vision_model.config.image_size
    if processor.crop_size != size:
        raise FaceLLMError(
            f"{vision}: the tower takes {size} px, its image processor gives {processor.crop_size}"
        )
    text_model.config.eos_token_id = processor.token_id("<|end|>")
    text_model.config.pad_token_id = tokenizer.pad_token_id
    config = FaceLLMConfig(
        vision_config=vision_model.config,
        text_config=text_model.config,
        image_token_id=processor.image_token_id,
        region_position=region_position,
        keep_cls=keep_cls,
    )
    model = FaceLLMForConditionalGeneration(config, vision_tower=tower, language_model=text_model)
    # Only what is new: the rotary frequencies of the language model stay float32.
    model.region_attention.to(dtype)
    model.multi_modal_projector.to(dtype)
    return model.eval(), processor


def load_vision(vision: str | Path, dtype: torch.dtype) -> tuple[PreTrainedModel, Any]:
    """A vision model and its image processor; ``FaceLLMError`` names the kinds that are known."""
    kind = AutoConfig.from_pretrained(vision).model_type
    if kind not in TOWERS:
        raise FaceLLMError(f"{vision}: a tower of type {kind!r}, known are {', '.join(TOWERS)}")
    model_class, image_class = TOWERS[kind]
    return model_class.from_pretrained(vision, dtype=dtype), image_class.from_pretrained(vision)


@torch.no_grad()
def add_reserved_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> int:
    """Grow a foreign vocabulary by the reserved tokens, and by a padding token if it has none.

    New rows of the embedding and of the output table start near the mean of the rows in use, so no
    new token is likelier than the old ones. Rows a base keeps beyond its tokenizer's last id are
    used first.

    Args:
        model: The language model; its tables grow, tied or not.
        tokenizer: Of the same base.

    Returns:
        Number of tokens the tokenizer did not hold before.
    """
    used = len(tokenizer)
    if tokenizer.pad_token is None:
        tokenizer.add_special_tokens({"pad_token": PAD})
    new: list[Any] = [AddedToken(t, special=True, normalized=False) for t in reserved_tokens()]
    tokenizer.add_tokens(new, special_tokens=True)
    base: Any = model
    if len(tokenizer) > base.get_input_embeddings().weight.shape[0]:
        rows = -(-len(tokenizer) // ROWS_MULTIPLE) * ROWS_MULTIPLE
        base.resize_token_embeddings(rows, mean_resizing=False)
    tables: list[Tensor] = [base.get_input_embeddings().weight]
    if base.get_output_embeddings().weight is not tables[0]:
        tables.append(base.get_output_embeddings().weight)
    for table in tables:
        old = table[:used].float()
        noise = torch.randn(len(table) - used, table.shape[1], device=table.device)
        table[used:] = (old.mean(0) + NEW_ROW_SPREAD * old.std(0) * noise).to(table.dtype)
    return len(tokenizer) - used
