"""An age out of free text, in years.

Read are digits and words ("thirty-four"), ranges ("between 20 and 30", "20-25"), decades ("in her
early thirties", "mid 40s") and a few words ("a toddler"); a range or decade gives its middle. What
is no age is left alone: percentages, counts of other things, years, action units. The last age
after words of a conclusion ("my best guess is 33") counts; without such, an exact age before a
range, and the first of those.

Example: ``read_age("A woman in her late thirties").number`` -> ``38.0``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from .answer_text import answer_part, blank, blank_all, without_words
from .lexicon import grammar
from .outcome import Parsed

OLDEST = 120  # years; more is out of range

_ONES = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen"),
    "nineteen",
]
_TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
_WORDS = {word: number for number, word in enumerate(_ONES)} | {
    word: 10 * (number + 2) for number, word in enumerate(_TENS)
}
_DECADES = {f"{word[:-1]}ies": 10 * (number + 2) for number, word in enumerate(_TENS)}
_PARTS = {"early": (0, 3), "mid": (4, 6), "middle": (4, 6), "late": (7, 9)}
_STAGES = {
    r"new-?born": (0, 0), r"infant|baby": (0, 1), r"toddler": (1, 3), r"pre-?teen": (10, 12),
    r"late teens": (17, 19), r"mid[- ]teens": (14, 16), r"early teens": (13, 14),
    r"teenager|teenaged?|teens|adolescent": (13, 19),
}  # fmt: skip

_SPELLED = re.compile(
    rf"\b(?:one hundred(?: and)?(?: (?P<over>{'|'.join(_ONES[1:])}))?"
    rf"|(?P<tens>{'|'.join(_TENS)})(?:[- ](?P<ones>{'|'.join(_ONES[1:10])}))?"
    rf"|(?P<small>{'|'.join(sorted(_ONES, key=len, reverse=True))}))\b",
    re.I,
)
_N = r"(?<![\w.])(\d{1,4}(?:\.\d+)?)"
_UNIT = r"(?:\s*-?\s*years?(?:[- ]olds?|\s+of\s+age)?|\s*-?\s*(?:yrs?|y/?o|yo)\b\.?(?:\s+old)?)"
_RANGE = re.compile(
    rf"{_N}{_UNIT}?\s*(?:-|to|and|or)\s*(\d{{1,3}}(?:\.\d+)?)(?![\d%]|\s*(?:%|percent))", re.I
)
_DECADE = re.compile(
    rf"\b(?:(?P<part>{'|'.join(_PARTS)})(?:\s+to\s+(?P<to>{'|'.join(_PARTS)}))?(?:\s+|-))?"
    rf"(?:(?P<word>{'|'.join(_DECADES)})|(?P<digits>[1-9]0)'?s)\b",
    re.I,
)
_OPEN = re.compile(
    rf"\b(?:over|under|above|below|(?:old|young|more|less)(?:er)? than|at (?:least|most)|up to)"
    rf"\s+(?:the age of\s+)?{_N}{_UNIT}?|{_N}\s*\+",
    re.I,
)
_MONTHS = re.compile(rf"{_N}\s*-?\s*months?(?:[- ]olds?)?\b(?!\s+ago)", re.I)
_TOLD = re.compile(
    rf"{_N}{_UNIT}(?!\s+(?:ago|younger|older|apart))"
    rf"|\bage[ds]?(?:\s+(?:is|of|around|about|appears to be|estimate))*\s*:?\s*"
    rf"(?:approximately|around|about|roughly|~)?\s*{_N}",
    re.I,
)
_BARE = re.compile(
    rf"{_N}(?!\.?\d|\s*(?:%|percent|/|[a-z]*\s*(?:wrinkles?|faces?|people|persons?)))"
)
_NOT_AN_AGE = re.compile(
    r"\bAU\s*\d+|\b(?:face|figure|image|person|option|confidence)\s*:?\s*#?\d+|\d+(?:\.\d+)?\s*(?:%|percent)"
    r"|[+-]\s*/?\s*-?\s*\d+(?=\s*years)|±\s*\d+|^\s*\d[.)](?=\s+\S)",
    re.I | re.M,
)


@dataclass(frozen=True)
class _Found:
    years: float
    span: tuple[int, int]
    exact: bool


def _digits(text: str) -> str:
    """Spelled numbers as digits, in the same number of characters."""

    def number(match: re.Match[str]) -> str:
        if match["small"]:
            value = _WORDS[match["small"].lower()]
        elif match["tens"]:
            value = _WORDS[match["tens"].lower()] + _WORDS.get((match["ones"] or "").lower(), 0)
        else:
            value = 100 + _WORDS.get((match["over"] or "").lower(), 0)
        return f"{value}".rjust(len(match[0]))  # next to "-year-old"

    return _SPELLED.sub(number, text)


def _decade(match: re.Match[str]) -> float:
    start = _DECADES[match["word"].lower()] if match["word"] else int(match["digits"])
    first = _PARTS[match["part"].lower()] if match["part"] else (0, 9)
    last = _PARTS[match["to"].lower()] if match["to"] else first
    return start + (first[0] + last[1]) / 2


def _take(text: str, found: list[_Found]) -> str:
    """Take months, ranges, decades and stages out of a text; the rest."""
    found += [_Found(float(m[1]) / 12, m.span(), True) for m in _MONTHS.finditer(text)]
    text = blank_all(text, _MONTHS)
    for match in _RANGE.finditer(text):
        low, high = float(match[1]), float(match[2])
        if low < high:
            found.append(_Found((low + high) / 2, match.span(), False))
            text = blank(text, *match.span())
    for match in _DECADE.finditer(text):
        found.append(_Found(_decade(match), match.span(), False))
    text = blank_all(text, _DECADE)
    for words, (low, high) in _STAGES.items():
        pattern = re.compile(rf"\b(?:{words})\b", re.I)
        found += [_Found((low + high) / 2, m.span(), False) for m in pattern.finditer(text)]
        text = blank_all(text, pattern)
    return text


def _ages(part: str, concluded: int) -> list[_Found]:
    """Ages in order; a number without "years" counts in a conclusion, or where nothing else does.

    Args:
        part: The answer.
        concluded: Where its conclusion starts; its length where it has none.
    """
    found: list[_Found] = []
    rest = _take(blank_all(_digits(blank_all(part, _NOT_AN_AGE)), _OPEN), found)
    matches = list(_TOLD.finditer(rest))
    bare = list(_BARE.finditer(rest))
    after = [match for match in bare if match.start() >= concluded]
    if not any(m.start() >= concluded for m in matches) and (after or not (matches or found)):
        matches += after or bare
    for match in matches:
        years = next(group for group in match.groups() if group is not None)
        found.append(_Found(float(years), match.span(), True))
    return sorted(found, key=lambda age: age.span)


def _denied(part: str, start: int) -> bool:
    """Whether "not" stands right before an age."""
    return (
        re.search(r"\b(?:not|n't)(?:\s+(?:a|about|around|in|her|his|their))*\s*$", part[:start])
        is not None
    )


def read_age(text: str, oldest: float = OLDEST) -> Parsed:
    """The age an answer gives.

    Args:
        text: The answer.
        oldest: Years; more than that is ``out_of_range``, with the number kept.

    Returns:
        The outcome; its ``number`` in years. ``unparsed`` where only a bound is said ("over 50").
    """
    part = answer_part(text)
    nothing = without_words(text, part)
    if nothing is not None:
        return nothing
    finals = [match.end() for match in grammar("finals").finditer(part)]
    concluded = finals[-1] if finals else len(part)
    ages = [age for age in _ages(part, concluded) if not _denied(part, age.span[0])]
    if not ages:
        refused = grammar("refusals").search(part)
        return Parsed("refused", span=refused.span()) if refused else Parsed("unparsed")
    after = [age for age in ages if age.span[0] >= concluded]
    exact = [age for age in after or ages if age.exact]
    chosen = (exact or after or ages)[0]
    if chosen.years > oldest:
        return Parsed("out_of_range", number=chosen.years, span=chosen.span)
    label = f"{chosen.years:g}"
    return Parsed("label", (label,), chosen.years, chosen.span)
