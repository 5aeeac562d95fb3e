"""Words of closed label sets and of their denial, from ``lexicon.json``.

Every entry is a fragment of a regular expression, matched on word boundaries and without regard to
case; a space stands for any white space. ``families.expression.names.anger`` holds ``"ang(?:er|ry
|rily)"``: "angry" is anger, "danger" is nothing. A word belongs to one label only (tested).
``signs`` ("smile", "tears") count only in an answer that names no label.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from facellm.errors import FaceLLMError

Labelled = tuple[tuple[str, re.Pattern[str]], ...]


@cache
def _data() -> dict[str, Any]:
    text = files("facellm.eval.scoring").joinpath("lexicon.json").read_text(encoding="utf-8")
    return json.loads(text)


def compiled(fragments: Sequence[str]) -> re.Pattern[str]:
    """One pattern of fragments, on word boundaries."""
    fillers = _data()["grammar"]["fillers"]
    joined = "|".join(fragment.replace("@fillers", fillers) for fragment in fragments)
    return re.compile(rf"(?<![\w'])(?:{joined.replace(' ', chr(92) + 's+')})(?!\w)", re.I)


@cache
def grammar(name: str) -> re.Pattern[str]:
    """Pattern of one kind of grammar words: ``negators``, ``breaks``, ``hedges`` ..."""
    return compiled(_data()["grammar"][name])


@cache
def other_unit_names() -> Mapping[int, re.Pattern[str]]:
    """Names of action units outside of ``facellm.labels.FACS``, by number."""
    return {int(number): compiled(words) for number, words in _data()["unit_names"].items()}


@dataclass(frozen=True)
class Family:
    """A closed label set with its words.

    Attributes:
        labels: Every label it knows.
        names: Label -> pattern of the words that name it.
        signs: Label -> pattern of words that only point to it.
        set_aside: Phrases in which such a word means something else.
        opposites: Two labels, of which the denial of one is the claim of the other.
    """

    labels: tuple[str, ...]
    names: Labelled
    signs: Labelled = ()
    set_aside: re.Pattern[str] | None = None
    opposites: bool = False


def family_of(names: Mapping[str, Sequence[str]], *, opposites: bool = False) -> Family:
    """A family from words of one's own.

    Args:
        names: Label -> fragments of regular expressions.
        opposites: The denial of one of two labels claims the other.

    Raises:
        FaceLLMError: If a label has no words, or opposites are not two.
    """
    for label, words in names.items():
        if not words:
            raise FaceLLMError(f"label {label!r} has no words to know it by")
    if opposites and len(names) != 2:
        raise FaceLLMError(f"opposites need two labels, got {len(names)}: {', '.join(names)}")
    patterns = tuple((label, compiled(words)) for label, words in names.items())
    return Family(tuple(names), patterns, opposites=opposites)


@cache
def family(name: str) -> Family:
    """A family of ``lexicon.json``: ``expression``, ``study``, ``gender`` or ``authenticity``.

    Raises:
        FaceLLMError: If there is none of that name.
    """
    known = _data()["families"]
    if name not in known:
        raise FaceLLMError(f"unknown family of labels {name!r}; known are {', '.join(known)}")
    entry = known[name]
    return Family(
        tuple(entry["names"]),
        tuple((label, compiled(words)) for label, words in entry["names"].items()),
        tuple((label, compiled(words)) for label, words in entry["signs"].items()),
        compiled(entry["set_aside"]),
        entry["opposites"],
    )
