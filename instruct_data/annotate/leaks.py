"""Words by which a text tells that a label was given to its author.

Example: ``leaks_in("As stated in the annotation, this is fear.")`` -> ``["as stated",
"annotation"]``. That people were asked and how many said what is not such a word: it is said on
purpose.
"""

from __future__ import annotations

import re

_GIVEN = r"(?:given|provided|supplied|stated|assigned|specified|indicated|known|original)"
_WHAT = (
    r"(?:labels?|annotations?|tags?|categor(?:y|ies)|class(?:es)?|ages?|genders?|emotions?|"
    r"expressions?|answers?|information|data|details|attributes?|action units?|votes?|facts?)"
)
_SAID = r"(?:given|provided|stated|indicated|specified|instructed|labell?ed|described|mentioned)"
LEAKS = (
    r"labell?(?:ed|ing|s)?",
    r"(?:pre|un|mis)labell?ed",
    r"annotat\w+",
    r"ground truths?",
    r"meta ?data",
    r"data ?sets?",
    r"tagged",
    r"classified as",
    r"categori[sz]ed as",
    r"the (?:user|prompt|instructions?|system message|request)",
    rf"{_GIVEN} {_WHAT}",
    rf"{_WHAT} (?:given|provided|supplied|assigned)",
    rf"{_WHAT} (?:I )?(?:was|were|is|are|that was) {_SAID}",
    rf"as (?:you |I was |it was |was )?{_SAID}",
    rf"according to the {_WHAT}",
    rf"based on the {_GIVEN}",
    r"I (?:was|am|have been|had been|were) (?:told|given|informed|provided|asked)",
    r"you (?:gave|told|provided|said|stated|mentioned|supplied)",
)
_LEAK = [re.compile(rf"\b(?:{pattern})\b", re.I) for pattern in LEAKS]


def leaks_in(text: str) -> list[str]:
    """Leaking words of a text, in the order of ``LEAKS``; hyphens and line ends count as blanks."""
    plain = re.sub(r"[\s\-\u2010-\u2015_*`\"']+", " ", text)
    return [match[0].lower() for pattern in _LEAK if (match := pattern.search(plain))]
