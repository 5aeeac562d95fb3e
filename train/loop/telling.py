"""What a run says while it runs: a progress bar, ``log.jsonl``, and curves where asked for.

A line of the log::

    {"step": 40, "epoch": 0.31, "loss": 2.113, "answer": 1.702, "readout": 0.411, "norm": 0.93,
     "rate": 0.87, "tokens_per_second": 1840.2, "padding": 0.021, "seconds": 77.1}

Losses are those of the step itself, over all ranks; ``rate`` is the share of the peak; tokens a
second and padding are over the steps since the line before. Validation writes a line
``{"step": 40, "valid": {"loss": ..., "answer": ...}}``.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tqdm import tqdm

from facellm.atomic import told_in_words, write_text
from facellm.errors import FaceLLMError

from ..run_config import TrainRun


@dataclass
class StepFacts:
    """What one step was.

    Attributes:
        losses: By objective, unweighted; ``total`` is weighted.
        norm: Of the gradient, before clipping.
        rate: Share of the peak rates.
        tokens: Without padding, all ranks.
        places: With it.
        seconds: The step took.
    """

    losses: dict[str, float]
    norm: float
    rate: float
    tokens: int
    places: int
    seconds: float


@dataclass
class Window:
    """Sums since the last line of the log."""

    tokens: int = 0
    places: int = 0
    seconds: float = 0.0

    def add(self, facts: StepFacts) -> None:
        """One more step."""
        self.tokens += facts.tokens
        self.places += facts.places
        self.seconds += facts.seconds

    @property
    def speed(self) -> float:
        """Tokens a second."""
        return self.tokens / max(self.seconds, 1e-9)

    @property
    def padding(self) -> float:
        """Share of places that are padding."""
        return 1 - self.tokens / max(self.places, 1)


class Teller:
    """Bar, log and curves of the first rank; every method does nothing on the others.

    Args:
        run: The run's config.
        out: Its folder.
        steps: All of them, and the one to go on from.
        speaks: Whether this is the first rank.
        quiet: No bar.
    """

    def __init__(
        self, run: TrainRun, out: Path, steps: tuple[int, int], *, speaks: bool, quiet: bool
    ) -> None:
        self.keep, self.log, self.speaks = run.keep, out / "log.jsonl", speaks
        done, total = steps
        self.first = done
        if speaks:
            cut_log(self.log, done)
        self.curves = new_curves(run, out) if speaks else _NoCurves()
        self.bar = tqdm(
            total=total, initial=done, unit="step", disable=quiet or not speaks, dynamic_ncols=True
        )
        self.window = Window()

    def step(self, step: int, epoch: float, facts: StepFacts, total_seconds: float) -> None:
        """A step is done."""
        self.window.add(facts)
        self.bar.set_postfix(
            {
                "loss": f"{facts.losses['total']:.4f}",
                "tok/s": f"{self.window.speed:.0f}",
                "pad": f"{self.window.padding:.1%}",
            },
            refresh=False,
        )
        self.bar.update()
        if step % self.keep.log_every and step != self.bar.total:
            return
        row = {
            "epoch": round(epoch, 4),
            "loss": facts.losses["total"],
            **{name: value for name, value in facts.losses.items() if name != "total"},
            "norm": facts.norm,
            "rate": facts.rate,
            "tokens_per_second": round(self.window.speed, 1),
            "padding": round(self.window.padding, 4),
            "seconds": round(total_seconds, 2),
        }
        self._write(step, row, row)
        self.window = Window()

    def valid(self, step: int, losses: dict[str, float]) -> None:
        """Losses of the validation split."""
        shown = {"loss": losses["total"]} | {k: v for k, v in losses.items() if k != "total"}
        self._write(step, {"valid": shown}, {f"valid/{name}": v for name, v in shown.items()})
        self._say(f"step {step}: validation loss {losses['total']:.4f}")

    def left_out(self, reasons: Mapping[str, int]) -> None:
        """Samples that are not trained on, and why."""
        for reason, count in reasons.items():
            self._say(f"left out: {count} {reason}")
        if reasons:
            self._write(self.first, {"left_out": dict(reasons)}, {})

    def _say(self, line: str) -> None:
        if not self.bar.disable:
            self.bar.write(line, file=sys.stderr)

    def close(self) -> None:
        """End of the run, good or bad."""
        self.bar.close()
        self.curves.close()

    def _write(self, step: int, row: Mapping[str, Any], curves: Mapping[str, float]) -> None:
        if not self.speaks:
            return
        with told_in_words(self.log), self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": step, **row}) + "\n")
        self.curves.add(step, curves)


def cut_log(path: Path, step: int) -> None:
    """Drop what a killed run has logged beyond the step it goes on from, and a torn line."""
    if not path.is_file():
        return
    kept = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # torn by the kill
        if row["step"] <= step:
            kept.append(line + "\n")
    write_text(path, "".join(kept))


class _NoCurves:
    def add(self, step: int, values: Mapping[str, float]) -> None: ...

    def close(self) -> None: ...


@dataclass
class _Board:
    writer: Any

    def add(self, step: int, values: Mapping[str, float]) -> None:
        for name, value in values.items():
            self.writer.add_scalar(name, value, step)

    def close(self) -> None:
        self.writer.close()


@dataclass
class _Wandb:
    run: Any = field(repr=False)

    def add(self, step: int, values: Mapping[str, float]) -> None:
        self.run.log(dict(values), step=step)

    def close(self) -> None:
        self.run.finish()


def new_curves(run: TrainRun, out: Path) -> _NoCurves | _Board | _Wandb:
    """Where curves go.

    Raises:
        FaceLLMError: If what was asked for is not installed.
    """
    asked = run.keep.report_to
    if asked == "tensorboard":
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise FaceLLMError(_missing("tensorboard", "facellm[train]")) from error
        return _Board(SummaryWriter(str(out / "tensorboard")))
    if asked == "wandb":
        try:
            import wandb  # type: ignore[import-not-found]
        except ImportError as error:
            raise FaceLLMError(_missing("wandb", "wandb")) from error
        return _Wandb(wandb.init(project="facellm", dir=str(out), config=run.to_dict()))
    return _NoCurves()


def _missing(name: str, package: str) -> str:
    return f"curves are to go to {name}, which is not installed: pip install '{package}'"
