"""What a call of the trainer is, and the three makers it is put together from.

Example: ``TrainJob(load_run(Path("faces.yaml")), Path("runs/faces"))``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

from ..build_model import build_model
from ..data.stream import BatchStream
from ..parts import prepare_parts
from ..run_config import TrainRun
from ..sample import TrainBatch
from .engines import Groups


class Stream(Protocol):
    """The batches of one split, on one rank; ``data.stream.BatchStream`` is the one in use.

    Of the validation split it holds ``keep.valid_rows`` samples.
    """

    left_out: dict[str, int]  # reason -> samples that are not trained on

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps that see every sample."""
        ...

    def micro_batches(self, step: int) -> list[TrainBatch]:
        """Batches of an optimizer step, counted from 0; they depend on seed and step alone."""
        ...

    def close(self) -> None:
        """End its processes."""
        ...


@dataclass(frozen=True)
class Makers:
    """Where model, groups of parameters and batches come from.

    Attributes:
        build_model: Run -> model and processor.
        prepare_parts: Model, run -> AdamW groups; freezes, adds adapters.
        new_stream: As ``BatchStream(run, processor, rank=, world=, split=, features=)``.
    """

    build_model: Callable[[TrainRun], tuple[FaceLLMForConditionalGeneration, FaceLLMProcessor]]
    prepare_parts: Callable[[FaceLLMForConditionalGeneration, TrainRun], Groups]
    new_stream: Callable[..., Stream]


def usual_makers() -> Makers:
    """Those of the product."""
    return Makers(build_model, prepare_parts, BatchStream)


@dataclass(frozen=True)
class TrainJob:
    """One call.

    Attributes:
        run: The config.
        out: Folder of the run.
        resume: Go on with what is there.
        quiet: No progress bar.
        makers: Where model and batches come from.
    """

    run: TrainRun
    out: Path
    resume: bool = False
    quiet: bool = False
    makers: Makers = field(default_factory=usual_makers)
