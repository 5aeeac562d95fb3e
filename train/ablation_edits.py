"""What an ablation takes away that no setting of a run does: parts of the model, colour.

An edit wraps the makers of a job (``loop.job.Makers``), so the training itself knows nothing of it.

| edit | takes away |
| --- | --- |
| no_regions | FRGCA: its gate is 0 and stays 0, the module an exact identity |
| no_region_values | the pooled patch features in FRGCA's values: coordinates are left |
| grey | colour, from every picture of the training split and of the scores |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from facellm.errors import FaceLLMError
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

from .loop.engines import Groups
from .loop.job import Makers, Stream
from .run_config import TrainRun
from .sample import TrainBatch

LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as PIL's convert("L")
Parts = Callable[[FaceLLMForConditionalGeneration], list[nn.Parameter]]


def no_regions(makers: Makers) -> Makers:
    """See the module docstring."""
    return _zeroed(makers, lambda model: [model.region_attention.gate])


def no_region_values(makers: Makers) -> Makers:
    """See the module docstring; ``FaceLLMError`` where the model has none."""

    def pool(model: FaceLLMForConditionalGeneration) -> list[nn.Parameter]:
        if model.region_attention.pool is None:
            raise FaceLLMError("no_region_values: the model's values hold no patch features")
        return list(model.region_attention.pool.parameters())

    return _zeroed(makers, pool)


def _zeroed(makers: Makers, parts: Parts) -> Makers:
    """Some parameters are 0 from the start and left out of the optimizer."""

    def build(run: TrainRun) -> tuple[FaceLLMForConditionalGeneration, FaceLLMProcessor]:
        model, processor = makers.build_model(run)
        with torch.no_grad():
            for parameter in parts(model):
                parameter.zero_()
        return model, processor

    def prepare(model: FaceLLMForConditionalGeneration, run: TrainRun) -> Groups:
        groups = makers.prepare_parts(model, run)
        taken = {id(parameter) for parameter in parts(model)}
        for parameter in parts(model):
            parameter.requires_grad_(False)
        kept = [
            group | {"params": [p for p in group["params"] if id(p) not in taken]}
            for group in groups
        ]
        return [group for group in kept if group["params"]]

    return replace(makers, build_model=build, prepare_parts=prepare)


class GreyStream:
    """A stream whose pictures have no colour."""

    def __init__(self, stream: Stream, processor: FaceLLMProcessor) -> None:
        self.stream, self.processor = stream, processor
        self.steps_per_epoch, self.left_out = stream.steps_per_epoch, stream.left_out

    def micro_batches(self, step: int) -> list[TrainBatch]:
        """Batches of a step, grey."""
        batches = self.stream.micro_batches(step)
        for batch in batches:
            if batch.features is not None:
                raise FaceLLMError("grey: data.features hold colour already; leave them out")
            if batch.pixel_values is not None:
                batch.pixel_values = grey_pixels(batch.pixel_values, self.processor)
        return batches

    def close(self) -> None:
        """End the stream's processes."""
        self.stream.close()


def grey_pixels(pixels: Tensor, processor: FaceLLMProcessor) -> Tensor:
    """(N, 3, S, S) standardised -> the same pictures without colour, standardised."""
    images = processor.image_processor
    mean = torch.tensor(images.image_mean).view(3, 1, 1)
    spread = torch.tensor(images.image_std).view(3, 1, 1)
    luma = torch.einsum("c,nchw->nhw", torch.tensor(LUMA), pixels * spread + mean)
    return (luma[:, None] - mean) / spread


def grey(makers: Makers) -> Makers:
    """See the module docstring."""

    def new_stream(run: TrainRun, processor: FaceLLMProcessor, **options: Any) -> Stream:
        return GreyStream(makers.new_stream(run, processor, **options), processor)

    return replace(makers, new_stream=new_stream)


EDITS: dict[str, Callable[[Makers], Makers]] = {
    "no_regions": no_regions,
    "no_region_values": no_region_values,
    "grey": grey,
}
