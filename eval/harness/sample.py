"""Sample, Answer, Score, Row: the values that go through a run, in this order.

Example::

    Sample("fer2013/32297", (Media(data=b"RIFF..."),), "Which expression does this face show?",
           options=EXPRESSIONS, target={"label": "happiness", "votes": [0, 9, 1, ...]})
    Answer("options", logprobs=(-3.1, -0.2, ...))
    Score(ANSWERED, said="happiness", value=1.0, shares={"neutral": .04, "happiness": .81, ...})

All are plain values; ``Answer`` and ``Score`` go to disk as JSON and come back equal.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from .media import Media

# How a model is asked. CLOSED becomes OPTIONS where the model gives log-probabilities, else LETTER.
READING, CLOSED, FREE = "reading", "closed", "free"
OPTIONS, LETTER = "options", "letter"
WAYS = (READING, CLOSED, FREE)

# What became of a question, each counted under its own name. Only the first is an answer.
ANSWERED = "answered"
# Kinds of ``scoring.outcome.Parsed`` that are no answer: words that could not be taken for one.
UNPARSED, OUT_OF_RANGE = "unparsed", "out_of_range"
WORDLESS = ("several", "outside", UNPARSED, "refused", "empty", "repeated", OUT_OF_RANGE)
TOO_LONG, NO_LOGPROBS, NO_FACE = "cut off", "no log-probabilities", "no face"
TIMEOUT, UNREACHABLE, REJECTED = "timeout", "unreachable", "rejected by the endpoint"
UNREADABLE, BROKEN = "picture unreadable", "model error"
OUTCOMES = (
    *(ANSWERED, *WORDLESS, TOO_LONG, NO_LOGPROBS, NO_FACE),
    *(TIMEOUT, UNREACHABLE, REJECTED, UNREADABLE, BROKEN),
)
FLIPPED = "flipped"  # column of a changed copy: its answer is not that of the unchanged sample
UNSEEN = frozenset({NO_FACE, UNREADABLE})  # the model was shown nothing
# Of the moment, not of the model: never kept, so a resumed run asks again.
PASSING = frozenset({TIMEOUT, UNREACHABLE})


@dataclass(frozen=True)
class Sample:
    """One question about one or more pictures, and what is right.

    Attributes:
        id: Stable and unique inside of the task; two models are compared by it.
        media: What is shown, in the order the question speaks of.
        question: As a person would ask it, without "answer with one of".
        options: Labels of a closed question, in a fixed order; empty for an open one.
        target: What is right, JSON-ready, in the form the task's scorer and metrics expect; None
            where nothing is.
        columns: Name -> value of what results may be sliced by (``group``, ``age_band``); never
            shown to a model.
        cluster: Person, clip or scene: rows of one are not independent, and intervals draw them
            together. None where every sample stands alone.
        pair: Id of the unchanged sample that this is a changed copy of; None for itself.
    """

    id: str
    media: tuple[Media, ...]
    question: str = ""
    options: tuple[str, ...] = ()
    target: Any = None
    columns: Mapping[str, Any] = field(default_factory=dict)
    cluster: str | None = None
    pair: str | None = None

    def digest(self) -> str:
        """SHA-256 of everything a model is shown; target and columns are not."""
        parts = [self.question, list(self.options), [medium.digest() for medium in self.media]]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True)
class Answer:
    """What a model said.

    Attributes:
        way: ``reading``, ``options``, ``letter`` or ``free``.
        text: Its words; empty for ``reading`` and ``options``.
        logprobs: Natural log-probability of each option, in their order, normalised over them.
        reading: ``Reading.to_dict()``; of a clip the mean over its frames.
        failure: One of ``OUTCOMES`` but ``ANSWERED`` where the model gave no answer, else empty.
        detail: What exactly went wrong.
        verdicts: What each judge said about the answer, for tasks that ask one.
    """

    way: str
    text: str = ""
    logprobs: tuple[float, ...] | None = None
    reading: dict[str, Any] | None = None
    failure: str = ""
    detail: str = ""
    verdicts: tuple[str, ...] = ()

    def to_json(self) -> str:
        """One line."""
        held = {name: value for name, value in asdict(self).items() if value not in ("", None, ())}
        return json.dumps(held, ensure_ascii=False, sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Answer:
        """Inverse of ``to_json``."""
        record = json.loads(text)
        for name in ("logprobs", "verdicts"):
            if name in record:
                record[name] = tuple(record[name])
        return cls(**record)


@dataclass(frozen=True)
class Score:
    """What an answer comes to.

    Attributes:
        outcome: One of ``OUTCOMES``.
        said: The label, number or mapping read out of the answer, JSON-ready; None without one.
        value: What the sample adds to the task's first metric: 1.0 right and 0.0 wrong, or an error
            in the target's unit; None where it does not count.
        shares: Probability of each label, where the model gives them.
    """

    outcome: str
    said: Any = None
    value: float | None = None
    shares: Mapping[str, float] | None = None


@dataclass(frozen=True)
class Row:
    """One scored sample: what metrics, groups, reports and comparisons are taken from.

    Attributes:
        id: Of the sample; so are ``target``, ``columns``, ``cluster`` and ``pair``.
        target: What is right.
        columns: What may be sliced by.
        cluster: Rows drawn together, or None.
        pair: The unchanged sample, or None.
        answer: What the model said.
        score: What it comes to.
    """

    id: str
    target: Any
    columns: Mapping[str, Any]
    cluster: str | None
    pair: str | None
    answer: Answer
    score: Score

    @classmethod
    def of(cls, sample: Sample, answer: Answer, score: Score) -> Row:
        """A sample with its answer and score."""
        held = (sample.id, sample.target, dict(sample.columns), sample.cluster, sample.pair)
        return cls(*held, answer, score)


def with_pairs(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Rows, the changed copies among them with the column ``flipped``.

    A copy has none where it or its unchanged sample could not be shown: then no answer can flip.

    Raises:
        ValueError: If a copy's unchanged sample is not among them: a bug of the task.
    """
    plain = {row.id: row.score for row in rows if row.pair is None}
    lost = [row.id for row in rows if row.pair is not None and row.pair not in plain]
    if lost:
        raise ValueError(f"{len(lost)} copies without their sample, first {lost[0]!r}")
    return tuple(
        row
        if row.pair is None or {row.score.outcome, plain[row.pair].outcome} & UNSEEN
        else replace(row, columns={**row.columns, FLIPPED: row.score.said != plain[row.pair].said})
        for row in rows
    )
