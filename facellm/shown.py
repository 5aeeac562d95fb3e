"""What the context shows of a reading: the rounded values a sentence may state, read back from it.

Taking them from the context's own text keeps one rounding: a number in an answer equals its token.

Example: ``shown_in("<reading><expr_happiness><p_90><expr_neutral><p_5>...")`` has
``expressions == (("happiness", 90), ("neutral", 5))``. Percentages are whole, in steps of 5; angles
are degrees in steps of 5; levels are FACS intensities 1 to 5; z-scores are whole, -4 to 4.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from facellm.context import CITED_GEOMETRY, SIDES, reading_text
from facellm.reading import Reading

_AXES = {word: axis for axis, words in enumerate(SIDES.values()) for word in words}


@dataclass(frozen=True)
class ShownUnit:
    """An active action unit: FACS number, intensity level 1-5, probability in per cent."""

    number: int
    level: int
    percent: int


@dataclass(frozen=True)
class Shown:
    """Rounded values of one face's context.

    Attributes:
        unsure: The expression should be left open.
        expressions: The two likeliest with their shares in per cent.
        units: Active units, most probable first.
        age: Apparent age in years: mean, low, high.
        gender: The likelier one and its probability in per cent.
        mask: Answer and its probability in per cent; so are ``mouth_open`` and ``eyes_closed``.
        mouth_open: See ``mask``.
        eyes_closed: See ``mask``.
        gaze: Yaw and pitch in degrees, 0 where straight.
        generated: Whether generated is likelier than real, and that side's probability in per cent.
        pose: Yaw, pitch, roll in degrees, 0 where straight; None without landmarks.
        geometry: Words of a cited measure -> z-score; None without landmarks.
    """

    unsure: bool
    expressions: tuple[tuple[str, int], ...]
    units: tuple[ShownUnit, ...]
    age: tuple[int, int, int]
    gender: tuple[str, int]
    mask: tuple[bool, int]
    mouth_open: tuple[bool, int]
    eyes_closed: tuple[bool, int]
    gaze: tuple[int, int]
    generated: tuple[bool, int]
    pose: tuple[int, int, int] | None
    geometry: dict[str, int] | None


def _groups(pattern: str, text: str) -> tuple[str, ...]:
    """Groups of the only match; ``ValueError`` naming the pattern where there is none."""
    match = re.search(pattern, text)
    if match is None:
        raise ValueError(f"no {pattern} in the context {text[:80]!r}")
    return match.groups()


def _answer(query: str, yes: str, text: str) -> tuple[bool, int]:
    label, percent = _groups(rf"<q_{query}><(\w+)><p_(\d+)>", text)
    return label == yes, int(percent)


def _angles(name: str, text: str) -> tuple[int, int, int]:
    """Degrees by axis of what the context says of ``head`` or ``gaze``."""
    _groups(rf"( {name} )", text)
    angles = [0, 0, 0]
    for word, degrees in re.findall(rf" {name} ([a-z-]+)<deg_(-?\d+)>", text):
        angles[_AXES[word]] = int(degrees)
    yaw, pitch, roll = angles
    return yaw, pitch, roll


def shown_in(text: str) -> Shown:
    """Values in a context text.

    Raises:
        ValueError: If the text is not one face's reading.
    """
    pose = geometry = None
    if "<no_geometry>" not in text:
        pose = _angles("head", text)
        words = "|".join(CITED_GEOMETRY.values())
        geometry = {name: int(z) for name, z in re.findall(rf" ({words})<z_([+-]\d)>", text)}
    age, low, high = map(int, _groups(r"<q_age><age_(\d+)><age_(\d+)><age_(\d+)>", text))
    gender, percent = _groups(r"<q_gender><(\w+)><p_(\d+)>", text)
    found = re.findall(r"<q_au(\d+)><level_(\d)><p_(\d+)>", text)
    return Shown(
        unsure="<unsure>" in text,
        expressions=tuple(
            (name, int(share)) for name, share in re.findall(r"<expr_(\w+)><p_(\d+)>", text)
        ),
        units=tuple(ShownUnit(*map(int, unit)) for unit in found),
        age=(age, low, high),
        gender=(gender, int(percent)),
        mask=_answer("mask", "yes", text),
        mouth_open=_answer("mouth_open", "yes", text),
        eyes_closed=_answer("eyes_closed", "yes", text),
        gaze=_angles("gaze", text)[:2],
        generated=_answer("fake", "generated", text),
        pose=pose,
        geometry=geometry,
    )


def shown(reading: Reading) -> Shown:
    """Values the context shows of a reading."""
    return shown_in(reading_text(reading))
