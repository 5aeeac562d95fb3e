"""A question or an answer that says who somebody is by name: ``Is this Ada Lovelace?``.

Names are told by their capital letters alone: two words with a capital right behind ``is this``,
``that's`` or ``she is``. One capital is not enough (``Is this Paris?``), and what often has two
(``Mount Fuji``) is left out. A name in small letters is not seen.
"""

from __future__ import annotations

import re

from .data import read_json

_CAPITAL = r"[A-Z][a-z'\u2019]{1,20}(?:-[A-Z][a-z]{1,20})?"
_WHO = r"(?:this|that|it|he|she|the (?:person|man|woman|actor|actress|face|singer|boy|girl))"
_ASKED = re.compile(
    rf"\b(?:(?:is|isn't|was|be)\s{{1,3}}{_WHO}|(?:could|might|can)\s{_WHO}\sbe|{_WHO}(?:'s|\u2019s|\sis|\smust\sbe|\slooks\slike|\sresembles))"
    rf"\s{{1,3}}(?:really\s|actually\s|not\s|maybe\s|probably\s)?(?P<name>{_CAPITAL}\s{_CAPITAL})",
    re.IGNORECASE,
)
_NAME = re.compile(rf"{_CAPITAL}\s{_CAPITAL}")
_NO_PERSON = frozenset(read_json("not_names"))


def names_a_person(text: str) -> bool:
    """Whether a text asks or says that somebody is a person with first and last name."""
    for match in _ASKED.finditer(text):
        name = match["name"]
        if _NAME.fullmatch(name) and not _NO_PERSON & set(name.lower().split()):
            return True
    return False
