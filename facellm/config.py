"""Configuration of the model: vision tower + regions + language model.

From tiny to 7B by config: the shipped default joins a ``facellm_conv_hybrid`` tower and a six-layer
Llama; a Qwen, Llama or Vicuna language model with a CLIP or SigLIP tower is the same class with
other sub-configs, loaded by ``from_pretrained`` from a folder or hub id.
"""

from __future__ import annotations

from typing import Any

from transformers import AutoConfig, PreTrainedConfig

from facellm.errors import FaceLLMError

REGION_POSITIONS = ("tower", "projected")


class ConvHybridConfig(PreTrainedConfig):
    """The default tower; fields as in ``facellm.vision.ConvHybridTower``.

    Attributes:
        image_size: Side of the crop, pixels.
        fold: Side of the pixel square folded into channels.
        widths: Channels per residual stage; the last is the tower's width.
        depths: Residual blocks per stage.
        layers: Transformer layers on the last grid.
        heads: Their attention heads.
        spectrum: Hidden units of the texture branch; 0 is none.
    """

    model_type = "facellm_conv_hybrid"

    image_size: int = 192
    fold: int = 4
    widths: list[int] | tuple[int, ...] = (32, 64, 128, 320)
    depths: list[int] | tuple[int, ...] = (0, 2, 2, 2)
    layers: int = 2
    heads: int = 5
    spectrum: int = 0


class FaceLLMConfig(PreTrainedConfig):
    """Configuration of ``FaceLLMForConditionalGeneration``.

    Attributes:
        vision_config: ``ConvHybridConfig``, ``CLIPVisionConfig`` or ``SiglipVisionConfig``.
        text_config: Any causal language model's config.
        image_token_id: Placeholder id, one per patch.
        region_position: FRGCA before the projector (``tower``) or after it (``projected``, the
            paper's place).
        region_heads: Attention heads of FRGCA.
        pool_region_values: Add pooled patch features to FRGCA's values.
        select_layer: Hidden state of a hub tower that is used.
        keep_cls: Keep a hub tower's class token.
    """

    model_type = "facellm"
    sub_configs = {"vision_config": AutoConfig, "text_config": AutoConfig}  # type: ignore[assignment]  # noqa: RUF012

    vision_config: Any = None
    text_config: Any = None
    image_token_id: int = 4
    region_position: str = "tower"
    region_heads: int = 8
    pool_region_values: bool = True
    select_layer: int = -2
    keep_cls: bool = True
    tie_word_embeddings: bool = True

    def __post_init__(self, **kwargs: Any) -> None:
        if self.region_position not in REGION_POSITIONS:
            raise FaceLLMError(
                f"region_position {self.region_position!r} is not one of {REGION_POSITIONS}"
            )
        self.vision_config = as_config(self.vision_config, ConvHybridConfig.model_type)
        self.text_config = as_config(self.text_config, "llama")
        self.tie_word_embeddings = bool(getattr(self.text_config, "tie_word_embeddings", False))
        # The base class hands its own attention kind down; None would undo the sub-configs' choice,
        # and a language model that is already built would then attend without a causal mask.
        kinds = {name: getattr(self, name)._attn_implementation for name in self.sub_configs}
        kwargs["attn_implementation"] = kwargs.get("attn_implementation") or kinds
        super().__post_init__(**kwargs)


def as_config(value: Any, default_type: str) -> PreTrainedConfig:
    """A config object from a config, a dict with ``model_type`` or None."""
    if isinstance(value, PreTrainedConfig):
        return value
    fields = dict(value or {})
    return AutoConfig.for_model(fields.pop("model_type", default_type), **fields)


AutoConfig.register(ConvHybridConfig.model_type, ConvHybridConfig)
AutoConfig.register(FaceLLMConfig.model_type, FaceLLMConfig)
