"""FaceLLMForConditionalGeneration: tower -> FRLP/FRGCA -> projector -> merge -> language model.

The model never sees a tokenizer: it knows one token id, the image placeholder. A reading is the
language model's next-token distribution at the query tokens, restricted to each query's label ids
(``readouts``); text comes from ``generate``.

Legend: B batch, T tokens, N images, L landmarks (68), P patches, D language width, Dv vision width,
Q queries, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, PreTrainedModel
from transformers.generation.utils import GenerationMixin
from transformers.modeling_outputs import CausalLMOutputWithPast

from facellm.config import ConvHybridConfig, FaceLLMConfig
from facellm.fusion import FaceRegionGuidedCrossAttention, MultiModalProjector
from facellm.vision import ConvHybridTower, HubTower, VisionTower

# A pattern, not a list of names: CLIP and SigLIP towers have q_proj, k_proj and v_proj too.
LORA_TARGETS = r"language_model\..*\.(?:q|k|v|o|gate|up|down)_proj"


def build_tower(config: FaceLLMConfig) -> VisionTower:
    """The vision tower a config asks for, with random weights."""
    vision = config.vision_config
    if isinstance(vision, ConvHybridConfig):
        return ConvHybridTower(
            image_size=vision.image_size,
            fold=vision.fold,
            widths=tuple(vision.widths),
            depths=tuple(vision.depths),
            layers=vision.layers,
            heads=vision.heads,
            spectrum=vision.spectrum,
        )
    model = AutoModel.from_config(vision)
    return HubTower(model, select_layer=config.select_layer, keep_cls=config.keep_cls)


def merge_visual_tokens(
    text_embeds: Tensor, input_ids: Tensor, visual_embeds: Tensor, *, image_token_id: int
) -> Tensor:
    """Put visual embeddings where the prompt holds image placeholders.

    Args:
        text_embeds: Embedded prompt, (B, T, D).
        input_ids: Prompt token ids, (B, T), int64.
        visual_embeds: Projected patches of all images in reading order, (N, P, D).
        image_token_id: Id of the placeholder token.

    Returns:
        (B, T, D), dtype of ``text_embeds``; a new tensor.

    Raises:
        ValueError: If the number of placeholders is not N * P; the message names both.

    Source: LLaVA, arXiv 2304.08485, section 4.1.
    """
    places = input_ids == image_token_id
    count, wanted = int(places.sum()), visual_embeds.shape[0] * visual_embeds.shape[1]
    if count != wanted:
        raise ValueError(
            f"prompt holds {count} image placeholders but {visual_embeds.shape[0]} images give "
            f"{wanted} patch embeddings"
        )
    flat = visual_embeds.reshape(-1, visual_embeds.shape[-1]).to(text_embeds.dtype)
    return text_embeds.masked_scatter(places[..., None].expand_as(text_embeds), flat)


class FaceLLMForConditionalGeneration(PreTrainedModel, GenerationMixin):
    """The vision-language model; see the module docstring."""

    config: FaceLLMConfig
    config_class = FaceLLMConfig
    base_model_prefix = "model"
    main_input_name = "input_ids"
    input_modalities = ("image", "text")  # type: ignore[assignment]
    vision_tower: VisionTower
    language_model: Any  # any causal language model of transformers
    supports_gradient_checkpointing = True
    _supports_sdpa = True
    _supports_flash_attn = True
    _tied_weights_keys = {  # noqa: RUF012
        "language_model.lm_head.weight": "language_model.model.embed_tokens.weight"
    }

    def __init__(
        self,
        config: FaceLLMConfig,
        *,
        vision_tower: VisionTower | None = None,
        language_model: PreTrainedModel | None = None,
    ) -> None:
        """Build the model, around a loaded tower and language model where they are given."""
        super().__init__(config)
        self.vision_tower = build_tower(config) if vision_tower is None else vision_tower
        if language_model is None:
            language_model = AutoModelForCausalLM.from_config(config.text_config)
        self.language_model = language_model
        vision_width, language_width = self.vision_tower.width, config.text_config.hidden_size
        self.region_attention = FaceRegionGuidedCrossAttention(
            vision_width if config.region_position == "tower" else language_width,
            config.region_heads,
            pool_patches=config.pool_region_values,
        )
        self.multi_modal_projector = MultiModalProjector(vision_width, language_width)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Parts initialise themselves when built; nothing is drawn twice."""

    def get_input_embeddings(self) -> torch.nn.Module:
        """Token embeddings of the language model."""
        return self.language_model.get_input_embeddings()

    def set_input_embeddings(self, value: torch.nn.Module) -> None:
        """Replace the token embeddings (vocabulary changes)."""
        self.language_model.set_input_embeddings(value)

    def get_output_embeddings(self) -> torch.nn.Module:
        """Output embeddings of the language model."""
        return self.language_model.get_output_embeddings()

    def set_output_embeddings(self, new_embeddings: torch.nn.Module) -> None:
        """Replace the output embeddings."""
        self.language_model.set_output_embeddings(new_embeddings)

    def encode_faces(self, pixel_values: Tensor, landmarks: Tensor | None) -> Tensor:
        """Visual tokens of face crops.

        Args:
            pixel_values: (N, 3, H, W), standardised by the processor.
            landmarks: (N, 68, 2) in [0, 1] of the crop; NaN rows or None where missing.

        Returns:
            (N, P, D).
        """
        return self.visual_tokens(self.vision_tower(pixel_values), landmarks)

    def visual_tokens(self, patches: Tensor, landmarks: Tensor | None) -> Tensor:
        """The tower's patches (N, P, Dv) -> visual tokens (N, P, D); landmarks as above."""
        centres = self.vision_tower.centres().to(patches.device)
        if landmarks is None:
            landmarks = patches.new_full((len(patches), 68, 2), torch.nan)
        if self.config.region_position == "tower":
            patches = self.region_attention(patches, landmarks, centres)
        tokens = self.multi_modal_projector(patches)
        if self.config.region_position == "projected":
            tokens = self.region_attention(tokens, landmarks, centres)
        return tokens

    def embed(
        self, input_ids: Tensor, pixel_values: Tensor | None, landmarks: Tensor | None
    ) -> Tensor:
        """Prompt embeddings with the faces in place, (B, T, D)."""
        text = self.get_input_embeddings()(input_ids)
        if pixel_values is None:
            return text
        faces = self.encode_faces(pixel_values.to(text.dtype), landmarks)
        return merge_visual_tokens(
            text, input_ids, faces, image_token_id=self.config.image_token_id
        )

    def forward(
        self,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        pixel_values: Tensor | None = None,
        landmarks: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        labels: Tensor | None = None,
        **kwargs: Any,
    ) -> CausalLMOutputWithPast:
        """One pass of the whole model.

        Args:
            input_ids: (B, T) int64.
            attention_mask: (B, T), 1 for real tokens.
            pixel_values: (N, 3, H, W), all images of the batch in reading order.
            landmarks: (N, 68, 2) in [0, 1] of each crop, NaN where missing.
            inputs_embeds: (B, T, D), instead of ``input_ids``.
            labels: (B, T), -100 where no loss is taken.
            **kwargs: Handed to the language model (``past_key_values``, ``position_ids`` ...).

        Returns:
            The language model's output; ``loss`` where labels are given, ``logits`` (B, T, V).
        """
        if inputs_embeds is None:
            assert input_ids is not None, "give input_ids or inputs_embeds"
            inputs_embeds = self.embed(input_ids, pixel_values, landmarks)
        return self.language_model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, labels=labels, **kwargs
        )

    def readouts(
        self,
        inputs_embeds: Tensor,
        attention_mask: Tensor | None,
        positions: Tensor,
        label_ids: Sequence[Tensor],
    ) -> list[Tensor]:
        """Log-probabilities of each query's labels at its query token.

        Args:
            inputs_embeds: (B, T, D), the reading prompt from ``embed``.
            attention_mask: (B, T) or None.
            positions: (Q,) places of the query tokens, the same in every row.
            label_ids: Q tensors of label token ids.

        Returns:
            Q tensors (B, n_labels), each a log-distribution over that query's labels.
        """
        hidden = self.language_model.model(
            inputs_embeds=inputs_embeds, attention_mask=attention_mask, use_cache=False
        ).last_hidden_state[:, positions]
        weight = cast(Tensor, self.get_output_embeddings().weight)
        return [
            (hidden[:, index] @ weight[ids].T).float().log_softmax(-1)
            for index, ids in enumerate(label_ids)
        ]

    def prepare_inputs_for_generation(
        self,
        input_ids: Tensor,
        past_key_values: Any = None,
        attention_mask: Tensor | None = None,
        inputs_embeds: Tensor | None = None,
        pixel_values: Tensor | None = None,
        landmarks: Tensor | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Pictures go in with the first token only; later steps read the cache."""
        first = kwargs.get("is_first_iteration", False)
        inputs = cast(Any, super()).prepare_inputs_for_generation(
            input_ids,
            past_key_values=past_key_values,
            attention_mask=attention_mask,
            inputs_embeds=inputs_embeds,
            **kwargs,
        )
        if first or not kwargs.get("use_cache", True):
            inputs["pixel_values"], inputs["landmarks"] = pixel_values, landmarks
        return inputs

    def _expand_inputs_for_generation(
        self,
        expand_size: int = 1,
        is_encoder_decoder: bool = False,
        input_ids: Tensor | None = None,
        **kwargs: Any,
    ) -> tuple[Tensor, dict[str, Any]]:
        """Beams and several answers repeat a row's faces together, in their reading order."""
        names = [n for n in ("pixel_values", "landmarks") if kwargs.get(n) is not None]
        images = {name: kwargs.pop(name) for name in names}
        if expand_size > 1 and images and input_ids is not None:
            places = (input_ids == self.config.image_token_id).sum(1)
            counts = (places // self.vision_tower.n_patches).tolist()
            rows = torch.arange(sum(counts)).split(counts)
            order = torch.cat([faces.repeat(expand_size) for faces in rows])
            images = {name: value[order.to(value.device)] for name, value in images.items()}
        expand = cast(Any, super())._expand_inputs_for_generation
        ids, kwargs = expand(expand_size, is_encoder_decoder, input_ids, **kwargs)
        return ids, kwargs | images


AutoModelForCausalLM.register(FaceLLMConfig, FaceLLMForConditionalGeneration)
