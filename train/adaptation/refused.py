"""Labels nobody may teach: who a person is, what group they belong to, what they are like.

A face shows none of it. Columns and classes whose words begin with one of these are refused before
a picture is opened.
"""

from __future__ import annotations

import re
from itertools import pairwise

from facellm.errors import FaceLLMError

# Why -> beginnings of words.
REFUSED = {
    "identity": ("identit", "person", "subjectname", "fullname", "firstname", "surname", "whois"),
    "race, ethnicity or origin": (
        "race", "racial", "ethnic", "nationalit", "caste", "tribe", "skincolo", "skintone",
        "skintype", "ancestr", "asian", "caucasian", "hispanic", "latino", "latina", "african",
    ),
    "religion": ("religi", "faith", "muslim", "christian", "jewish", "jew", "hindu", "buddhist"),
    "politics": ("politic", "republican", "democrat", "partisan"),
    "sexual orientation": ("sexualit", "orientation", "gay", "lesbian", "homosex", "heterosex"),
    "a diagnosis": (
        "diagnos", "disease", "disorder", "syndrome", "autis", "depress", "adhd", "schizo",
        "dementia", "parkinson", "bipolar", "pathol", "patient",
    ),
    "crime": ("crimin", "felon", "terroris", "arrest", "convict", "suspect", "danger", "offender"),
    "honesty": (
        "honest", "dishonest", "lie", "lies", "liar", "lying", "decept", "deceiv", "truthful",
        "trust", "guilt", "fraud",
    ),
    "traits": (
        "trait", "personalit", "intelligen", "iq", "extrave", "extrove", "introve", "neurotic",
        "agreeab", "conscientious", "competen", "dominan", "attractiv", "beaut", "ugly",
        "employab", "hireab", "creditworth", "charact",
    ),
}  # fmt: skip
WHOLE = frozenset(
    {"race", "lie", "lies", "jew", "gay", "iq", "faith"}
)  # not the start of a longer word


def refusal(text: str) -> str:
    """Why a column or class name is refused; empty where it is not."""
    spaced = re.sub(r"([a-z])([A-Z])", r"\1 \2", text)
    words = re.findall(r"[a-z]+", spaced.lower())
    joined = ["".join(pair) for pair in pairwise(words)]
    for reason, starts in REFUSED.items():
        for start in starts:
            plain = any(w == start if start in WHOLE else w.startswith(start) for w in words)
            if plain or any(word.startswith(start) for word in joined if start not in WHOLE):
                return reason
    return ""


def check_name(text: str, where: str) -> None:
    """Refuse a name; ``FaceLLMError`` says where it stands and why.

    Args:
        text: Name of a column or of a class.
        where: File, and column or line.
    """
    reason = refusal(text)
    if reason:
        raise FaceLLMError(
            f"{where}: {text!r} reads as {reason}, which no face shows; facellm is not taught that"
        )
