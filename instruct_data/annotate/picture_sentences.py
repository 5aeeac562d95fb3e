"""Sentences about what a picture shows and the landmarks measure; None where it is not known.

Example: ``tell_fake(facts, writer)`` -> ``"Manipulated: the mouth alone was warped."``
"""

from __future__ import annotations

from facellm.labels import ACTION_UNITS

from .. import grammar_phrases
from ..grammar_sentences import LEVELS, Writer, joined, reasons, tell_pose, unit_list, unit_name
from . import phrases_seen as seen
from .facts import Facts
from .families import making_of, regions_of


def tell_mask(facts: Facts, writer: Writer) -> str | None:
    """Mask or none."""
    if facts.row.mask is None:
        return None
    return writer.write(seen.MASK if facts.row.mask else seen.NO_MASK)


def tell_mouth(facts: Facts, writer: Writer) -> str | None:
    """Mouth open or closed, where the landmarks are clear about it."""
    if facts.mouth_open is None:
        return None
    return writer.write(seen.MOUTH, s="open" if facts.mouth_open else "closed")


def tell_hidden_mouth(facts: Facts, writer: Writer) -> str | None:
    """That a mask hides the mouth."""
    return writer.write(seen.HIDDEN_MOUTH) if facts.row.mask else None


def tell_fake(facts: Facts, writer: Writer) -> str | None:
    """Real, or generated or edited and how."""
    if facts.row.fake is None:
        return None
    if not facts.row.fake:
        return writer.write(seen.REAL)
    making = making_of(facts.row)
    if making is None:
        return writer.write(seen.FAKE_UNKNOWN, k="generated or edited")
    return writer.write(seen.FAKE, k=making.kind, f=making.how)


def tell_family(facts: Facts, writer: Writer) -> str | None:
    """The family of a fake picture."""
    making = making_of(facts.row) if facts.row.fake else None
    return None if making is None else writer.write(seen.FAMILY, n=making.noun, f=making.how)


def tell_region(facts: Facts, writer: Writer) -> str | None:
    """The region a forgery changed."""
    regions = regions_of(facts.row) if facts.row.fake else ()
    return writer.write(seen.REGION, g=joined(regions)) if regions else None


def tell_attributes(facts: Facts, writer: Writer) -> str | None:
    """Visible attributes that are there."""
    there = [words for words, present in (facts.attributes or {}).items() if present]
    return writer.write(seen.VISIBLE, l=joined(there)) if there else None


def tell_one_attribute(facts: Facts, writer: Writer) -> str | None:
    """One visible attribute, there or not, as likely either."""
    if not facts.attributes:
        return None
    wanted = writer.rng.random() < 0.5
    items = [item for item in facts.attributes.items() if item[1] == wanted]
    words, present = writer.rng.choice(items or list(facts.attributes.items()))
    return writer.write(seen.PRESENT if present else seen.ABSENT, t=words)


def tell_units(facts: Facts, writer: Writer) -> str | None:
    """Active units, by their names in FACS."""
    if facts.units is None:
        return None
    if facts.units:
        named = joined([unit_name(unit.number) for unit in facts.units])
        listed = unit_list(facts.units, writer.style) if facts.strengths else named
        return writer.write(grammar_phrases.UNITS, units=listed)
    coded = sum(number in (facts.row.units or {}) for number in ACTION_UNITS)
    if coded == len(ACTION_UNITS):
        return writer.write(grammar_phrases.NO_UNITS)
    return writer.write(seen.NONE_CODED, k=coded) if coded else None


def tell_one_unit(facts: Facts, writer: Writer) -> str | None:
    """One of the units the set coded, active or clearly not, as likely either."""
    if facts.units is None:
        return None
    levels = {unit.number: unit.level for unit in facts.units}
    coded = facts.row.units or {}
    absent = [number for number in ACTION_UNITS if coded.get(number, 1.0) < 0.1]
    if levels and (not absent or writer.rng.random() < 0.5):
        number = writer.rng.choice(list(levels))
        strength = f" ({LEVELS[levels[number]]})" if facts.strengths else ""
        return writer.write(seen.UNIT_ACTIVE, u=unit_name(number), s=strength)
    if not absent:
        return None
    return writer.write(seen.UNIT_ABSENT, u=unit_name(writer.rng.choice(absent)))


def tell_head(facts: Facts, writer: Writer) -> str | None:
    """Head pose in words and degrees."""
    return None if facts.pose is None else tell_pose(facts.pose, writer)


def tell_measures(facts: Facts, writer: Writer) -> str | None:
    """Measures that stand out against neutral faces, or that none does."""
    if facts.geometry is None:
        return None
    if not facts.geometry:
        return None if facts.row.mask else writer.write(seen.STANDS_OUT_NOT)
    found = reasons(facts.geometry, facts.units or ())
    return writer.write(grammar_phrases.EVIDENCE, reasons="; ".join(found))
