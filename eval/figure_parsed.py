"""The same figures from the words: questions are asked, the answers parsed, the claims scored.

The expression an answer gives is the first one it names, also where it leaves the expression open
("it may be happiness or surprise"); how many are left open is a line of its own. An answer that
names none is wrong.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facellm.answers import AnswerClaims, parse_answer
from facellm.labels import EXPRESSIONS
from facellm.votes import published_majority

from .answering import Answered, ask_many
from .figure import Figure, Findings, Goal
from .held_out import HeldOut, spread
from .statistics import estimate, mean_statistic, share

EXPRESSION_ROWS, PERSON_ROWS = 640, 1000
EXPRESSION_QUESTION = "What expression does this face show?"
AGE_QUESTION, GENDER_QUESTION = "How old does this person look?", "Is this a man or a woman?"


def ask_rows(
    held_out: HeldOut, name: str, rows: NDArray[np.int64], question: str
) -> list[Answered]:
    """One question about each of some rows of a set."""
    crops = [held_out.crop(name, int(row)) for row in rows]
    return ask_many(held_out.assistant, crops, [question] * len(crops))


def first_claims(answers: list[Answered]) -> list[AnswerClaims]:
    """What each answer says about its one face."""
    return [parse_answer(answer.text)[0] for answer in answers]


def parsed_figures(held_out: HeldOut) -> Findings:
    """Expression, age and gender out of the answers."""
    return Findings([*expression_lines(held_out), *person_lines(held_out)])


def expression_lines(held_out: HeldOut) -> list[Figure]:
    """Expression accuracy on FER+ test, published denominator."""
    rows = held_out.rows("ferplus")
    truth = published_majority(np.asarray(held_out.data("ferplus").labels["votes"][rows], np.int64))
    rows = spread(rows[truth >= 0], EXPRESSION_ROWS)
    truth = published_majority(np.asarray(held_out.data("ferplus").labels["votes"][rows], np.int64))
    answers = ask_rows(held_out, "ferplus", rows, EXPRESSION_QUESTION)
    claims = first_claims(answers)
    named = [claim.expressions[0] if claim.expressions else None for claim in claims]
    right = [name == EXPRESSIONS[index] for name, index in zip(named, truth, strict=True)]
    read = [answer.reading.top_expression for answer in answers]
    agree = [name == top for name, top in zip(named, read, strict=True)]
    silent = sum(name is None for name in named)
    note = f"evenly spaced rows; {silent} answers name none"
    return [
        Figure(
            "parsed answer: FER+ expression accuracy, published",
            share(right),
            Goal(0.75),
            note=note,
        ),
        Figure(
            "the reading: expression accuracy on the same rows",
            share([top == EXPRESSIONS[index] for top, index in zip(read, truth, strict=True)]),
        ),
        Figure("parsed answer: names the reading's expression", share(agree)),
        Figure("parsed answer: expression left open", share([claim.unsure for claim in claims])),
    ]


def person_lines(held_out: HeldOut) -> list[Figure]:
    """Age error and gender accuracy on UTKFace test."""
    rows = spread(held_out.rows("utkface"), PERSON_ROWS)
    labels = held_out.data("utkface").labels
    ages = [c.age for c in first_claims(ask_rows(held_out, "utkface", rows, AGE_QUESTION))]
    genders = first_claims(ask_rows(held_out, "utkface", rows, GENDER_QUESTION))
    said = np.array([np.nan if age is None else age for age in ages], np.float64)
    given = np.isfinite(said)
    errors = np.abs(said - labels["age"][rows])[given]
    truth = np.where(labels["male"][rows], "male", "female")
    right = [claim.gender == name for claim, name in zip(genders, truth, strict=True)]
    title = "parsed answer: UTKFace apparent age, mean absolute error"
    lines = [Figure("parsed answer: gives an age when asked", share(given))]
    if given.any():
        mean = estimate(mean_statistic(errors), len(errors))
        lines.insert(0, Figure(title, mean, Goal(7.0, at_least=False), "years"))
    return [
        *lines,
        Figure("parsed answer: UTKFace apparent gender accuracy", share(right), Goal(0.86)),
    ]
