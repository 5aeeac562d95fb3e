"""Answers that put several facts together: reasons, descriptions, and what cannot be told.

Example: ``tell_reasons(facts, writer)`` -> ``"Happiness very likely shows (9 of 10 people).
Measured: the lip corners are lifted (+2 SD against neutral faces)."``
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from facellm.shown import ShownUnit

from .. import grammar_phrases
from ..grammar import STYLES
from ..grammar_sentences import AGREEMENT, Writer, expression_noun, reasons
from . import people_sentences as people
from . import phrases
from . import phrases_seen as seen
from . import picture_sentences as picture
from .facts import Facts
from .reasons import agreeing


def borne_out(geometry: Mapping[str, int], units: Sequence[ShownUnit]) -> dict[str, int]:
    """Measures that stand out the way an active unit moves them."""
    moved = {AGREEMENT.get(unit.number) for unit in units}
    return {words: z for words, z in geometry.items() if (words, 1 if z > 0 else -1) in moved}


def tell_reasons(facts: Facts, writer: Writer) -> str | None:
    """The expression again, and the measures that bear it out, or that none does."""
    if facts.geometry is None or facts.expression is None:
        return None
    label = people.tell_expression_shortly(facts, writer)
    cited = agreeing(facts.expression, facts.geometry)
    return f"{label} {tell_cited(cited, facts, writer)}"


def tell_unit_reasons(facts: Facts, writer: Writer) -> str | None:
    """The active units again, and the measures that agree with one."""
    if facts.geometry is None or not facts.units:
        return None
    cited = borne_out(facts.geometry, facts.units)
    return f"{picture.tell_units(facts, writer)} {tell_cited(cited, facts, writer)}"


def tell_cited(cited: Mapping[str, int], facts: Facts, writer: Writer) -> str:
    """Measures as reasons, or that none is one."""
    if not cited:
        return writer.write(seen.REASONLESS)
    found = "; ".join(reasons(cited, facts.units or ()))
    return writer.write(grammar_phrases.EVIDENCE, reasons=found)


def tell_inner_state(facts: Facts, writer: Writer) -> str:
    """That nobody's inner state stands in a picture, and what can be said instead."""
    told = writer.write(phrases.INNER)
    if facts.expression is None:
        return told
    return f"{told} {writer.write(phrases.OFFERS, e=expression_noun(facts.expression))}"


DESCRIBED = (
    people.tell_expression_shortly,
    people.tell_affect,
    picture.tell_units,
    people.tell_age,
    people.tell_gender,
    picture.tell_attributes,
    picture.tell_mask,
    picture.tell_fake,
    picture.tell_head,
    picture.tell_mouth,
)


def tell_all(facts: Facts, writer: Writer) -> str | None:
    """Everything that is known, in a fixed order; None where less than two things are."""
    rng = writer.rng
    told = [
        text
        for tell in DESCRIBED
        if (text := tell(facts, Writer(rng, rng.randrange(STYLES)))) is not None
    ]
    return " ".join(told) if len(told) > 1 else None
