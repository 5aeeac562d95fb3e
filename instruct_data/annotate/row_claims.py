"""Answers held against what their row knows: does a text say what the labels do not?

The lexicon is the product's (``facellm.claims``). What a clause denies ("no sign of anger") is not
claimed. Compared is only what the row labels or the landmarks measure.

Example: ``contradictions("Anger shows on this face.", facts)`` of a face that 8 of 10 people read
as sadness -> ``["expression anger, labelled sadness"]``.
"""

from __future__ import annotations

import re

from facellm.answers import AnswerClaims, parse_answer, wrong_angles
from facellm.labels import FACS

from ..grammar_sentences import LEVELS
from .facts import Facts

PERCENT_TOLERANCE = 5
_DENIED = re.compile(
    r"\b(?:no|not|without|neither|nor|never|none|absent|inactive|lacks?|rather than|instead of)\b",
    re.I,
)
_CLAUSE = re.compile(r"(?<=[,.;!?])\s+")
_NAMED_UNIT = re.compile(r"\bAU ?0?(\d+)\s*\(([^)]*)\)")


def affirmed(text: str) -> str:
    """A text without the clauses that deny something."""
    return " ".join(clause for clause in _CLAUSE.split(text) if not _DENIED.search(clause))


def contradictions(text: str, facts: Facts, age_tolerance: int = 1) -> list[str]:
    """What a text claims that the row or its landmarks do not bear out, in plain words.

    Args:
        text: An answer about one face.
        facts: Of its draft.
        age_tolerance: Years an age may differ from the label.
    """
    claims = parse_answer(text)[0]
    stated = parse_answer(affirmed(text))[0] if _DENIED.search(text) else claims
    row = facts.row
    known = {
        "gender": None if row.male is None else "male" if row.male else "female",
        "mask": row.mask,
        "generated": row.fake,
        "mouth_open": facts.mouth_open,
    }
    wrong = [
        f"{name} {getattr(claims, name)}, known {value}"
        for name, value in known.items()
        if None not in (value, getattr(claims, name)) and getattr(claims, name) != value
    ]
    wrong += wrong_expression(stated, claims, facts)
    wrong += wrong_units(stated, claims, facts)
    wrong += wrong_age(claims, facts, age_tolerance)
    wrong += wrong_angles("pose", claims.pose, facts.pose) if facts.pose is not None else []
    return wrong + wrong_measures(claims, facts)


def wrong_expression(stated: AnswerClaims, claims: AnswerClaims, facts: Facts) -> list[str]:
    """The first expression named is the label's; others were seen by somebody."""
    votes, label = facts.votes, facts.row.expression
    if votes is not None:
        seen = {name for name, _ in votes.others} | {votes.label}
        # Where people disagree any of their readings may come first, as a reading among others.
        first = seen if votes.split else {votes.label}
    elif label is not None:
        seen = first = {label}
    else:
        return []
    named = stated.expressions
    wrong = [f"expression {name}, seen by nobody" for name in named if name not in seen]
    if named and named[0] not in first:
        wrong = [f"expression {named[0]}, labelled {facts.expression}"]
    share = claims.percents.get("expression")
    if votes is not None and share is not None and abs(share - votes.percent) > PERCENT_TOLERANCE:
        wrong.append(f"expression {share} %, labelled {votes.percent} %")
    return wrong


def wrong_units(stated: AnswerClaims, claims: AnswerClaims, facts: Facts) -> list[str]:
    """Units called active are; all inactive is said only where they are; strengths agree."""
    if facts.units is None:
        return []
    levels = {unit.number: unit.level for unit in facts.units}
    if claims.units == {} and levels:
        return [f"no unit named, active are {sorted(levels)}"]
    coded = facts.row.units or {}
    wrong = []
    for number, strength in (stated.units or {}).items():
        if number not in levels:
            wrong.append(f"AU{number} is {'not active' if number in coded else 'not coded'}")
        elif facts.strengths and strength and strength != LEVELS[levels[number]]:
            wrong.append(f"AU{number} {strength}, labelled {LEVELS[levels[number]]}")
    return wrong


def wrong_age(claims: AnswerClaims, facts: Facts, tolerance: int) -> list[str]:
    """Years outside of the labelled age or group, widened by the tolerance."""
    age = facts.row.age
    span = facts.row.age_range if age is None else (age, age)
    if span is None or claims.age is None:
        return []
    low, high = span
    if low - tolerance <= claims.age <= high + tolerance:
        return []
    return [f"age {claims.age} years, labelled {low}" + (f" to {high}" if high != low else "")]


def wrong_measures(claims: AnswerClaims, facts: Facts) -> list[str]:
    """Measures cited with another z-score or direction than measured."""
    if facts.geometry is None:
        return []
    return [
        f"{words} {z:+d} called {'high' if high else 'low'}, measured {facts.geometry.get(words)}"
        for words, (z, high) in (claims.measures or {}).items()
        if facts.geometry.get(words) != z or high != (z > 0)
    ]


def wrong_unit_names(text: str) -> list[str]:
    """Action units with another name than in FACS, or with a number that has none here."""
    wrong = []
    for number, name in _NAMED_UNIT.findall(text):
        unit = FACS.get(int(number))
        if unit is None:
            wrong.append(f"AU{number} is not among those of the table")
        elif normal(name) not in (normal(unit.name), *LEVELS):
            wrong.append(f"AU{number} called {name!r}, it is {unit.name!r}")
    return wrong


def normal(name: str) -> str:
    """Lower case, words only."""
    return " ".join(re.findall(r"[a-z]+", name.lower()))
