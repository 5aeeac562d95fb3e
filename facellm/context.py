"""The reading as the model sees it in its context: rounded, in reserved tokens.

The answer is generated under this text, in training and in use, so words follow numbers. It shows
only what a sentence may say: at most ``MAX_UNITS`` active units, the two likeliest expressions,
angles that are not straight with the side they lie on, measures that count as evidence. What is
absent is said to be absent: a small model copies well and infers badly.

Example::

    <reading><expr_happiness><p_90><expr_neutral><p_5><q_au12><level_4><p_95><q_age><age_34>
    <age_27><age_42><female><p_95><q_mask><no><p_100>... gaze straight<q_fake><real><p_90>
    head left<deg_-15> head up<deg_10> lip corners<z_+2></reading>
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from facellm.labels import AU_LEVELS, EXPRESSIONS, GAZE_DEGREES, MAX_AGE
from facellm.reading import Reading

MAX_UNITS = 4
CERTAIN = 0.995
STRAIGHT_BELOW = 10  # degrees, after rounding
# Words of an angle's negative and positive side, by axis.
SIDES = {
    "yaw": ("left", "right"),
    "pitch": ("down", "up"),
    "roll": ("counter-clockwise", "clockwise"),
}
# Words a description begins its list of units with. Asked for units, an answer says them anyway.
UNIT_WORDS = ("Active", "AUs", "FACS", "Found", "Units")
# Word of an answer -> what must stand in the context, any of it, for the word to be true.
# ``{part}`` is what the answer is about: gaze where the question asks for it, head otherwise.
WORD_NEEDS = {
    "turned": (" {part} left", " {part} right"),
    "tilted": (" {part} down", " {part} up"),
    "leaning": (" {part} counter-clockwise", " {part} clockwise"),
    "left": (" {part} left",),
    "right": (" {part} right",),
    "down": (" {part} down",),
    "up": (" {part} up",),
    "counter": (" {part} counter-clockwise",),
    "clockwise": (" {part} clockwise",),
    "straight": (" {part} straight",),
    "lip": (" lip corners<",),
    "brows": (" brows<",),
    "opening": (" mouth opening<",),
    **dict.fromkeys(UNIT_WORDS, ("<q_au",)),
}
NO_UNITS, STRAIGHT, NO_EVIDENCE = " no units", "straight", " nothing stands out"
_READING = re.compile(r"<reading>.*?</reading>", re.S)
_FACE = re.compile(r"\bFace (\d+): <face>")
COUNT_WORDS = ["no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"]
# Geometry an answer may cite: measure -> words. z-scores against neutral faces. Eye opening and
# brow gap are left out: our landmarks measure them too loosely to be a reason (MODEL_CARD.md).
CITED_GEOMETRY = {
    "lip_corner_lift": "lip corners",
    "mouth_open": "mouth opening",
    "brow_height": "brows",
}


def probability_token(probability: float) -> str:
    """Rounded to 5 %: 0.93 -> ``<p_95>``; certainty is said of 99.5 % and more only."""
    percent = 5 * round(20 * min(max(probability, 0.0), 1.0))
    return f"<p_{95 if percent == 100 and probability < CERTAIN else percent}>"


def round_angle(degrees: float, largest: int = 90) -> int:
    """Rounded to 5 degrees and clipped: 12.0 -> 10."""
    return max(-largest, min(largest, 5 * round(degrees / 5)))


def angles_text(name: str, angles: Sequence[float], largest: int = 90) -> str:
    """Angles that are not straight: `` head left<deg_-15> head up<deg_10>`` or `` head straight``.

    Args:
        name: ``head`` or ``gaze``.
        angles: Yaw, pitch and, of a head, roll; degrees.
        largest: Where they are clipped.
    """
    parts = []
    for words, degrees in zip(SIDES.values(), angles, strict=False):
        rounded = round_angle(degrees, largest)
        if abs(rounded) >= STRAIGHT_BELOW:
            parts.append(f" {name} {words[rounded > 0]}<deg_{rounded}>")
    return "".join(parts) or f" {name} {STRAIGHT}"


def untrue_words(prompt: str, intent: str) -> list[str]:
    """Words that no reading in a prompt bears out in an answer to an intent of ``INTENTS``."""
    if intent == "count":
        faces = count_faces(prompt)
        return [word for count, word in enumerate(COUNT_WORDS) if count != faces]
    readings = "".join(_READING.findall(prompt))
    part = "gaze" if intent == "gaze" else "head"
    return [
        word
        for word, needs in WORD_NEEDS.items()
        if not any(need.format(part=part) in readings for need in needs)
        and (intent == "describe" or word not in UNIT_WORDS)
    ]


def count_faces(prompt: str) -> int:
    """How many faces a prompt shows, by the chat template's numbers."""
    return max((int(number) for number in _FACE.findall(prompt)), default=0)


def zscore_token(value: float) -> str:
    """Rounded and clipped to +-4: 1.8 -> ``<z_+2>``."""
    return f"<z_{max(-4, min(4, round(value))):+d}>"


def standing_out(zscores: Mapping[str, float]) -> list[str]:
    """Measures that may be cited and round to one standard deviation or more."""
    return [name for name in CITED_GEOMETRY if round(zscores.get(name, 0.0)) != 0]


def age_token(years: float) -> str:
    """Whole years, clipped to 0-116."""
    return f"<age_{max(0, min(MAX_AGE, round(years)))}>"


def yes_no(token: str, probability: float) -> str:
    """``<q_mask><yes><p_90>``: the likelier answer and its probability."""
    yes = probability >= 0.5
    return (
        f"{token}<{'yes' if yes else 'no'}>{probability_token(max(probability, 1 - probability))}"
    )


def reading_text(reading: Reading) -> str:
    """Context text of one face's reading."""
    parts = ["<reading>"]
    if reading.abstain:
        parts.append("<unsure>")
    for name in sorted(EXPRESSIONS, key=lambda e: -reading.expression[e])[:2]:
        parts.append(f"<expr_{name}>{probability_token(reading.expression[name])}")
    active = reading.active_units()[:MAX_UNITS]
    for number in active:
        unit = reading.action_units[number]
        level = max(1, min(AU_LEVELS - 1, round(unit.intensity * (AU_LEVELS - 1))))
        parts.append(f"<q_au{number}><level_{level}>{probability_token(unit.probability)}")
    if not active:
        parts.append(NO_UNITS)
    ages = (reading.age.mean, reading.age.low, reading.age.high)
    parts.append("<q_age>" + "".join(age_token(years) for years in ages))
    gender = max(reading.gender, key=lambda name: reading.gender[name])
    parts.append(f"<q_gender><{gender}>{probability_token(reading.gender[gender])}")
    parts.append(yes_no("<q_mask>", reading.mask))
    parts.append(yes_no("<q_mouth_open>", reading.mouth_open))
    parts.append(yes_no("<q_eyes_closed>", reading.eyes_closed))
    parts.append(angles_text("gaze", reading.gaze, GAZE_DEGREES[-1]))
    fake = "generated" if reading.generated >= 0.5 else "real"
    likelier = max(reading.generated, 1 - reading.generated)
    parts.append(f"<q_fake><{fake}>{probability_token(likelier)}")
    if reading.geometry is None or reading.pose is None:
        parts.append("<no_geometry>")
    else:
        parts.append(angles_text("head", reading.pose))
        cited = [name for name in CITED_GEOMETRY if name in reading.evidence]
        for name in cited:
            parts.append(f" {CITED_GEOMETRY[name]}{zscore_token(reading.geometry[name])}")
        if not cited:
            parts.append(NO_EVIDENCE)
    return "".join([*parts, "</reading>"])
