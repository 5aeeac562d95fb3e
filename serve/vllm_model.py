"""FaceLLM in vLLM: the core's own tower, FRGCA and projector around vLLM's language model.

Names are those of the checkpoint, so weights load as they are; the adapter of a checkpoint folder
is merged while they stream by, as ``facellm.checkpoint`` does. Which language model stands inside
is the config's choice: any causal language model that vLLM knows.

Legend: T tokens of a batch, B rows, N images, P patches, D width.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
from vllm.model_executor.models.interfaces import SupportsLoRA, SupportsMultiModal, SupportsPP
from vllm.model_executor.models.module_mapping import MultiModelKeys
from vllm.model_executor.models.utils import init_vllm_registered_model, maybe_prefix
from vllm.multimodal import MULTIMODAL_REGISTRY

from facellm.adapter_file import ADAPTER
from facellm.adapter_merge import merged_stream
from facellm.errors import FaceLLMError
from facellm.fusion import FaceRegionGuidedCrossAttention, MultiModalProjector
from facellm.labels import IMAGE_TOKEN
from facellm.model import FaceLLMForConditionalGeneration, build_tower

from .vllm_processing import (
    IMAGE,
    FaceDummyInputs,
    FaceMultiModalProcessor,
    FaceProcessingInfo,
    served_processor,
)
from .vllm_readout import ReadoutTable

LANGUAGE = "language_model"


@MULTIMODAL_REGISTRY.register_processor(
    FaceMultiModalProcessor, info=FaceProcessingInfo, dummy_inputs=FaceDummyInputs
)
class FaceLLMForVllm(nn.Module, SupportsMultiModal, SupportsLoRA, SupportsPP):
    """See the module docstring."""

    requires_raw_input_tokens = True  # readouts are known by the tokens of their prompt
    allow_patterns_overrides = ("model*.safetensors",)  # other networks lie beside it

    @classmethod
    def get_placeholder_str(cls, modality: str, i: int) -> str:
        """``<face>``; the chat template writes it itself."""
        if modality != IMAGE:
            raise ValueError(f"items are face crops ({IMAGE}), got {modality}")
        return IMAGE_TOKEN

    def __init__(self, *, vllm_config: Any, prefix: str = "") -> None:
        super().__init__()
        model_config = vllm_config.model_config
        config = model_config.hf_config
        self.config = config
        self.folder = Path(model_config.model)
        self.configure_mm_token_handling(config.text_config.vocab_size, [config.image_token_id])
        with self._mark_tower_model(vllm_config, {IMAGE}):
            self.vision_tower = build_tower(config)
            widths = self.vision_tower.width, config.text_config.hidden_size
            self.region_attention = FaceRegionGuidedCrossAttention(
                widths[config.region_position != "tower"],
                config.region_heads,
                pool_patches=config.pool_region_values,
            )
            self.multi_modal_projector = MultiModalProjector(*widths)
        with self._mark_language_model(vllm_config):
            self.language_model = init_vllm_registered_model(
                vllm_config=vllm_config,
                prefix=maybe_prefix(prefix, LANGUAGE),
                hf_config=config.text_config,
                architectures=[language_architecture(config.text_config.model_type)],
            )
        # Which projections vLLM fuses is the language model's affair.
        self.packed_modules_mapping = getattr(self.language_model, "packed_modules_mapping", {})
        self.make_empty_intermediate_tensors = self.language_model.make_empty_intermediate_tensors
        processor = served_processor(str(self.folder))
        self.readouts = ReadoutTable(processor.query_ids, processor.label_ids)

    # The core's own forward pass of pictures; it reads the attributes set above.
    encode_faces = FaceLLMForConditionalGeneration.encode_faces
    visual_tokens = FaceLLMForConditionalGeneration.visual_tokens

    def embed_multimodal(self, **kwargs: Any) -> Tensor:
        """Visual tokens of N face crops, (N, P, D)."""
        weight = self.multi_modal_projector.up.weight
        pixels, landmarks = kwargs["pixel_values"], kwargs["landmarks"]
        return self.encode_faces(pixels.to(weight), landmarks.to(weight.device))

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **_: object,
    ) -> Any:
        """Hidden states of a batch, (T, D); between ranks, what the next one takes."""
        if intermediate_tensors is not None:
            inputs_embeds = None
        hidden = self.language_model.model(
            None if inputs_embeds is not None else input_ids,
            positions,
            intermediate_tensors,
            inputs_embeds=inputs_embeds,
        )
        if isinstance(hidden, Tensor):
            self.readouts.watch(input_ids, hidden)
        return hidden

    def compute_logits(self, hidden_states: Tensor) -> Tensor | None:
        """Next-token logits (B, V); readouts in the place of reading prompts' rows."""
        return self.readouts.logits(hidden_states, self.language_model.compute_logits)

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """Load a checkpoint's tensors by their own names.

        Raises:
            FaceLLMError: If the tower, FRGCA or the projector would stay partly unloaded.
        """
        if getattr(self.config, "merge_adapter", True) and (self.folder / ADAPTER).is_dir():
            weights = merged_stream(weights, self.folder / ADAPTER)
        ours: dict[str, Tensor] = {}
        loaded = self.language_model.load_weights(self._split(weights, ours))
        state = {n: t for n, t in self.state_dict().items() if not n.startswith(f"{LANGUAGE}.")}
        differing = sorted(state.keys() ^ ours.keys())
        if differing:
            raise FaceLLMError(f"{self.folder}: weights of another version, {differing[0]} differs")
        with torch.no_grad():
            for name, value in ours.items():
                state[name].copy_(value)
        return {f"{LANGUAGE}.{name}" for name in loaded} | set(ours)

    def _split(
        self, weights: Iterable[tuple[str, Tensor]], ours: dict[str, Tensor]
    ) -> Iterator[tuple[str, Tensor]]:
        """Pass on the language model's tensors and put the others into ``ours``."""
        for name, value in weights:
            part, _, rest = name.partition(".")
            if part == LANGUAGE:
                yield rest, value
            else:
                ours[name] = value

    def get_mm_mapping(self) -> MultiModelKeys:
        """Which modules are what."""
        return MultiModelKeys.from_string_field(
            language_model=LANGUAGE,
            connector=["region_attention", "multi_modal_projector"],
            tower_model="vision_tower",
        )


def language_architecture(model_type: str) -> str:
    """Name of the causal language model of a config's type, as transformers and vLLM call it."""
    found = MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.get(model_type)
    if found is None:
        raise FaceLLMError(f"text_config.model_type {model_type!r} is no causal language model")
    return found
