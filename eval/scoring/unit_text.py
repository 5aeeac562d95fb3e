"""Action units out of free text: numbers ("AU12", "AU 1+2", "12+25") and names, with denial.

A name that explains a number adds nothing ("AU15 (Lower lip depressor)" is AU15): published answers
mix names up, the number is what was meant.

Example: ``read_units("AU6 (Cheek Raiser) and AU12, but no AU4").labels`` -> ``("AU6", "AU12")``.
"""

from __future__ import annotations

import re
from functools import cache

from facellm.labels import FACS

from .answer_text import answer_part, blank_all, without_words
from .claims import claims_of
from .lexicon import Family, compiled, grammar, other_unit_names
from .outcome import Parsed

_MORE = r"\s*(?:,|\+|/|&|and|or|,\s*and)\s*(?:AU\s*)?\d{1,2}[a-e]?(?![\w%]|\.\d|\s*%)"
_NUMBERS = rf"(?:AUs?|action units?)\s*[:#_-]?\s*\d{{1,2}}[a-e]?(?:{_MORE})*"
_BARE = re.compile(r"\W*\d{1,2}(?:(?:[\s,+;/&]|and)+\d{1,2})*\W*", re.I)
_NONE = re.compile(
    r"\b(?:no|none of the)\s+(?:(?:visible|active|clear|significant|specific|facial|other)\s+)*"
    r"(?:AUs?|action\s+units?)\b(?!\s*\d)|^\W*none\b",
    re.I,
)
_ENDING = "(?:er|ers|or|e|es|ing|ed|s)?"


@cache
def _names() -> dict[int, re.Pattern[str]]:
    """Unit -> its FACS name, its plain phrase and common forms of both."""
    names = {}
    for number, unit in FACS.items():
        words = unit.name.lower()
        stem = re.sub("(?:er|or)$", _ENDING, words)
        names[number] = compiled([stem, unit.phrase.removeprefix("the ")])
    return names | dict(other_unit_names())


@cache
def _family() -> tuple[Family, re.Pattern[str]]:
    """One label, ``unit``, for every number and name; and what only explains a number."""
    any_name = "|".join(pattern.pattern for pattern in _names().values())
    units = re.compile(f"{compiled([_NUMBERS]).pattern}|{any_name}", re.I)
    explained = re.compile(
        rf"(?<=\d)[a-e]?(?:\s*\([^()\d]*\)|\s*[:=-]?\s*(?:the\s+)?(?:{any_name}))"
        rf"|(?:{any_name})(?=\s*\(\s*AU)",
        re.I,
    )
    return Family(("unit",), (("unit", units),)), explained


def read_units(text: str) -> Parsed:
    """The action units an answer calls active.

    Args:
        text: The answer.

    Returns:
        ``label`` with ``labels`` such as ``("AU6", "AU12")`` in order of number, empty where the
        answer says that no unit is active or denies all it names. Numbers are kept as said, also
        those a task does not ask for.
    """
    part = answer_part(text)
    nothing = without_words(text, part)
    if nothing is not None:
        return nothing
    if _BARE.fullmatch(part):
        return _outcome(_units_in(part), (0, len(text)))
    family, explained = _family()
    plain = blank_all(part, explained)
    claims = claims_of(plain, family)
    if claims:
        units = set().union(*(_units_in(plain[slice(*claim.span)]) for claim in claims))
        return _outcome(units, (claims[0].span[0], claims[-1].span[1]))
    none = _NONE.search(part) or family.names[0][1].search(plain)
    if none:
        return Parsed("label", (), span=none.span())
    refused = grammar("refusals").search(part)
    return Parsed("refused", span=refused.span()) if refused else Parsed("unparsed")


def _units_in(text: str) -> set[int]:
    """Numbers and names in a stretch of text that holds nothing else."""
    named = {number for number, pattern in _names().items() if pattern.search(text)}
    return named | {int(number) for number in re.findall(r"\d+", text)}


def _outcome(units: set[int], span: tuple[int, int]) -> Parsed:
    return Parsed("label", tuple(f"AU{number}" for number in sorted(units)), span=span)
