"""Sentences about what people said of a face; None where nobody said it.

The label comes first. Example: ``tell_expression(facts, writer)`` -> ``"Sadness: 8 of 10 people
read this face as sadness (2 saw a neutral expression)."``
"""

from __future__ import annotations

from collections.abc import Sequence

from ..grammar_sentences import HIGH, Writer, expression_noun, joined, years
from . import phrases
from .facts import Facts, Votes


def people(count: int, total: int) -> str:
    """``8 of 10 people``, ``all 10 people``."""
    return f"all {total} people" if count == total else f"{count} of {total} people"


def the_rest(votes: Votes) -> str:
    """How the others read the face: `` (2 saw fear, 1 could not tell)``, or nothing."""
    parts = [f"{count} saw {expression_noun(name)}" for name, count in votes.others]
    parts += [f"{votes.unknown} could not tell"] if votes.unknown else []
    return f" ({', '.join(parts)})" if parts else ""


def tell_votes(votes: Votes, writer: Writer, *, short: bool = False) -> str:
    """The expression most people named, or that they disagree."""
    voters = people(votes.count, votes.total)
    rest = "" if short else the_rest(votes)
    if votes.label is None:
        return writer.write(phrases.NAMELESS, v=voters, r=rest)
    clear = phrases.VOTED_SHORT if short else phrases.VOTED
    return writer.write(
        phrases.SPLIT if votes.split else clear,
        e=expression_noun(votes.label),
        v=voters,
        p=votes.percent,
        r=rest,
        h=writer.hedge(votes.percent),
    )


def tell_expression(facts: Facts, writer: Writer) -> str | None:
    """The expression, hedged by the votes where there are any."""
    if facts.votes is not None:
        return tell_votes(facts.votes, writer)
    return tell_stated(facts.row.expression, writer)


def tell_stated(expression: str | None, writer: Writer) -> str | None:
    """An expression one annotator named."""
    if expression is None:
        return None
    return writer.write(phrases.STATED, e=expression_noun(expression))


def tell_expression_shortly(facts: Facts, writer: Writer) -> str | None:
    """As ``tell_expression``, without the other readings."""
    if facts.votes is not None:
        return tell_votes(facts.votes, writer, short=True)
    return tell_stated(facts.row.expression, writer)


def tell_agreement(facts: Facts, writer: Writer) -> str | None:
    """How far people agree: the distribution of the votes in words."""
    votes = facts.votes
    if votes is None or votes.label is None:
        return None
    degree = "strong" if votes.percent >= HIGH else "moderate" if not votes.split else "low"
    parts = [f"{people(votes.count, votes.total)} read {expression_noun(votes.label)}"]
    parts += [f"{count} {expression_noun(name)}" for name, count in votes.others]
    parts += [f"{votes.unknown} could not tell"] if votes.unknown else []
    return writer.write(
        phrases.AGREEMENT, a=degree, d=", ".join(parts), m=votes.total, p=votes.percent
    )


def band(value: float, bands: Sequence[tuple[float, str]]) -> str:
    """Words of the first band whose bound the value stays under."""
    return next(words for bound, words in bands if value < bound)


def tell_affect(facts: Facts, writer: Writer) -> str | None:
    """Valence and arousal in words and numbers, as far as labelled."""
    known = [
        (name, value, bands)
        for name, value, bands in (
            ("valence", facts.row.valence, phrases.VALENCE),
            ("arousal", facts.row.arousal, phrases.AROUSAL),
        )
        if value is not None
    ]
    if not known:
        return None
    words = joined([band(value, bands) for _, value, bands in known])
    return writer.write(
        phrases.AFFECT, f=words, n=", ".join(f"{name} {value:+.2f}" for name, value, _ in known)
    )


def tell_age(facts: Facts, writer: Writer) -> str | None:
    """Apparent age, in years or, where the set has groups, between two."""
    if facts.row.age is not None:
        return writer.write(phrases.AGE, a=years(facts.row.age))
    if facts.row.age_range is None:
        return None
    low, high = facts.row.age_range
    return writer.write(phrases.AGE_RANGE, lo=low, a=years(high))


def tell_age_group(facts: Facts, writer: Writer) -> str | None:
    """Decade or stage of life, with the age."""
    age = facts.row.age
    if age is None:
        return None
    return writer.write(phrases.AGE_GROUP, g=band(age, phrases.AGE_GROUPS), a=years(age))


def tell_gender(facts: Facts, writer: Writer) -> str | None:
    """Apparent gender."""
    if facts.row.male is None:
        return None
    return writer.write(phrases.GENDER, g="male" if facts.row.male else "female")


def tell_gender_check(facts: Facts, writer: Writer) -> str | None:
    """Whether the apparent gender is the one asked about, as likely yes as no."""
    if facts.row.male is None:
        return None
    right = writer.rng.random() < 0.5
    said = phrases.GENDER_YES if right else phrases.GENDER_NO
    return writer.write(said, g="male" if facts.row.male else "female")


def tell_age_and_gender(facts: Facts, writer: Writer) -> str | None:
    """Apparent age and gender in one, where both are known."""
    if facts.row.male is None or facts.row.age is None:
        return None
    gender = "male" if facts.row.male else "female"
    return writer.write(phrases.AGE_AND_GENDER, g=gender, a=years(facts.row.age))
