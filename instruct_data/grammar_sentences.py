"""Sentences of one face: what the context shows, put into words.

Each clause keeps the order of the reading's tokens. Bounds: an expression is "clearly" shown from
80 % and "probably" from 50 %. Which angles are straight and which measures may be cited is decided
in the context (``facellm.context``): what stands there is said.

Example: ``write_age(face, Writer(rng, 0))`` -> ``"The apparent age is about 34 years (27 to 42)."``
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from facellm.context import SIDES, STRAIGHT
from facellm.labels import FACS
from facellm.shown import Shown, ShownUnit

from . import grammar_phrases as phrases
from . import grammar_short as brief
from .wording import choose

HIGH, MIDDLE = 80, 50  # per cent from which an expression is "clearly" or "probably" shown
BINARY_MIDDLE = 65  # of two classes the likelier one never falls below 50 %
DESCRIBED_UNITS = DESCRIBED_ANGLES = 2
LEVELS = ("", "weak", "weak", "moderate", "strong", "strong")

# Unit -> the measure that must agree, and its sign, before a reason may name the unit.
AGREEMENT = {
    1: ("brows", 1),
    2: ("brows", 1),
    4: ("brows", -1),
    12: ("lip corners", 1),
    15: ("lip corners", -1),
    25: ("mouth opening", 1),
    26: ("mouth opening", 1),
}


@dataclass(frozen=True)
class Writer:
    """How one answer is worded.

    Attributes:
        rng: Source of the free choices.
        style: Index of the template, 0-9.
        subject: "The face", or "it" where a face number goes before.
    """

    rng: random.Random
    style: int
    subject: str = "The face"

    def write(self, templates: Sequence[str], **values: object) -> str:
        """Fill the template of this style; the sentence starts with a capital."""
        template = templates[self.style % len(templates)]
        subject = self.subject if template.startswith("{S}") else self.subject.lower()
        slots = {name: (str(value),) for name, value in values.items()} | {"S": (subject,)}
        text = choose(template, self.rng, slots)
        return text[0].upper() + text[1:]

    def hedge(self, percent: int, middle: int = MIDDLE) -> str:
        """A word for how sure a value of so many per cent is."""
        band = "high" if percent >= HIGH else "middle" if percent >= middle else "low"
        return self.rng.choice(phrases.HEDGES[band])

    def pick(self, sentences: Sequence[str]) -> str:
        """Any of a few fixed sentences."""
        return self.rng.choice(sentences)


def expression_noun(name: str) -> str:
    """``a neutral expression``, ``happiness``."""
    return "a neutral expression" if name == "neutral" else name


def years(count: int) -> str:
    """``1 year``, ``34 years``."""
    return f"{count} year" if count == 1 else f"{count} years"


def joined(parts: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def write_expression(face: Shown, writer: Writer, *, short: bool = False) -> str:
    """Label with hedge and share; the second likeliest where the first is weak."""
    (name, share), (second, next_share) = face.expressions
    weak = brief.LOW if short else phrases.EXPRESSION_LOW
    unsure = brief.UNSURE if short else phrases.UNSURE
    return writer.write(
        unsure if face.unsure else phrases.EXPRESSION if share >= MIDDLE else weak,
        e=expression_noun(name),
        p=share,
        e2=expression_noun(second),
        q=next_share,
        h=writer.hedge(share),
    )


def unit_name(number: int) -> str:
    """``AU12 (Lip Corner Puller)``."""
    return f"AU{number} ({FACS[number].name})"


def unit_list(units: Sequence[ShownUnit], style: int) -> str:
    """Units in the order of the context, each with its strength."""
    if style % 2:
        return joined([f"{LEVELS[unit.level]} {unit_name(unit.number)}" for unit in units])
    return ", ".join(f"{unit_name(unit.number)} {LEVELS[unit.level]}" for unit in units)


def write_units(face: Shown, writer: Writer) -> str:
    """Active units."""
    if not face.units:
        return writer.write(phrases.NO_UNITS)
    return writer.write(phrases.UNITS, units=unit_list(face.units, writer.style))


def write_age(face: Shown, writer: Writer) -> str:
    """Apparent age with its interval."""
    age, low, high = face.age
    return writer.write(phrases.AGE, a=years(age), lo=low, hi=high)


def write_gender(face: Shown, writer: Writer) -> str:
    """Apparent gender."""
    name, percent = face.gender
    hedge = writer.hedge(percent, BINARY_MIDDLE)
    return writer.write(phrases.GENDER, g=name, p=percent, h=hedge)


def write_mask(face: Shown, writer: Writer) -> str:
    """Mask or none."""
    worn, percent = face.mask
    hedge = writer.hedge(percent, BINARY_MIDDLE)
    return writer.write(phrases.MASK if worn else phrases.NO_MASK, p=percent, h=hedge)


def write_mouth(face: Shown, writer: Writer) -> str:
    """Mouth open or closed."""
    opened, percent = face.mouth_open
    state = "open" if opened else "closed"
    hedge = writer.hedge(percent, BINARY_MIDDLE)
    return writer.write(phrases.STATE, part="mouth is", state=state, p=percent, h=hedge)


def write_eyes(face: Shown, writer: Writer) -> str:
    """Eyes open or closed."""
    closed, percent = face.eyes_closed
    state = "closed" if closed else "open"
    hedge = writer.hedge(percent, BINARY_MIDDLE)
    return writer.write(phrases.STATE, part="eyes are", state=state, p=percent, h=hedge)


def angle_parts(angles: Sequence[int], forms: Sequence[str]) -> list[str]:
    """Yaw, pitch, roll that are not straight, in words: ``["tilted 10 degrees up"]``."""
    axes = zip(angles, forms, SIDES.values(), strict=False)
    return [form.format(d=abs(angle), w=words[angle > 0]) for angle, form, words in axes if angle]


def write_pose(face: Shown, writer: Writer) -> str:
    """Head pose in words and degrees."""
    return writer.write(phrases.NO_POSE) if face.pose is None else tell_pose(face.pose, writer)


def tell_pose(pose: Sequence[int], writer: Writer) -> str:
    """Yaw, pitch and roll, rounded degrees, in words."""
    parts = angle_parts(pose, phrases.POSE_ANGLES)
    straight = phrases.STRAIGHT[writer.style]
    return writer.write(phrases.POSE, parts=joined(parts) if parts else straight)


def write_gaze(face: Shown, writer: Writer) -> str:
    """Gaze in words and degrees."""
    parts = angle_parts(face.gaze, phrases.GAZE_ANGLES)
    return writer.write(phrases.GAZE, parts=joined(parts) if parts else phrases.GAZE_STRAIGHT)


def write_deepfake(face: Shown, writer: Writer) -> str:
    """Real or generated."""
    generated, percent = face.generated
    # Never "clearly": the detector knows one generator.
    hedge = "very likely" if percent >= HIGH else writer.hedge(percent, BINARY_MIDDLE)
    return writer.write(phrases.FAKE, kind=phrases.FAKE_KINDS[generated], p=percent, h=hedge)


def reasons(geometry: Mapping[str, int], active: Sequence[ShownUnit]) -> list[str]:
    """What was measured and may be cited, with the active units that agree with it."""
    found: list[str] = []
    for words, z in geometry.items():
        sign = 1 if z > 0 else -1
        against = "" if found else " against neutral faces"
        text = f"{phrases.MEASURES[words][z < 0]} ({z:+d} SD{against})"
        units = [u.number for u in active if AGREEMENT.get(u.number) == (words, sign)]
        if units:
            text += f", which agrees with {joined([unit_name(number) for number in units])}"
        found.append(text)
    return found


def write_why(face: Shown, writer: Writer) -> str:
    """The label again and the measured evidence, or that there is none."""
    label = write_expression(face, writer)
    if face.geometry is None:
        return f"{label} {writer.pick(phrases.NO_GEOMETRY)}"
    found = reasons(face.geometry, face.units)
    if not found:
        return f"{label} {writer.pick(phrases.NO_EVIDENCE)}"
    return f"{label} {writer.write(phrases.EVIDENCE, reasons='; '.join(found))}"


def _states(face: Shown) -> str:
    """``no mask, mouth open, probably eyes closed``; a worn mask hides the mouth."""
    states = [("a mask" if face.mask[0] else "no mask", face.mask[1])]
    if not face.mask[0]:
        states.append((f"mouth {'open' if face.mouth_open[0] else 'closed'}", face.mouth_open[1]))
    states.append((f"eyes {'closed' if face.eyes_closed[0] else 'open'}", face.eyes_closed[1]))
    return ", ".join(text if percent >= HIGH else f"probably {text}" for text, percent in states)


def _head(face: Shown) -> str:
    """Head pose, at most two angles: ``turned 20 degrees to the image's right``."""
    if face.pose is None:
        return "not measured"
    parts = angle_parts(face.pose, phrases.HEAD_ANGLES)
    return ", ".join(parts[:DESCRIBED_ANGLES]) or STRAIGHT


def _age_and_gender(face: Shown, writer: Writer) -> str:
    age, low, high = face.age
    gender, percent = face.gender
    looks = "looks" if percent >= HIGH else "probably looks"
    return writer.write(brief.AGE, a=years(age), lo=low, hi=high, looks=looks, g=gender)


def write_description(face: Shown, writer: Writer) -> str:
    """Everything that matters, in the order of the context, in at most 90 tokens."""
    sentences = [write_expression(face, writer, short=True)]
    if face.units:
        names = [unit_name(unit.number) for unit in face.units[:DESCRIBED_UNITS]]
        sentences.append(writer.write(brief.UNITS, units=", ".join(names)))
    sentences.append(_age_and_gender(face, writer))
    sentences.append(writer.write(brief.STATE, st=_states(face), hd=_head(face)))
    return " ".join(sentences)


def write_short_description(face: Shown, writer: Writer) -> str:
    """One sentence, for pictures with several faces."""
    label = write_expression(face, writer, short=True).rstrip(".")
    return f"{label}; about {years(face.age[0])}, looks {face.gender[0]}, {_states(face)}."
