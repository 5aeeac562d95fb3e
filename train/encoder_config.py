"""What the stage ``encoder`` is made of: one YAML file, these frozen dataclasses its only schema.

Example: ``facellm/train/configs/default-encoder.yaml``.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from facellm.strict_yaml import read_yaml

from .run_sections import at_least, between_0_and_1

KINDS = ("ferplus", "utkface", "rig", "fake", "mask")


@dataclass(frozen=True)
class Stretch:
    """Some of the steps: kinds of pictures in every batch, and what learns from them how fast.

    Attributes:
        until: Share of all steps at which the stretch ends; the last one's is 1.
        rate: Its peak learning rate as a share of the run's.
        landmarks_missing: Share of pictures that come without landmarks.
        texture: Whether the tower's texture branch learns; until it does, it adds nothing.
        ferplus: Faces with ten taggers' votes.
        utkface: Faces with apparent age and gender.
        rig: Renders with exact units and gaze.
        fake: Photographs and generated or swapped faces.
        mask: Faces with and without a mask.
    """

    until: float
    rate: float = 1.0
    landmarks_missing: float = 0.12
    texture: bool = True
    ferplus: float = 0.0
    utkface: float = 0.0
    rig: float = 0.0
    fake: float = 0.0
    mask: float = 0.0

    def shares(self) -> dict[str, float]:
        """Kind -> share; ``ValueError`` where they do not add up to 1."""
        shares = {name: getattr(self, name) for name in KINDS}
        if abs(sum(shares.values()) - 1) > 1e-6 or min(shares.values()) < 0:
            raise ValueError(f"shares of a stretch add up to {sum(shares.values()):.3f}, not 1")
        return {name: share for name, share in shares.items() if share}

    def __post_init__(self) -> None:
        for name in ("rate", "landmarks_missing"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)} is not in [0, 1]")
        self.shares()


@dataclass(frozen=True)
class PretextConfig:
    """Losses beside the labels (``pretext``); both are off by default.

    Attributes:
        masked: Weight of the hidden blocks' pixels.
        contrast: Weight of finding captions of ``EncoderRun.corpus`` among those of the batch.
        tokenizer: Folder of the tokenizer that reads the captions.
    """

    masked: float = 0.0
    contrast: float = 0.0
    tokenizer: str = ""

    def __post_init__(self) -> None:
        if min(self.masked, self.contrast) < 0:
            raise ValueError(f"masked {self.masked}, contrast {self.contrast}: one is below 0")
        if self.contrast and not self.tokenizer:
            raise ValueError(f"contrast {self.contrast} needs a tokenizer to read captions")


@dataclass(frozen=True)
class EncoderRun:
    """One run of the stage.

    Attributes:
        mix: Stretches, in order.
        stage: ``encoder``.
        corpus: Folder of a built corpus: rows that its search found to be near duplicates of
            held-out rows, and what was made from them, are not trained on. Empty: all rows are.
        leave_out: Kinds of pictures that are never drawn (leave-one-source-out).
        steps: Optimizer steps.
        batch: Pictures a step.
        lr: Peak learning rate.
        warmup: Steps of linear warm-up in each stretch; the rate then falls as a cosine to zero at
            the stretch's end.
        weight_decay: AdamW's, on matrices and kernels only.
        ema: Decay of the averaged weights that are evaluated and kept.
        mixup: Alpha of mixup between expression rows; 0 is off (it slows the first few epochs).
        seed: Of weights and batches.
        start: Checkpoint whose weights the run starts from; empty for random ones.
        pretext: Losses beside the labels.
    """

    mix: tuple[Stretch, ...]
    stage: Literal["encoder"] = "encoder"
    corpus: str = ""
    leave_out: tuple[Literal["ferplus", "utkface", "rig", "fake", "mask"], ...] = ()
    steps: int = 10600
    batch: int = 64
    lr: float = 1e-3
    warmup: int = 150
    weight_decay: float = 0.05
    ema: float = 0.998
    mixup: float = 0.0
    seed: int = 7
    start: str = ""
    pretext: PretextConfig = field(default_factory=PretextConfig)

    def __post_init__(self) -> None:
        if self.pretext.contrast and not self.corpus:
            raise ValueError("pretext.contrast needs a corpus: captions come from its records")
        at_least(self, steps=1, batch=1, warmup=1, seed=0)
        between_0_and_1("lr", self.lr)
        between_0_and_1("ema", self.ema)
        ends = [stretch.until for stretch in self.mix]
        if not ends or ends != sorted(ends) or ends[-1] != 1:
            raise ValueError(f"stretches end at {ends}: they must rise to 1")
        if any(not set(stretch.shares()) - set(self.leave_out) for stretch in self.mix):
            raise ValueError(f"leave_out {', '.join(self.leave_out)} leaves a stretch nothing")

    def stretch_at(self, step: int) -> tuple[Stretch, int, int]:
        """Stretch a step lies in, and the steps at which it begins and ends."""
        begin = 0
        for stretch in self.mix:
            end = round(stretch.until * self.steps)
            if step < end:
                break
            begin = end if stretch is not self.mix[-1] else begin
        return stretch, begin, end

    def shares_at(self, step: int) -> dict[str, float]:
        """Kind -> share of the pictures in the batch of a step, those left out spread over."""
        shares = self.stretch_at(step)[0].shares()
        kept = {name: share for name, share in shares.items() if name not in self.leave_out}
        return {name: share / sum(kept.values()) for name, share in kept.items()}

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, every field."""
        return asdict(self)


def load_encoder_run(path: Path, changes: Iterable[str] = ()) -> EncoderRun:
    """Read a config and ``key=value`` over it; see ``read_yaml`` for what is refused."""
    return read_yaml(path, EncoderRun, changes)
