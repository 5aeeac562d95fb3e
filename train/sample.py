"""The records of training: a tokenised sample, a batch, and what a forward pass gives the losses.

A *reading* sample is the constant reading prompt of one face with target distributions at its query
tokens; an *answer* sample is a conversation with labels at its answers. Both come from the
product's own processor, so their ids are those of use.

Legend: B rows, T tokens, N pictures (face crops), S side of a crop, P patches, Dv vision width,
D language width, K readout targets of a batch, M labels of the longest query, V vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

from .run_config import TrainRun


@dataclass(frozen=True)
class FaceImage:
    """One face crop of a sample: where its picture lies, and which square of it.

    Attributes:
        corpus: Index into ``DataConfig.corpora``.
        path: As the corpus wrote it (``ferplus.parquet#fer2013/12``).
        data: Encoded picture, where the corpus embeds it.
        box_xyxy: Face box, pixels of the upright picture.
        landmarks: (68, 2) float32 pixels of the upright picture, or None.
        whole: The picture already is a face crop, and is taken whole (``prepared_crops.WHOLE``).
    """

    corpus: int
    path: str
    box_xyxy: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None = field(default=None, compare=False)
    data: bytes | None = field(default=None, repr=False)
    whole: bool = False

    @property
    def key(self) -> str:
        """What caches know it by: equal keys show equal pixels."""
        box = ",".join(f"{value:.2f}" for value in self.box_xyxy)
        return f"{self.corpus}:{self.path}:{'whole' if self.whole else box}"


@dataclass(frozen=True)
class TrainingSample:
    """One tokenised record, or one reading prompt.

    Attributes:
        id: Of the record; ``.../reading`` where it is a reading prompt.
        input_ids: (T,) with P placeholders a face.
        labels: (T,), -100 where nothing is learned.
        images: The faces behind the placeholders, in reading order.
        readouts: Query name -> distribution over its labels, float32; only labelled queries.
            Their tokens are the last ``len(QUERIES)`` of ``input_ids``.
        task: Of the record.
        source: Set it comes from.
        subject: Person, where the set says; for objectives alone, never an input.
        labelled: The record's labels (JSON), for objectives alone.
    """

    id: str
    input_ids: list[int]
    labels: list[int]
    images: tuple[FaceImage, ...] = ()
    readouts: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    task: str = ""
    source: str = ""
    subject: str | None = None
    labelled: Mapping[str, Any] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.input_ids)


@dataclass
class TrainBatch:
    """Rows for one forward pass; several samples may share a row.

    Attributes:
        input_ids: (B, T) int64.
        labels: (B, T) int64, -100 where nothing is learned, and at the first token of each sample.
        segments: (B, T) int64: 0 is padding, 1, 2 ... the samples of a row; no token sees another
            segment's.
        positions: (B, T) int64, counted from 0 in every segment.
        pixel_values: (N, 3, S, S) float32, or None where ``features`` stand for them.
        features: (N, P, Dv), the frozen tower's patches, or None.
        landmarks: (N, 68, 2) in [0, 1] of each crop, NaN where missing or withheld; None: no faces.
        readout_at: (K, 3) int64: row, place, index of the query in ``labels.QUERIES``.
        readout_targets: (K, M) float32 distributions, zero beyond the query's own labels.
        samples: What the rows hold, in order of (row, segment).
        amounts: Objective -> what its means are over, one number a mean: set where a step has
            several micro batches, else a batch's own count stands.
        blank: The one face is no sample's; it only keeps the ranks of a run in step.
    """

    input_ids: Tensor
    labels: Tensor
    segments: Tensor
    positions: Tensor
    pixel_values: Tensor | None = None
    features: Tensor | None = None
    landmarks: Tensor | None = None
    readout_at: Tensor | None = None
    readout_targets: Tensor | None = None
    samples: list[TrainingSample] = field(default_factory=list, repr=False)
    amounts: dict[str, Tensor] | None = None
    blank: bool = False

    def amount(self, name: str, own: Tensor) -> Tensor:
        """What an objective's means are over: the step's share of it, or the batch's own count."""
        known = (self.amounts or {}).get(name)
        return own if known is None else known.to(own.device)

    def to(self, device: torch.device | str) -> TrainBatch:
        """The batch with every tensor on a device."""
        moved = {f.name: getattr(self, f.name) for f in fields(self)}
        for name, value in moved.items():
            if isinstance(value, Tensor):
                moved[name] = value.to(device, non_blocking=True)
        return TrainBatch(**moved)

    @property
    def tokens(self) -> int:
        """Tokens that are no padding."""
        return int((self.segments > 0).sum())

    @property
    def padding(self) -> float:
        """Share of the places that are padding."""
        return 1 - self.tokens / self.segments.numel()


@dataclass
class Forwarded:
    """What one forward pass leaves for the objectives.

    Attributes:
        hidden: (B, T, D) last hidden states of the language model.
        output_weight: (V, D) table that turns hidden states into logits.
        visual: (N, P, D) visual tokens, or None without faces.
        patches: (N, P, Dv) patches as the tower (or the cache) gave them, before FRGCA.
    """

    hidden: Tensor
    output_weight: Tensor
    visual: Tensor | None = None
    patches: Tensor | None = None


@dataclass(frozen=True)
class Setting:
    """What an objective may know beforehand.

    Attributes:
        model: The model that is trained.
        processor: Its processor.
        run: The run's config.
    """

    model: FaceLLMForConditionalGeneration
    processor: FaceLLMProcessor
    run: TrainRun


class Objective(Protocol):
    """A loss with a name in ``LossesConfig``; a module where it has parameters of its own.

    One that also has ``amounts(batch) -> Tensor``, how many things each of its means is over in a
    batch, and divides by ``batch.amount(name, amounts)``, gives the same step however that is cut
    into micro batches; of the others the micro batches' means are averaged.
    """

    name: str

    def __call__(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Mean loss over what it applies to in the batch; None where that is nothing."""
        ...
