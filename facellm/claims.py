"""What an answer claims, read back by a lexicon with word boundaries.

The lexicon covers the small language the answers are written in; what it does not find stays None
("not said").

Example::

    parse_answer("The face shows happiness, clearly (90 %). About 34 years (27 to 42), looks male.")
    -> (AnswerClaims(expressions=("happiness",), percents={"expression": 90}, age=34,
                     age_range=(27, 42), gender="male", ...),)

Angles: yaw "right" means the image's right side; None degrees means only the side was said.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from facellm.context import COUNT_WORDS
from facellm.labels import FACS

EXPRESSION_WORDS = {
    "neutral": "neutral",
    "happiness": "happiness", "happy": "happiness", "joy": "happiness",
    "surprise": "surprise", "surprised": "surprise",
    "sadness": "sadness", "sad": "sadness",
    "anger": "anger", "angry": "anger",
    "disgust": "disgust", "disgusted": "disgust",
    "fear": "fear", "afraid": "fear", "scared": "fear", "fearful": "fear",
    "contempt": "contempt", "contemptuous": "contempt",
}  # fmt: skip

_UNIT_NAMES = re.compile("|".join(rf"\(?{re.escape(u.name)}\)?" for u in FACS.values()))
_EXPRESSION = re.compile(rf"\b({'|'.join(EXPRESSION_WORDS)})\b", re.I)
_LEVEL = "weak|moderate|strong"
_UNIT = re.compile(rf"(?:\b({_LEVEL}) )?\bAU ?0?(\d+)\b(?: +({_LEVEL})\b)?")
_NO_UNITS = re.compile(
    r"\bno (?:active )?(?:action )?units?\b|\bnone of the units\b|\bactive: none\b|"
    r"\ball inactive\b",
    re.I,
)
_AGE = re.compile(r"\b(\d{1,3}) years?\b")
_RANGE = re.compile(r"\b(?:between )?(\d{1,3}) (?:to|and) (\d{1,3})\b")
_FEMALE = re.compile(r"\b(?:female|woman|girl|lady)\b", re.I)
_MALE = re.compile(r"\b(?:male|man|boy|gentleman)\b", re.I)
_MASK = re.compile(r"\bmask\b", re.I)
_NO_MASK = re.compile(r"\b(?:no|without|not)\b[^,;.]*\bmask\b|\bmask: no\b|\bmask is not\b", re.I)
_OPEN = re.compile(r"\b(open|closed|shut)\b", re.I)
_GENERATED = re.compile(r"\b(?:generated|edited|fake|manipulated)\b", re.I)
_REAL = re.compile(r"\b(?:real|genuine|authentic)\b", re.I)
_PERCENT = re.compile(r"\b(\d{1,3}) ?%")
_SIDE = r"(?:(\d+) degrees )?(?:towards|to) the image's (left|right)"
_ANGLES = {
    "yaw": re.compile(rf"\bturned {_SIDE}"),
    "pitch": re.compile(r"\btilted (?:(\d+) degrees )?(up|down)\b"),
    "roll": re.compile(r"\bleaning (?:(\d+) degrees )?(clockwise|counter-clockwise)"),
}
_GAZE = {"yaw": re.compile(_SIDE), "pitch": re.compile(r"(?:(\d+) degrees )?\b(up|down)\b")}
_MEASURE = re.compile(
    r"\b(lip corners|brows|mouth opening) (?:are|is) "
    r"(lifted|raised|large|lowered|small) \(([+-]\d) SD"
)
_COUNT = re.compile(rf"\b({'|'.join(COUNT_WORDS)}|\d+) faces?\b", re.I)
_UNMEASURED = re.compile(r"\b(?:no landmarks were|without landmarks|not measured)\b", re.I)
_NOTHING = re.compile(r"\b(?:nothing measured|no measurement) stands out\b", re.I)

Angle = tuple[str, int | None]


@dataclass
class AnswerClaims:
    """What an answer says about one face; None or empty = not said.

    Attributes:
        expressions: Expressions named, in order; the first is the label.
        unsure: The answer says that the expression cannot be told.
        percents: Field -> percentage given with it.
        units: Action units named -> weak, moderate, strong or None; empty when "no unit is active".
        age: Years.
        age_range: Years, low and high.
        gender: ``female`` or ``male``.
        mask: Worn or not.
        mouth_open: Open or not.
        eyes_closed: Closed or not.
        generated: Generated or real.
        pose: ``yaw``, ``pitch``, ``roll`` -> side (or ``straight``) and degrees.
        gaze: Likewise, without ``roll``.
        measures: Measure -> z-score and whether called high; empty when "nothing stands out".
        unmeasured: The answer says that no landmarks were found.
        count: Number of faces.
    """

    expressions: tuple[str, ...] = ()
    unsure: bool = False
    percents: dict[str, int] = field(default_factory=dict)
    units: dict[int, str | None] | None = None
    age: int | None = None
    age_range: tuple[int, int] | None = None
    gender: str | None = None
    mask: bool | None = None
    mouth_open: bool | None = None
    eyes_closed: bool | None = None
    generated: bool | None = None
    pose: dict[str, Angle] = field(default_factory=dict)
    gaze: dict[str, Angle] = field(default_factory=dict)
    measures: dict[str, tuple[int, bool]] | None = None
    unmeasured: bool = False
    count: int | None = None


def _read_labels(sentence: str, claims: AnswerClaims) -> list[str]:
    """Fill label claims of a sentence; returns the fields it spoke of, for its percentage."""
    fields = []
    named = [EXPRESSION_WORDS[word.lower()] for word in _EXPRESSION.findall(sentence)]
    if named:
        if not claims.expressions:
            fields.append("expression")
        claims.expressions += tuple(name for name in named if name not in claims.expressions)
    if _FEMALE.search(sentence) or _MALE.search(sentence):
        claims.gender = "female" if _FEMALE.search(sentence) else "male"
        fields.append("gender")
    if _MASK.search(sentence):
        claims.mask = _NO_MASK.search(sentence) is None
        fields.append("mask")
    if _GENERATED.search(sentence) or _REAL.search(sentence):
        claims.generated = _GENERATED.search(sentence) is not None
        fields.append("generated")
    for clause in sentence.split(","):
        state = _OPEN.search(clause)
        if state and re.search(r"\bmouth\b", clause, re.I):
            claims.mouth_open = state[1].lower() == "open"
            fields.append("mouth_open")
        elif state and re.search(r"\beyes\b", clause, re.I):
            claims.eyes_closed = state[1].lower() != "open"
            fields.append("eyes_closed")
    return fields


def _read_angles(sentence: str, patterns: dict[str, re.Pattern[str]]) -> dict[str, Angle]:
    if re.search(r"\bstraight\b", sentence):
        return dict.fromkeys(patterns, ("straight", None))
    found = {name: pattern.search(sentence) for name, pattern in patterns.items()}
    return {
        name: (match[2], None if match[1] is None else int(match[1]))
        for name, match in found.items()
        if match
    }


def _read_sentence(sentence: str, claims: AnswerClaims) -> None:
    """Add what one sentence says."""
    for measure, word, z in _MEASURE.findall(sentence):
        high = word in ("lifted", "raised", "large")
        claims.measures = (claims.measures or {}) | {measure: (int(z), high)}
    sentence = _MEASURE.sub("", sentence)
    fields = _read_labels(sentence, claims)
    percent = _PERCENT.search(sentence)
    if percent:
        claims.percents |= {name: int(percent[1]) for name in fields}
    age = _AGE.search(sentence)
    if age and claims.age is None:
        claims.age = int(age[1])
        span = _RANGE.search(sentence)
        claims.age_range = (int(span[1]), int(span[2])) if span else None
    for before, number, after in _UNIT.findall(sentence):
        claims.units = (claims.units or {}) | {int(number): before or after or None}
    if re.search(r"\bgaze\b", sentence, re.I):
        claims.gaze |= _read_angles(sentence, _GAZE)
    elif re.search(r"\b(?:head|pose)\b", sentence, re.I):
        claims.pose |= _read_angles(sentence, _ANGLES)
    count = _COUNT.search(sentence)
    if count:
        word = count[1].lower()
        claims.count = COUNT_WORDS.index(word) if word in COUNT_WORDS else int(word)


def _parse_face(text: str) -> AnswerClaims:
    text = re.sub(r"\bneutral faces\b", "", _UNIT_NAMES.sub("", text))
    claims = AnswerClaims(
        unsure=re.search(r"\b(?:cannot tell|unclear)\b", text, re.I) is not None,
        units={} if _NO_UNITS.search(text) else None,
        measures={} if _NOTHING.search(text) else None,
        unmeasured=_UNMEASURED.search(text) is not None,
    )
    for sentence in re.split(r"[.;!?](?:\s+|$)", text):
        _read_sentence(sentence, claims)
    return claims


def parse_answer(text: str) -> tuple[AnswerClaims, ...]:
    """Claims of an answer, one per face: ``Face 2: ...`` starts the second face's.

    Args:
        text: The answer.

    Returns:
        At least one; an answer without ``Face k:`` speaks of the first face.
    """
    parts = re.split(r"\bFace \d+:", text)
    return tuple(_parse_face(part) for part in (parts[1:] if len(parts) > 1 else parts))
