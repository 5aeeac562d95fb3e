"""The shipped default's sizes: one place for model, processor and image settings."""

from __future__ import annotations

from pathlib import Path

from transformers import CLIPImageProcessorPil, LlamaConfig, LlamaTokenizer

from facellm.config import ConvHybridConfig, FaceLLMConfig
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

from .batches import IMAGE_SIZE, PIXEL_MEAN, PIXEL_STD
from .encoder import SPECTRUM


def new_processor(tokenizer: Path) -> FaceLLMProcessor:
    """The default's processor around a trained tokenizer folder."""
    size = {"height": IMAGE_SIZE, "width": IMAGE_SIZE}
    images = CLIPImageProcessorPil(
        size=size,
        crop_size=size,
        do_center_crop=False,
        image_mean=[PIXEL_MEAN] * 3,
        image_std=[PIXEL_STD] * 3,
    )
    words = LlamaTokenizer.from_pretrained(tokenizer, legacy=False, add_prefix_space=False)
    return FaceLLMProcessor(images, words, chat_template=words.chat_template)


def new_model(processor: FaceLLMProcessor) -> FaceLLMForConditionalGeneration:
    """The default's architecture with random weights (torch's current seed)."""
    tokenizer = processor.tokenizer
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=256,
        intermediate_size=768,
        num_hidden_layers=4,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=2048,
        tie_word_embeddings=True,
        initializer_range=0.0625,
        pad_token_id=tokenizer.pad_token_id,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=processor.token_id("<|end|>"),
        attn_implementation="eager",  # type: ignore[call-arg]
    )
    config = FaceLLMConfig(
        vision_config=ConvHybridConfig(image_size=IMAGE_SIZE, spectrum=SPECTRUM),
        text_config=text,
        image_token_id=processor.image_token_id,
    )
    return FaceLLMForConditionalGeneration(config)
