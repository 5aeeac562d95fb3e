"""A task answered by a model: gather, ask what is not kept yet, score, measure.

Answers go to disk one by one as they come, so a run that is killed loses what was under way and
nothing else; ``--resume`` asks the rest and ends in the same results, byte for byte. Times are told
apart from results for that reason.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from facellm.errors import FaceLLMError

from ..statistics import Estimate
from .asking import Model, Request, request_of, way_for
from .floor import floor_rows
from .gather import Gathered, gather
from .groups import check_columns
from .measures import coverage
from .sample import FREE, OUTCOMES, UNREADABLE, Answer, Row, Sample, with_pairs
from .seen import Seen, seen_by
from .store import AnswerStore, answer_key
from .task import VALID, Metric, Task
from .temperature import Temperature, fit

MOVING = "latest"  # how names end that stand for another model every month
BLOCK = 256  # requests handed to a model at once
Tell = Callable[[str], None]


def silent(_: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True)
class Plan:
    """What of a task is run, and how.

    Attributes:
        task: Which.
        path: Where its data lie.
        split: Which split.
        limit: Most samples; None takes all.
        ask: Way asked for; empty leaves it to the task.
        by: Columns results are sliced by beside the task's own, ``"group & gender"`` two at once.
    """

    task: Task
    path: Path
    split: str
    limit: int | None = None
    ask: str = ""
    by: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Everything results are sliced by, each once."""
        return tuple(dict.fromkeys((*self.task.columns, *self.by)))


@dataclass(frozen=True)
class Timing:
    """How long a task took.

    Attributes:
        seconds: From the first question to the last answer.
        asked: Questions put to the model; the others were kept.
        pictures: Pictures or clips of the questions asked.
    """

    seconds: float
    asked: int
    pictures: int


@dataclass(frozen=True)
class TaskResult:
    """What came out of one task.

    Attributes:
        plan: What was run.
        way: How the model was asked.
        gathered: The samples.
        rows: One a sample, in their order.
        seen: Whether the model has seen the data.
        timing: How long it took.
        floor: Rows of the small network on the same samples, or None.
        temperature: Fitted on validation rows, where the task asks for one.
        judges: (name, digest) of those who rated the answers, in the order of their verdicts.
    """

    plan: Plan
    way: str
    gathered: Gathered
    rows: tuple[Row, ...]
    seen: Seen
    timing: Timing
    floor: tuple[Row, ...] | None = None
    temperature: Temperature | None = None

    def measured(self) -> list[tuple[Metric, Estimate]]:
        """Every metric and its estimate: the task's, the share answered, the fitted error."""
        fitted = () if self.temperature is None else (self.temperature.error(),)
        metrics = (*self.plan.task.metrics, coverage(), *fitted)
        return [(metric, metric.measure(self.rows)) for metric in metrics]

    def floor_measured(self) -> list[tuple[Metric, Estimate]] | None:
        """The same of the floor, but for the error after the model's own temperature."""
        if self.floor is None:
            return None
        return [(m, m.measure(self.floor)) for m in (*self.plan.task.metrics, coverage())]

    judges: tuple[tuple[str, str], ...] = ()

    def outcomes(self) -> dict[str, int]:
        """Outcome -> how many, those that happened, in the order of ``OUTCOMES``."""
        counts = Counter(row.score.outcome for row in self.rows)
        return {name: counts[name] for name in OUTCOMES if counts[name]}


@dataclass(frozen=True)
class Judges:
    """Models that rate answers; never the one under test.

    Attributes:
        asked: Each with what keeps its verdicts; every one is asked about every answer of a task
            that wants a judge.
    """

    asked: Sequence[tuple[Model, AnswerStore]] = ()

    @property
    def names(self) -> tuple[tuple[str, str], ...]:
        """(name, digest) of each."""
        return tuple((judge.name, judge.digest) for judge, _ in self.asked)

    def check(self, model: Model, task: Task) -> None:
        """Refuse a run without a judge, with the model as its own, or with a judge not pinned.

        Raises:
            FaceLLMError: Then; and where one judge is named twice, which would agree with itself.
        """
        if task.judge is None:
            return
        if not self.asked:
            raise FaceLLMError(f"task {task.name} needs a judge: --judge URL#MODEL")
        for judge, _ in self.asked:
            if model.digest == judge.digest or bare_name(model) == bare_name(judge):
                raise FaceLLMError(f"{model.name} is under test and cannot be its own judge")
            if bare_name(judge).endswith(MOVING):
                raise FaceLLMError(
                    f"judge {judge.name}: {MOVING!r} is another model tomorrow; name its version"
                )
        if len({bare_name(judge) for judge, _ in self.asked}) < len(self.asked):
            raise FaceLLMError("a judge is named twice; agreement needs two different models")


def bare_name(model: Model) -> str:
    """The model's own id, without where it is served: one model has many addresses."""
    return model.name.split()[0].rpartition("/")[2].casefold()


def run_task(
    plan: Plan, model: Model, store: AnswerStore, judges: Judges | None = None, tell: Tell = silent
) -> TaskResult:
    """Run a task.

    Raises:
        FaceLLMError: If the data cannot be read, the model cannot be asked the task's way, or no
            question at all could be put.
    """
    task, judges = plan.task, judges or Judges()
    judges.check(model, task)
    way = way_for(task, model, plan.ask)
    gathered = gather(task, plan.path, plan.split, plan.limit)
    check_columns(task.name, plan.by, gathered.samples)
    tell(f"{task.name}: {len(gathered.samples)} of {gathered.available} samples, by {way}")
    start = time.monotonic()
    found, asked = ask_all(task, model, way, gathered.samples, store)
    answers = judged(task, gathered.samples, found, judges) if task.judge else found
    pairs = list(zip(gathered.samples, answers, strict=True))
    rows = with_pairs([Row.of(one, answer, task.score(one, answer)) for one, answer in pairs])
    pictures = sum(len(gathered.samples[place].media) for place in asked)
    timing = Timing(time.monotonic() - start, len(asked), pictures)
    by = judges.names if task.judge else ()
    seen = seen_by(model, task, plan.split)
    return TaskResult(plan, way, gathered, rows, seen, timing, judges=by)


def ask_all(
    task: Task, model: Model, way: str, samples: Sequence[Sample], store: AnswerStore
) -> tuple[list[Answer], list[int]]:
    """The answer to every sample, kept ones first, and the places that had to be asked."""
    found: dict[int, Answer] = {}
    waiting: list[tuple[int, Request, str]] = []
    for place, sample in enumerate(samples):
        request = request_of(task, sample, way)
        try:
            key = answer_key(model, task, request)
        except FaceLLMError as error:
            found[place] = Answer(way, failure=UNREADABLE, detail=str(error))
            continue
        held = store.get(key)
        if held is None:
            waiting.append((place, request, key))
        else:
            found[place] = held
    for start in range(0, len(waiting), BLOCK):
        block = waiting[start : start + BLOCK]
        for index, answer in model.answers([request for _, request, _ in block]):
            place, _, key = block[index]
            store.put(key, answer)
            found[place] = answer
    missing = [samples[place].id for place in range(len(samples)) if place not in found]
    if missing:
        raise FaceLLMError(f"{model.name} gave no answer to {len(missing)}, first {missing[0]!r}")
    return [found[place] for place in range(len(samples))], [place for place, _, _ in waiting]


def judged(
    task: Task, samples: Sequence[Sample], answers: Sequence[Answer], judges: Judges
) -> list[Answer]:
    """Answers with each judge's verdict; an answer that failed is not judged."""
    verdicts: dict[int, list[str]] = {place: [] for place in range(len(samples))}
    for judge in judges.asked:
        for place, verdict in _verdicts(task, samples, answers, judge):
            verdicts[place].append(verdict)
    return [replace(answer, verdicts=tuple(verdicts[n])) for n, answer in enumerate(answers)]


def _verdicts(
    task: Task,
    samples: Sequence[Sample],
    answers: Sequence[Answer],
    judge: tuple[Model, AnswerStore],
) -> Iterator[tuple[int, str]]:
    """(place, words) of one judge; empty words where the judge failed."""
    assert task.judge is not None
    places = [place for place, answer in enumerate(answers) if not answer.failure]
    asked = [
        Sample(samples[p].id, samples[p].media, task.judge(samples[p], answers[p])) for p in places
    ]
    said, _ = ask_all(task, judge[0], FREE, asked, judge[1])
    yield from ((place, answer.text) for place, answer in zip(places, said, strict=True))


def with_floor(result: TaskResult, folder: Path) -> TaskResult:
    """The result with the small network's rows beside it, where its task wants them."""
    plan = result.plan
    if not plan.task.floor:
        return result
    floor = floor_rows(plan.task, plan.path, result.gathered.samples, folder)
    return replace(result, floor=floor)


def with_temperature(result: TaskResult, run: Callable[[Plan], TaskResult]) -> TaskResult:
    """The result with a temperature fitted on validation rows, where its task wants one.

    Args:
        result: Of any split; the validation split itself is halved, and measured on the other half.
        run: How the same model is run on the validation split.
    """
    plan = result.plan
    if not plan.task.temperature:
        return result
    rows = None if plan.split == VALID else run(replace(plan, split=VALID)).rows
    return replace(result, temperature=fit(result.rows, rows))
