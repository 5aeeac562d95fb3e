"""Answers held against the readings they were written from: do the words follow the numbers?

Example: ``contradictions(parse_answer("About 50 years.")[0], reading)`` with an apparent age of 34
-> ``["age 50 years, read 34"]``. Compared are the values the context shows (``facellm.shown``).
"""

from __future__ import annotations

from collections.abc import Sequence

from facellm.claims import Angle, AnswerClaims, parse_answer
from facellm.reading import Reading
from facellm.shown import Shown, shown

__all__ = ["AnswerClaims", "answer_contradictions", "contradictions", "parse_answer"]

LEVEL_WORDS = ("", "weak", "weak", "moderate", "strong", "strong")
AGE_TOLERANCE = 1  # years
PERCENT_TOLERANCE = 5
NEGATIVE_SIDES = ("left", "down", "counter-clockwise")


def _wrong_expression(claims: AnswerClaims, face: Shown) -> list[str]:
    if not claims.expressions:
        return []
    likeliest = [name for name, _ in face.expressions]
    wrong = [
        f"expression {name} is not among the two likeliest"
        for name in claims.expressions
        if name not in likeliest
    ]
    first, *others = claims.expressions
    hedged = claims.unsure or bool(others)
    if first != likeliest[0] and not (hedged and likeliest[0] in others):
        wrong.append(f"expression {first}, read {likeliest[0]}")
    if face.unsure and not hedged:
        wrong.append(f"expression {first} stated, the reading leaves it open")
    return wrong


def _wrong_units(claims: AnswerClaims, face: Shown, active: Sequence[int]) -> list[str]:
    if claims.units is None:
        return []
    if not claims.units and active:
        return [f"no unit named, active are {list(active)}"]
    levels = {unit.number: LEVEL_WORDS[unit.level] for unit in face.units}
    return [f"AU{number} is not active" for number in claims.units if number not in active] + [
        f"AU{number} {word}, read {levels[number]}"
        for number, word in claims.units.items()
        if word and number in levels and word != levels[number]
    ]


def _wrong_age(claims: AnswerClaims, face: Shown) -> list[str]:
    said = [claims.age, *(claims.age_range or ())]
    return [
        f"{name} {years} years, read {read}"
        for name, years, read in zip(("age", "low", "high"), said, face.age, strict=False)
        if years is not None and abs(years - read) > AGE_TOLERANCE
    ]


def wrong_angles(name: str, said: dict[str, Angle], read: Sequence[int] | None) -> list[str]:
    """Angles said of ``name`` ("pose", "gaze") that differ from those read, degrees by axis."""
    if read is None:
        return [f"{name} stated, but not measured"] if said else []
    wrong = []
    for axis, angle in zip(("yaw", "pitch", "roll"), read, strict=False):
        side, degrees = said.get(axis, (None, None))
        if side is None:
            continue
        sign = 0 if side == "straight" else -1 if side in NEGATIVE_SIDES else 1
        actual = (angle > 0) - (angle < 0)
        if sign != actual or (degrees is not None and degrees != abs(angle)):
            wrong.append(f"{name} {axis} {side} {degrees or ''}, read {angle}")
    return wrong


def _wrong_measures(claims: AnswerClaims, face: Shown) -> list[str]:
    wrong = []
    if claims.unmeasured and face.geometry is not None:
        wrong.append("landmarks called missing, but they were found")
    if claims.measures is None:
        return wrong
    read = face.geometry or {}
    if not claims.measures and any(read.values()):
        wrong.append("nothing said to stand out, but a measure does")
    for measure, (z, high) in claims.measures.items():
        if read.get(measure) != z or high != (z > 0):
            wrong.append(f"{measure} {z:+d} called {'high' if high else 'low'}, read {read}")
    return wrong


def contradictions(claims: AnswerClaims, reading: Reading) -> list[str]:
    """Claims of one face that its reading does not bear out, in plain words.

    A second expression after "or" is legal where the reading's likeliest is among the two.

    Args:
        claims: Of that face.
        reading: Of that face.

    Returns:
        One line per contradiction; empty when there is none.
    """
    face = shown(reading)
    values: dict[str, tuple[object, int]] = {
        name: getattr(face, name)
        for name in ("gender", "mask", "mouth_open", "eyes_closed", "generated")
    }
    wrong = [
        f"{name} {getattr(claims, name)}, read {value}"
        for name, (value, _) in values.items()
        if getattr(claims, name) is not None and getattr(claims, name) != value
    ]
    shares = {name: percent for name, (_, percent) in values.items()} | {
        "expression": dict(face.expressions).get(next(iter(claims.expressions), ""), 0)
    }
    wrong += [
        f"{name} {percent} %, read {shares[name]} %"
        for name, percent in claims.percents.items()
        if abs(percent - shares[name]) > PERCENT_TOLERANCE
    ]
    wrong += _wrong_expression(claims, face)
    wrong += _wrong_units(claims, face, reading.active_units())
    wrong += _wrong_age(claims, face)
    wrong += wrong_angles("pose", claims.pose, face.pose)
    wrong += wrong_angles("gaze", claims.gaze, face.gaze)
    return wrong + _wrong_measures(claims, face)


def answer_contradictions(text: str, readings: Sequence[Reading]) -> list[str]:
    """Contradictions of a whole answer, each with its face's number.

    Args:
        text: The answer.
        readings: One per face, left to right.
    """
    parsed = parse_answer(text)
    wrong = []
    counted = parsed[0].count
    if counted is not None and counted != len(readings):
        wrong.append(f"{counted} faces, found {len(readings)}")
    if len(parsed) > max(1, len(readings)):
        wrong.append(f"speaks of {len(parsed)} faces, found {len(readings)}")
    for number, (claims, reading) in enumerate(zip(parsed, readings, strict=False), start=1):
        wrong += [f"face {number}: {line}" for line in contradictions(claims, reading)]
    return wrong
