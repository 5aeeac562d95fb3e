"""Scorers: an answer of any way -> what it says and whether that is right.

A task picks one and says which value of a ``Reading`` answers it; words are read by
``facellm.eval.scoring``. Whatever cannot be read is counted under its own name and, for labels, is
wrong: nothing leaves the denominator.

Example: ``label_scorer(lambda reading: reading.expression, family("expression"))``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from facellm.labels import MAX_AGE
from facellm.reading import Reading

from ..scoring.age_text import read_age
from ..scoring.choice_text import letters_of, read_choice
from ..scoring.closed import choice_of, option_probabilities
from ..scoring.free_text import read_label
from ..scoring.lexicon import Family, family_of
from ..scoring.outcome import Parsed
from .sample import (
    ANSWERED,
    LETTER,
    OPTIONS,
    OUT_OF_RANGE,
    READING,
    TOO_LONG,
    UNPARSED,
    Answer,
    Sample,
    Score,
)
from .task import Scorer

Shares = Mapping[str, float]


def label_of(target: Any) -> str | None:
    """The label of a target that is one, or that holds one under ``label``."""
    return target.get("label") if isinstance(target, Mapping) else target


def outcome_of(parsed: Parsed, answer: Answer) -> str:
    """Name under which an answer in words is counted."""
    if parsed.kind == UNPARSED and answer.detail == TOO_LONG:
        return TOO_LONG
    return ANSWERED if parsed.kind == "label" else parsed.kind


def label_scorer(
    from_reading: Callable[[Reading], Shares] | None = None,
    words: Family | None = None,
    read_words: Callable[[str], Parsed] | None = None,
) -> Scorer:
    """Scorer of closed label sets; the target is a label, or a mapping that holds ``label``.

    Args:
        from_reading: Share of every option by the reading; None where no reading answers the task.
        words: How free text names the options; None takes the options' own words.
        read_words: Reads free text in place of ``words``: yes and no, for one.
    """

    def score(sample: Sample, answer: Answer) -> Score:
        if answer.failure:
            return wrong(sample, answer.failure)
        shares = shares_of(sample, answer, from_reading)
        if shares is not None:
            parsed = choice_of(np.array(list(shares.values())), sample.options)
        elif answer.way == LETTER:
            parsed = lettered(answer.text, sample.options)
        elif read_words is not None:
            parsed = read_words(answer.text)
        else:
            parsed = read_label(answer.text, words or own_words(sample.options), sample.options)
        if parsed.label is None:
            return wrong(sample, outcome_of(parsed, answer), shares)
        label = label_of(sample.target)
        value = None if label is None else float(parsed.label == label)
        return Score(ANSWERED, parsed.label, value, shares)

    return score


def own_words(options: tuple[str, ...]) -> Family:
    """A family whose labels are named by themselves alone."""
    return family_of({option: [re.escape(option)] for option in options})


def lettered(text: str, options: tuple[str, ...]) -> Parsed:
    """The option whose letter an answer gives, by its own name."""
    parsed = read_choice(text, options)
    names = dict(zip(letters_of(len(options)), options, strict=True))
    return replace(parsed, labels=tuple(names.get(letter, letter) for letter in parsed.labels))


def shares_of(
    sample: Sample, answer: Answer, from_reading: Callable[[Reading], Shares] | None
) -> dict[str, float] | None:
    """Share of every option, in their order, where the answer gives them.

    Raises:
        ValueError: If the answer is a reading and the task takes none: a bug of the task.
    """
    if answer.way == OPTIONS:
        assert answer.logprobs is not None
        found = option_probabilities([[min(value, 0.0)] for value in answer.logprobs])
        return dict(zip(sample.options, found.tolist(), strict=True))
    if answer.way != READING:
        return None
    if from_reading is None or answer.reading is None:
        raise ValueError(f"{sample.id}: this task is not answered by a reading")
    read = from_reading(Reading.from_dict(answer.reading))
    return {name: float(read[name]) for name in sample.options}


def wrong(sample: Sample, outcome: str, shares: Shares | None = None) -> Score:
    """Score of no answer: wrong, where the sample has a label."""
    return Score(outcome, None, None if label_of(sample.target) is None else 0.0, shares)


def age_scorer() -> Scorer:
    """Scorer of an apparent age, years; the value is the absolute error.

    An age over 116 is ``out_of_range``: it is counted, and adds nothing to the mean error.
    """

    def score(sample: Sample, answer: Answer) -> Score:
        if answer.failure:
            return Score(answer.failure)
        if answer.way == READING:
            assert answer.reading is not None
            years: float | None = Reading.from_dict(answer.reading).age.mean
            outcome = ANSWERED
        else:
            parsed = read_age(answer.text, MAX_AGE)
            years, outcome = parsed.number, outcome_of(parsed, answer)
        if outcome != ANSWERED or years is None:
            return Score(outcome, years if outcome == OUT_OF_RANGE else None)
        return Score(ANSWERED, years, abs(years - float(sample.target)))

    return score
