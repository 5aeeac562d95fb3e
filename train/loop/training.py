"""The loop: batches in, steps taken, checkpoints and curves out.

Example::

    train(TrainJob(load_run(Path("faces.yaml")), Path("runs/faces")))  # -> runs/faces/model

A step is ``global_batch`` rows: on each rank some micro batches, whose losses are means over the
whole step (``amounts``). All that a step depends on is its number, the seed and the random states,
so a run that is killed and resumed ends with the weights of one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch

from facellm.errors import FaceLLMError

from ..data.feature_cache import FeatureCache
from ..objectives import objectives_of
from ..run_config import TrainRun
from ..sample import Setting, TrainBatch
from ..trainee import Trainee
from .amounts import keep_in_step, share_amounts
from .checkpoints import Checkpoints, Progress, latest_checkpoint
from .ds_engine import BYTES_A_NUMBER, DeepSpeedEngine, join_ranks
from .engines import (
    Engine,
    Groups,
    objective_groups,
    trained_numbers,
)
from .finish import write_model
from .job import Stream, TrainJob
from .random_states import seed_all
from .ranks import Ranks, find_ranks
from .rates import rate_at, steps_of
from .run_folder import RunFolder, record_of
from .single import SingleEngine
from .telling import StepFacts, Teller
from .validation import valid_losses


def train(job: TrainJob) -> Path:
    """Run a job to its end.

    Returns:
        The folder of the trained model.

    Raises:
        FaceLLMError: If the folder is another run's or in use, if data or disk cannot be used, or
            if a loss is no number; the last checkpoint stays.
    """
    ranks = find_ranks(job.run)
    if job.run.engine.kind == "deepspeed":
        join_ranks(ranks)
    with claimed(job, ranks) as folder:
        take_steps(job, ranks)
        if ranks.first:
            write_model(folder.path, job.run, job.makers)
        ranks.wait()
    return folder.model


def take_steps(job: TrainJob, ranks: Ranks) -> None:
    """All steps that are left; the model is let go of afterwards."""
    training = Training(job, ranks)
    try:
        training.to_end()
    finally:
        training.close()


@contextmanager
def claimed(job: TrainJob, ranks: Ranks) -> Iterator[RunFolder]:
    """The run's folder, locked by the first rank."""
    folder = RunFolder(job.out)
    if not ranks.first:
        ranks.wait()
        yield folder
        return
    with folder.locked():
        folder.open(record_of(job.run, ranks.world), resume=job.resume)
        ranks.wait()
        yield folder


@dataclass(frozen=True)
class Built:
    """Model and losses of a run, ready for an engine."""

    setting: Setting
    trainee: Trainee
    groups: Groups


def build(job: TrainJob) -> Built:
    """Model, parts and objectives; the same weights on every rank."""
    run = job.run
    seed_all(run.schedule.seed)
    model, processor = job.makers.build_model(run)
    groups = job.makers.prepare_parts(model, run)
    if run.schedule.recompute:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    setting = Setting(model, processor, run)
    trainee = Trainee(model, objectives_of(setting))
    return Built(setting, trainee, groups + objective_groups(trainee, run))


def new_engine(built: Built, run: TrainRun, ranks: Ranks) -> Engine:
    """The engine a config asks for."""
    if run.engine.kind == "single":
        return SingleEngine(built.trainee, built.groups, run, ranks.device)
    tell = print if ranks.first else (lambda line: None)
    return DeepSpeedEngine(built.trainee, built.groups, run, ranks, tell)


class Training:
    """A run on one rank, from its last checkpoint on."""

    def __init__(self, job: TrainJob, ranks: Ranks) -> None:
        self.job, self.run, self.ranks = job, job.run, ranks
        built = build(job)
        self.setting, self.trainee = built.setting, built.trainee
        self.features = self._feature_cache()
        with ExitStack() as opened:  # what fails here leaves no process behind
            self.stream = opened.enter_context(closing(self._stream("train")))
            self.valid = self._valid_stream()
            if self.valid is not None:
                opened.enter_context(closing(self.valid))
            self.steps = steps_of(self.run.schedule, self.stream.steps_per_epoch)
            size = trained_numbers(built.groups) * BYTES_A_NUMBER
            self.checkpoints = Checkpoints(job.out, ranks, self.run.keep.checkpoints, size)
            self.engine = new_engine(built, self.run, ranks)
            seed_all(self.run.schedule.seed + ranks.rank)
            self.progress = Progress()
            latest = latest_checkpoint(job.out)
            if latest is not None:
                self.progress = self.checkpoints.load(latest, self.engine.load)
            self.teller = self._new_teller()
            opened.enter_context(closing(self.teller))
            self.teller.left_out(self.stream.left_out)
            self._opened = opened.pop_all()

    def _new_teller(self) -> Teller:
        return Teller(
            self.run,
            self.job.out,
            (self.progress.step, self.steps),
            speaks=self.ranks.first,
            quiet=self.job.quiet,
        )

    def close(self) -> None:
        """End processes and close files."""
        self._opened.close()

    def to_end(self) -> None:
        """Take the steps that are left."""
        self.engine.train(True)
        while self.progress.step < self.steps:
            facts = self.take_step(self.progress.step)
            step, seconds = self.progress.step + 1, self.progress.seconds + facts.seconds
            self.progress = Progress(step, seconds)
            self.teller.step(step, step / self.stream.steps_per_epoch, facts, seconds)
            last = step == self.steps
            if step % self.run.keep.save_every == 0 or last:
                self.checkpoints.save(self.progress, self.engine.save)
            every = self.run.keep.valid_every
            if last or (every and step % every == 0):
                self._validate(step)

    def take_step(self, step: int) -> StepFacts:
        """Take optimizer step ``step``, counted from 0; ``to_end`` says and saves besides."""
        start = time.monotonic()
        batches = self.stream.micro_batches(step)
        self._check_count(batches, step)
        share_amounts(batches, self.trainee, self.ranks)
        tokens, places = sum(b.tokens for b in batches), sum(b.segments.numel() for b in batches)
        sums: dict[str, float] = {}
        for batch in batches:
            losses = self._forward(batch, step)
            self.engine.backward(losses["total"])
            for name, loss in losses.items():
                sums[name] = sums.get(name, 0.0) + float(loss.detach())
        rate = rate_at(self.run.schedule, step, self.steps)
        norm = self.engine.step(rate)
        if not math.isfinite(norm):
            raise self._no_number("the gradient", step, batches)
        means = self.over_ranks(sums, len(batches))
        tokens, places = self.ranks.sum(torch.tensor([tokens, places])).int().tolist()
        return StepFacts(means, norm, rate, tokens, places, time.monotonic() - start)

    def _forward(self, batch: TrainBatch, step: int) -> dict[str, torch.Tensor]:
        if self.ranks.world > 1:
            keep_in_step(batch, self.setting)
        losses = self.engine.forward(batch)
        if not torch.isfinite(losses["total"].detach()):
            wrong = [n for n, loss in losses.items() if not torch.isfinite(loss) and n != "total"]
            raise self._no_number(f"loss {', '.join(wrong) or 'total'}", step, [batch])
        return losses

    def over_ranks(self, sums: dict[str, float], count: int) -> dict[str, float]:
        """Sums over ``count`` micro batches of this rank -> means over those of all ranks."""
        names = ["total", *(objective.name for objective, _ in self.trainee.objectives)]
        mine = torch.tensor([sums.get(name, 0.0) for name in names], dtype=torch.float64)
        means = self.ranks.sum(mine) / (count * self.ranks.world)
        return dict(zip(names, means.tolist(), strict=True))

    def _check_count(self, batches: list[TrainBatch], step: int) -> None:
        plan = self.run.schedule
        wanted = plan.global_batch // (plan.micro_batch * self.ranks.world)
        if len(batches) != wanted:
            raise RuntimeError(f"step {step}: {len(batches)} micro batches, {wanted} expected")

    def _no_number(self, what: str, step: int, batches: list[TrainBatch]) -> FaceLLMError:
        ids = ", ".join(sample.id for batch in batches for sample in batch.samples)
        latest = latest_checkpoint(self.job.out)
        kept = f"{latest} is kept" if latest else "there is no checkpoint yet"
        return FaceLLMError(f"{what} is no number at step {step + 1}; {kept}; samples: {ids}")

    def _stream(self, split: str) -> Stream:
        return self.job.makers.new_stream(
            self.run,
            self.setting.processor,
            rank=self.ranks.rank,
            world=self.ranks.world,
            split=split,
            features=self.features,
        )

    def _feature_cache(self) -> FeatureCache | None:
        """Made while the tower is whole: ZeRO-3 cuts it up."""
        if not self.run.data.features:
            return None
        tower = self.setting.model.vision_tower.to(self.ranks.device)
        return FeatureCache(self.run, tower, self.setting.processor)

    def _valid_stream(self) -> Stream | None:
        """Opened with the run, so that a missing split is told at its beginning, not at its end."""
        if not self.run.keep.valid_rows:
            return None
        try:
            return self._stream("valid")
        except FaceLLMError as error:
            raise FaceLLMError(f"{error}; --set keep.valid_rows=0 trains without it") from error

    def _validate(self, step: int) -> None:
        """Losses of the validation split; random states are as before it."""
        if self.valid is None:
            return
        with torch.random.fork_rng():
            self.engine.train(False)
            losses = valid_losses(self, self.valid)
            self.engine.train(True)
        self.teller.valid(step, losses)
