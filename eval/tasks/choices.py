"""Multiple-choice benchmarks: a question of a file -> a sample, or why there is none; metrics.

Options are scored by log-probability where a model gives it, else by letter. The level of chance
stands beside every accuracy, since benchmarks mix questions of two, three and four options.

Example: ``choice_sample(Choice("facexbench", "utkface_single_mcq_age_test/7", ...))``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from facellm.errors import FaceLLMError
from facellm.labels import split_of
from facellm.readers.outcome import BAD_VALUE, NO_PICTURE
from facellm.readers.row import Rejection

from ..harness.measures import accuracy
from ..harness.media import Media
from ..harness.sample import Row, Sample
from ..harness.task import TEST, TRAIN, Metric
from ..statistics import Statistic, mean_statistic
from .not_asked import not_asked, reason_not_to_ask

MOST_OPTIONS = 26
CHANCE = "chance level"


@dataclass(frozen=True)
class Choice:
    """A multiple-choice question as its file has it.

    Attributes:
        source: Name of the benchmark.
        id: Stable key.
        question: Its words.
        options: In the order they are shown.
        right: Place of the right one.
        media: Pictures, in the order the question speaks of.
        where: File and place in it, for messages.
        columns: What results are sliced by.
        worded: Look through its words for what is not asked; False for texts about software, which
            speak of recognition without asking for it.
        cluster: Questions that are not independent: those about one picture.
    """

    source: str
    id: str
    question: str
    options: tuple[str, ...]
    right: int
    media: tuple[Media, ...]
    where: str
    columns: dict[str, str] = field(default_factory=dict)
    worded: bool = True
    cluster: str | None = None

    def rejected(self, reason: str, detail: str = "") -> Rejection:
        """Why it cannot be a sample."""
        return Rejection(self.source, self.id, "task", reason, detail, self.where)


def choice_sample(choice: Choice) -> Sample | Rejection:
    """The sample of a question; or a rejection: not asked, options that cannot be, no picture."""
    reason = reason_not_to_ask(choice.question, choice.options) if choice.worded else None
    if reason:
        return not_asked(choice.source, choice.id, reason, choice.where)
    plain = {" ".join(option.lower().split()) for option in choice.options}
    if not 2 <= len(choice.options) <= MOST_OPTIONS or len(plain) < len(choice.options):
        told = f"needs 2 to {MOST_OPTIONS} different options, got {list(choice.options)}"
        return choice.rejected(BAD_VALUE, told)
    if "" in plain or not 0 <= choice.right < len(choice.options):
        return choice.rejected(BAD_VALUE, f"right {choice.right} of {list(choice.options)}")
    lost = [m.path for m in choice.media if m.path is not None and not m.path.exists()]
    if lost:
        return choice.rejected(NO_PICTURE, f"{lost[0]}: no such file")
    target = {"label": choice.options[choice.right], "chance": 1 / len(choice.options)}
    told = (choice.question, choice.options, target, choice.columns, choice.cluster)
    return Sample(choice.id, choice.media, *told)


def in_split(split: str, key: str) -> bool:
    """Whether a question of a benchmark that has only a test set belongs to a split.

    ``test`` is all of it, as published; ``valid`` a tenth by hash; there is nothing to train on.
    """
    return split == TEST or (split != TRAIN and split_of(key) == "valid")


def shuffled(options: Sequence[str], key: str) -> tuple[int, ...]:
    """An order of options that depends on the key alone: ``order[place]`` is the option there."""
    seed = int.from_bytes(hashlib.sha256(key.encode()).digest()[:8], "big")
    return tuple(int(one) for one in np.random.default_rng(seed).permutation(len(options)))


def chance_level() -> Metric:
    """Accuracy of guessing, over the questions asked."""

    def of(rows: Sequence[Row]) -> Statistic:
        return mean_statistic([row.target["chance"] for row in rows])

    return Metric(CHANCE, of, more_is_better=None)


def accuracy_where(column: str, value: str, name: str = "") -> Metric:
    """Accuracy on the questions of one part."""
    whole = accuracy(name or f"accuracy, {value}")

    def counts(row: Row) -> bool:
        return row.columns.get(column) == value

    return Metric(whole.name, whole.of, counts, share=True)


def choice_metrics(column: str, parts: Iterable[str]) -> tuple[Metric, ...]:
    """Accuracy, chance, and accuracy of every part."""
    return (accuracy(), chance_level(), *(accuracy_where(column, part) for part in parts))


def first_existing(*places: Path) -> Path:
    """The first place that exists, else the first: that it is missing is told with the sample."""
    return next((place for place in places if place.exists()), places[0])


@contextmanager
def as_published(where: str, benchmark: str) -> Iterator[None]:
    """Turn a field that is missing or of another kind into words.

    Raises:
        FaceLLMError: Then; naming the place and the field.
    """
    try:
        yield
    except FaceLLMError:
        raise
    except (AttributeError, IndexError, KeyError, TypeError, ValueError) as error:
        raise FaceLLMError(f"{where}: not a row of {benchmark} ({error!r})") from error
