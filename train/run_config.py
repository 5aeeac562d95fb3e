"""What one training run is: one YAML file, these frozen dataclasses its only schema.

Example (``facellm train CONFIG.yaml -o runs/faces``)::

    stage: instruct
    model: {start: runs/region/model}
    data: {corpora: [corpus/], context: none}
    rates: {multi_modal_projector: 2.0e-5, lora: 1.0e-4}
    lora: {rank: 64, alpha: 128}
    schedule: {epochs: 1, micro_batch: 16, global_batch: 112}

A learning rate of 0 freezes its part. Whole ones lie in ``facellm/train/configs``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any, Literal, cast, get_type_hints

from facellm.strict_yaml import read_yaml

from .run_losses import LossesConfig
from .run_sections import (
    DataConfig,
    EngineConfig,
    KeepConfig,
    LoraSettings,
    ModelConfig,
    RatesConfig,
    ScheduleConfig,
)

Stage = Literal["encoder", "base", "region", "instruct", "task"]


@dataclass(frozen=True)
class TrainRun:
    """One run; see the module docstring. Fields are the sections above."""

    stage: Stage
    model: ModelConfig
    data: DataConfig
    rates: RatesConfig
    lora: LoraSettings = field(default_factory=LoraSettings)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    losses: LossesConfig = field(default_factory=LossesConfig)
    engine: EngineConfig = field(default_factory=EngineConfig)
    keep: KeepConfig = field(default_factory=KeepConfig)

    def __post_init__(self) -> None:
        if bool(self.rates.lora) != bool(self.lora.rank):
            raise ValueError(
                f"rates.lora is {self.rates.lora} and lora.rank {self.lora.rank}: both or neither"
            )
        if self.lora.quantise != "none" and self.rates.language_model:
            raise ValueError(f"a language model stored as {self.lora.quantise} cannot be trained")

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, every field."""
        return asdict(self)


def load_run(path: Path, changes: Iterable[str] = ()) -> TrainRun:
    """Read a config, with ``section.key=value`` over it; see ``read_yaml`` for what is refused."""
    return read_yaml(path, TrainRun, changes)


def run_of(record: dict[str, Any]) -> TrainRun:
    """What ``TrainRun.to_dict`` gave, through JSON and back."""
    return _filled(TrainRun, record)


def _filled(kind: Any, value: Any) -> Any:
    """JSON as a dataclass, a tuple or the plain value it was."""
    if is_dataclass(kind):
        hints = get_type_hints(kind)
        fields = {name: _filled(hints[name], inner) for name, inner in value.items()}
        return cast(Any, kind)(**fields)
    return tuple(value) if isinstance(value, list) else value
