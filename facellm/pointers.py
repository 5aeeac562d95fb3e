"""Pointers: an answer names a value of its context by the very token that stands there.

The language model writes ``<p_90>`` where a reader sees ``90 %`` and ``<expr_happiness>`` where one
sees ``happiness``. Copying a token is learned far sooner than spelling a number, answers are
shorter, and what is copied cannot be misspelt. ``render`` turns tokens into words for the reader;
``to_pointers`` is its inverse and is used when training text is made.

Example::

    to_pointers("The face shows happiness (90 %).", [reading])
    -> "The face shows <expr_happiness> (<p_90>)."
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from facellm.labels import EXPRESSIONS, FACS
from facellm.reading import Reading
from facellm.shown import shown

LEVEL_WORDS = ("absent", "weak", "weak", "moderate", "strong", "strong")
_WORDS = {
    **{f"<expr_{name}>": name for name in EXPRESSIONS},
    **{f"<level_{level}>": word for level, word in enumerate(LEVEL_WORDS)},
    "<female>": "female",
    "<male>": "male",
}
_NAMES = {word: token for token, word in _WORDS.items() if "level" not in token}
_POINTER = re.compile(
    r"<(?:expr_[a-z]+|level_\d|(?:fe)?male|q_au\d+|p_\d+|age_\d+|deg_-?\d+|z_[+-]\d)>"
)
_OTHER = re.compile(r"<[a-z_/|]+[^<> ]*>")  # control tokens that are no part of what is said
_SENTENCE_START = re.compile(r"(?:^|[.!?] |Face \d+: )$")
# Words after an angle that say it counts as negative.
_NEGATIVE = re.compile(r"[^.,;]*?(?:image's left|\bleft\b|\bdown\b|\bcounter|\banticlockwise)")
_POSITIVE = re.compile(r"[^.,;]*?(?:image's right|\bright\b|\bup\b|\bclockwise)")


def is_pointer(token: str) -> bool:
    """Whether a token stands for a value: ``<age_34>`` does, ``<q_age>`` and ``age`` do not."""
    return _POINTER.fullmatch(token) is not None


def render(text: str) -> str:
    """Tokens -> words: what the reader sees."""
    out: list[str] = []
    end = 0
    for match in _POINTER.finditer(text):
        out.append(_OTHER.sub("", text[end : match.start()]))
        word = _word(match.group())
        if _SENTENCE_START.search("".join(out)[-12:]):
            word = word[0].upper() + word[1:]
        out.append(word)
        end = match.end()
    return "".join([*out, _OTHER.sub("", text[end:])])


def _word(token: str) -> str:
    if token in _WORDS:
        return _WORDS[token]
    kind, value = token[1:-1].rsplit("_", 1) if "q_au" not in token else ("q_au", token[5:-1])
    if kind == "q_au":
        return f"AU{value} ({FACS[int(value)].name})"
    if kind == "p":
        return f"{value} %"
    return str(abs(int(value))) if kind == "deg" else value


def to_pointers(text: str, readings: Sequence[Reading]) -> str:
    """Words -> tokens of the context; ``render`` gives the text back.

    Args:
        text: An answer; with several faces each part begins with ``Face k: ``.
        readings: What it was written from, left to right.
    """
    if len(readings) < 2:
        return _point(text, readings)
    parts = re.split(r"(?=Face \d+: )", text)
    return "".join(
        _point(part, readings[int(found.group(1)) - 1 : int(found.group(1))])
        if (found := re.match(r"Face (\d+): ", part))
        else _point(part, readings)
        for part in parts
    )


def _point(text: str, readings: Sequence[Reading]) -> str:
    faces = [shown(reading) for reading in readings]
    levels = {unit.number: unit.level for face in faces for unit in face.units}
    ages = {str(years) for face in faces for years in face.age}
    text = re.sub(r"AU(\d+) \([^()]*\)", r"<q_au\1>", text)
    for number, level in levels.items():
        unit, words = f"<q_au{number}>", "weak|moderate|strong"
        text = re.sub(rf"{unit} (?:{words})\b", f"{unit} <level_{level}>", text)
        text = re.sub(rf"\b(?:{words}) {unit}", f"<level_{level}> {unit}", text)
    text = re.sub(r"\b(\d+) %", r"<p_\1>", text)
    text = re.sub(r"([+-]\d) SD\b", r"<z_\1> SD", text)
    text = re.sub(r"\b(\d+)(?= degrees)", _signed, text)
    for word, token in _NAMES.items():
        text = re.sub(rf"\b{word}\b(?! faces)", token, text)
        start = rf"(^|[.!?] |Face \d+: ){word.capitalize()}\b"
        text = re.sub(start, rf"\g<1>{token}", text)
    return re.sub(
        r"(?<![\d<_+-])(?<!Face )\b(\d+)\b(?!>| %| degrees)",
        lambda m: f"<age_{m.group(1)}>" if m.group(1) in ages else m.group(),
        text,
    )


def _signed(match: re.Match[str]) -> str:
    rest = match.string[match.end() :]
    negative, positive = _NEGATIVE.match(rest), _POSITIVE.match(rest)
    minus = negative is not None and (positive is None or negative.end() <= positive.end())
    return f"<deg_{'-' if minus and match.group(1) != '0' else ''}{match.group(1)}>"
