"""Where a task's data lies, and its samples: found, split, counted, checked."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.folders import default_data
from facellm.readers.row import Rejection

from .media import spaced
from .sample import Sample
from .task import Task


@dataclass(frozen=True)
class Gathered:
    """Samples of one split.

    Attributes:
        samples: At most the limit, evenly spaced over the split, in its order.
        available: How many the split holds.
        rejected: Reason -> rows of the set that could not be samples.
        path: Where they were read.
    """

    samples: tuple[Sample, ...]
    available: int
    rejected: dict[str, int] = field(default_factory=dict)
    path: Path | None = None

    def digest(self) -> str:
        """SHA-256 over ids, everything shown and what is held right."""
        found = hashlib.sha256()
        for sample in self.samples:
            found.update(f"{sample.id}\0{sample.digest()}\0{sample.target!r}\n".encode())
        return found.hexdigest()


def found_data(task: Task, given: Mapping[str, Path]) -> Path | None:
    """Where the data of a task lie: as ``--data`` says, else under the data folder; or None."""
    if task.data.source in given:
        path = given[task.data.source]
        return path if path.exists() else None
    places = (default_data() / place for place in task.data.places)
    return next((path for path in places if path.exists()), None)


def required_data(task: Task, given: Mapping[str, Path], agreed: Collection[str] = ()) -> Path:
    """Where the data of a task lie.

    Args:
        task: Which.
        given: Set -> path of ``--data``.
        agreed: Sets of ``--agreed``.

    Raises:
        FaceLLMError: If nowhere; the message says what is missing, where to get it and its terms.
            If the set asks for an agreement that was not said.
    """
    check_agreed(task, agreed)
    path = found_data(task, given)
    if path is not None:
        return path
    looked = given.get(task.data.source)
    at = str(looked) if looked else f"{default_data()}/{{{', '.join(task.data.places)}}}"
    raise FaceLLMError(
        f"task {task.name}: no data at {at}; {needs(task)}, then --data {task.data.source}=PATH"
    )


def check_agreed(task: Task, agreed: Collection[str]) -> None:
    """Refuse a set whose source wants an agreement that nobody said to hold.

    Raises:
        FaceLLMError: Then.
    """
    if task.data.agreement and task.data.source not in agreed:
        raise FaceLLMError(
            f"task {task.name}: {task.data.agreement}: say --agreed {task.data.source}"
        )


def needs(task: Task) -> str:
    """What a task's data must hold, where to get it and its terms, in words."""
    layout, terms = task.data.described()
    return f"it needs {layout}; get it from {task.data.where} ({terms})"


def read(task: Task, path: Path, split: str) -> Iterator[Sample | Rejection]:
    """The task's samples and rejections.

    Raises:
        FaceLLMError: If a file of the set is missing or cannot be read; the message says where to
            get the set.
    """
    try:
        yield from task.samples(path, split)
    except FaceLLMError as error:
        raise FaceLLMError(f"task {task.name}: {error}; {needs(task)}") from error


def gather(task: Task, path: Path, split: str, limit: int | None = None) -> Gathered:
    """The samples of a split.

    Raises:
        FaceLLMError: If the set cannot be read, holds no sample of the split, or one id twice.
    """
    samples: list[Sample] = []
    rejected: Counter[str] = Counter()
    ids: set[str] = set()
    for one in read(task, path, split):
        if isinstance(one, Rejection):
            rejected[one.reason] += 1
            continue
        if one.id in ids:
            raise FaceLLMError(f"task {task.name}: {path} holds two samples {one.id!r}")
        ids.add(one.id)
        samples.append(one)
    if not samples:
        reasons = "; ".join(f"{reason}: {n}" for reason, n in rejected.items()) or "no row at all"
        raise FaceLLMError(
            f"task {task.name}: {path} holds no sample of split {split} ({reasons}); {needs(task)}"
        )
    return Gathered(limited(samples, limit), len(samples), dict(rejected), path)


def limited(samples: list[Sample], limit: int | None) -> tuple[Sample, ...]:
    """At most ``limit`` samples, evenly spaced; a changed copy stays with what it is a copy of."""
    if limit is None or len(samples) <= limit:
        return tuple(samples)
    plain = [sample for sample in samples if sample.pair is None]
    share = max(1, round(limit * len(plain) / len(samples)))
    kept = {plain[place].id for place in spaced(len(plain), share)}
    return tuple(sample for sample in samples if (sample.pair or sample.id) in kept)
