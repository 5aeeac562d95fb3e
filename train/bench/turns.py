"""Ways of training that take turns, so that another load of the machine falls on all of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facellm.bench_lines import Line, spread

from ..build_model import build_model
from ..data.stream import BatchStream
from ..loop.job import Makers, TrainJob
from ..loop.ranks import find_ranks
from ..loop.training import Training
from ..parts import prepare_parts
from ..run_config import TrainRun
from ..sample import TrainBatch, TrainingSample
from .model_flops import Work, work_of


@dataclass(frozen=True)
class Turn:
    """What one way did in one turn.

    Attributes:
        seconds: It took.
        places: Of its batches, padding included.
        steps: Optimizer steps.
        work: What was learned from.
    """

    seconds: float
    places: int
    steps: int
    work: Work

    @property
    def rate(self) -> float:
        """Tokens a second that are no padding."""
        return self.work.tokens / self.seconds


def in_turns(ways: Mapping[str, Callable[[], Any]], runs: int) -> dict[str, list[Any]]:
    """Call every way ``runs`` times, A B C A B C; one round more goes first and is not counted."""
    found: dict[str, list[Any]] = {name: [] for name in ways}
    for _ in range(runs + 1):
        for name, way in ways.items():
            found[name].append(way())
    return {name: values[1:] for name, values in found.items()}


def ratio(name: str, above: list[float], below: list[float]) -> Line:
    """One list over the other, turn by turn."""
    return spread(name, [a / b for a, b in zip(above, below, strict=True)], "x")


class WatchedStream(BatchStream):
    """The trainer's own stream, that remembers what it handed out."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.shown: list[TrainingSample] = []

    def micro_batches(self, step: int) -> list[TrainBatch]:
        """This rank's micro batches."""
        batches = super().micro_batches(step)
        self.shown += [sample for batch in batches for sample in batch.samples]
        return batches


class Steps:
    """The trainer's own loop, some steps a turn.

    Args:
        run: What is trained.
        out: Folder of the run; created.
        count: Steps of a turn.
    """

    def __init__(self, run: TrainRun, out: Path, count: int) -> None:
        self.streams: list[WatchedStream] = []
        out.mkdir(parents=True, exist_ok=True)
        job = TrainJob(run, out, quiet=True, makers=Makers(build_model, prepare_parts, self._new))
        self.training = Training(job, find_ranks(run))
        self.training.engine.train(True)
        self.count, self.step = count, 0

    def _new(self, *args: Any, **kwargs: Any) -> WatchedStream:
        self.streams.append(WatchedStream(*args, **kwargs))
        return self.streams[-1]

    def take(self) -> Turn:
        """The next turn."""
        stream, facts = self.streams[0], []
        stream.shown.clear()
        for _ in range(self.count):
            facts.append(self.training.take_step(self.step))
            self.step += 1
        return Turn(
            sum(fact.seconds for fact in facts),
            sum(fact.places for fact in facts),
            self.count,
            work_of(stream.shown),
        )

    def close(self) -> None:
        """End the run."""
        self.training.close()
