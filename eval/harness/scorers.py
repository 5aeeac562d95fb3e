"""Scorers: an answer of any way -> what it says and whether that is right.

A task picks one and says which value of a ``Reading`` answers it. Whatever cannot be read is counted
under its own name and, for labels, is wrong: nothing leaves the denominator.

Example: ``label_scorer(lambda reading: reading.expression)``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from facellm.reading import Reading

from .reading_text import read_label, read_letter, read_number
from .sample import (
    ANSWERED,
    FREE,
    LETTER,
    OPTIONS,
    OUT_OF_RANGE,
    READING,
    UNPARSED,
    Answer,
    Sample,
    Score,
)
from .task import Scorer

Shares = Mapping[str, float]
Synonyms = Mapping[str, tuple[str, ...]]


def label_of(target: Any) -> str | None:
    """The label of a target that is one, or that holds one under ``label``."""
    return target.get("label") if isinstance(target, Mapping) else target


def label_scorer(from_reading: Callable[[Reading], Shares] | None = None) -> Scorer:
    """Scorer of closed label sets; the target is a label, or a mapping that holds ``label``.

    Args:
        from_reading: Share of every option by the reading; None where no reading answers the task.
    """

    def score(sample: Sample, answer: Answer) -> Score:
        if answer.failure:
            return wrong(sample, answer.failure)
        shares = shares_of(sample, answer, from_reading)
        if shares is not None:
            return judged(sample, max(sample.options, key=lambda name: shares[name]), shares)
        read = {LETTER: read_letter, FREE: read_label}[answer.way]
        outcome, said = read(answer.text, sample.options)
        return judged(sample, said, None) if outcome == ANSWERED else wrong(sample, outcome)

    return score


def shares_of(
    sample: Sample, answer: Answer, from_reading: Callable[[Reading], Shares] | None
) -> dict[str, float] | None:
    """Share of every option, where the answer gives them.

    Raises:
        ValueError: If the answer is of a way that the task does not take: a bug of the task.
    """
    if answer.way == OPTIONS:
        assert answer.logprobs is not None
        pairs = zip(sample.options, answer.logprobs, strict=True)
        return {name: math.exp(value) for name, value in pairs}
    if answer.way != READING:
        return None
    if from_reading is None or answer.reading is None:
        raise ValueError(f"{sample.id}: this task is not answered by a reading")
    found = from_reading(Reading.from_dict(answer.reading))
    return {name: float(found[name]) for name in sample.options}


def judged(sample: Sample, said: str, shares: Shares | None) -> Score:
    """Score of a label that was said."""
    label = label_of(sample.target)
    return Score(ANSWERED, said, None if label is None else float(said == label), shares)


def wrong(sample: Sample, outcome: str) -> Score:
    """Score of no answer: wrong, where the sample has a label."""
    return Score(outcome, value=None if label_of(sample.target) is None else 0.0)


def number_scorer(
    from_reading: Callable[[Reading], float], low: float, high: float
) -> Scorer:
    """Scorer of a number; the value is the absolute error, in the target's unit.

    Args:
        from_reading: The number by the reading.
        low: Least number that is an answer; others are ``out of range``.
        high: Largest.
    """

    def score(sample: Sample, answer: Answer) -> Score:
        if answer.failure:
            return Score(answer.failure)
        if answer.way == READING:
            assert answer.reading is not None
            said: float | None = float(from_reading(Reading.from_dict(answer.reading)))
        else:
            said = read_number(answer.text)
        if said is None:
            return Score(UNPARSED)
        if not low <= said <= high:
            return Score(OUT_OF_RANGE, said)
        return Score(ANSWERED, said, abs(said - float(sample.target)))

    return score
