"""What vLLM does with the pictures of a request: one picture is one face crop, one item.

The core's own processor turns a crop into pixels and finds its landmarks with the landmark network
of the checkpoint's folder. Both are functions of the crop alone, so vLLM's caches, which know a
picture by its pixels, are right. Landmarks stay float32 whatever the model's dtype, and are NaN
where the network sees no face.

Legend: N crops, S their side, P patches.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from transformers import BatchFeature
from vllm.multimodal.inputs import MultiModalFieldConfig
from vllm.multimodal.processing import (
    BaseDummyInputsBuilder,
    BaseMultiModalProcessor,
    BaseProcessingInfo,
    PromptReplacement,
)

from facellm.checkpoint import LANDMARKS, load_processor
from facellm.conversation import FacePart
from facellm.crops import landmarker
from facellm.errors import FaceLLMError
from facellm.labels import IMAGE_TOKEN
from facellm.landmarks import LandmarkNet
from facellm.processor import FaceLLMProcessor

IMAGE = "image"  # the kind of item, in vLLM's words


@lru_cache(maxsize=1)
def served_processor(folder: str) -> FaceLLMProcessor:
    """The processor of a checkpoint folder with its landmark network, loaded once a process.

    Raises:
        FaceLLMError: If the folder is not there: vLLM was given a hub id.
    """
    path = Path(folder)
    if not path.is_dir():
        raise FaceLLMError(f"{folder}: not a folder; download the checkpoint and serve its folder")
    processor = load_processor(path)
    processor.landmarker = landmarker(LandmarkNet.load(path / LANDMARKS))
    return processor


class FaceProcessingInfo(BaseProcessingInfo):
    """How many faces a prompt takes, and how long each is."""

    def get_hf_processor(self, **_: object) -> FaceLLMProcessor:
        """The core's processor; options of a request change nothing."""
        return served_processor(self.ctx.model_config.model)

    def get_supported_mm_processor_kwargs(self) -> dict[str, set[str]]:
        """None."""
        return {}

    def get_supported_mm_limits(self) -> Mapping[str, int | None]:
        """Any number of faces; ``--limit-mm-per-prompt`` bounds it."""
        return {IMAGE: None}

    def get_mm_max_tokens_per_item(
        self, seq_len: int, mm_counts: Mapping[str, int]
    ) -> Mapping[str, int]:
        """P tokens a face."""
        return {IMAGE: self.get_hf_processor().n_patches}


class FaceDummyInputs(BaseDummyInputsBuilder[FaceProcessingInfo]):
    """What vLLM measures its memory with."""

    def get_dummy_text(self, mm_counts: Mapping[str, int]) -> str:
        """One placeholder a face."""
        return IMAGE_TOKEN * mm_counts.get(IMAGE, 0)

    def get_dummy_mm_data(
        self, seq_len: int, mm_counts: Mapping[str, int], mm_options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """White crops of the tower's size."""
        size = self.info.get_hf_processor().crop_size
        count = mm_counts.get(IMAGE, 0)
        return {IMAGE: self._get_dummy_images(width=size, height=size, num_images=count)}


class FaceMultiModalProcessor(BaseMultiModalProcessor[FaceProcessingInfo]):
    """Pictures -> tensors, and one ``<face>`` -> P placeholders."""

    def _call_hf_processor(
        self, hf_data: Mapping[str, object], hf_kwargs: Mapping[str, object]
    ) -> BatchFeature:
        pictures: Any = hf_data.get("images", ())
        parts = [FacePart(as_crop(picture)) for picture in pictures]
        return BatchFeature(dict(self.info.get_hf_processor().images(parts)) if parts else {})

    def _get_mm_fields_config(
        self, hf_inputs: BatchFeature, hf_processor_mm_kwargs: Mapping[str, object]
    ) -> Mapping[str, MultiModalFieldConfig]:
        return {
            name: MultiModalFieldConfig.batched(IMAGE) for name in ("pixel_values", "landmarks")
        }

    def _get_prompt_updates(
        self, mm_items: Any, hf_processor_mm_kwargs: Mapping[str, object], out_mm_kwargs: Any
    ) -> Sequence[PromptReplacement]:
        processor = self.info.get_hf_processor()
        place = [processor.image_token_id]
        return [PromptReplacement(IMAGE, place, place * processor.n_patches)]


def as_crop(picture: Any) -> np.ndarray:
    """A picture of a request as a crop, (S, S, 3) uint8.

    Raises:
        ValueError: If it is not square; vLLM answers 400 then.
    """
    crop = np.asarray(picture.convert("RGB") if hasattr(picture, "convert") else picture)
    if crop.ndim != 3 or crop.shape[0] != crop.shape[1] or crop.shape[2] != 3:
        raise ValueError(f"a face crop is square with three channels, got {crop.shape}")
    return np.ascontiguousarray(crop, np.uint8)
