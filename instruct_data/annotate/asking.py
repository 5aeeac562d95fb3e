"""Questions for answers: the question bank's wordings, and those of ``questions_extra.json``.

The extra file is written as the bank is (``wording.py``) for intents the bank does not have. Some
ask about one thing, which the answer names: a unit, a visible attribute, an apparent gender.

Example: ``word(Exchange("action_units", "one_unit", "AU12 (Lip Corner Puller) is active."), rng)``
-> ``question="is AU12 active?"``.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files

import numpy as np

from facellm.labels import FACS, INTENTS

from ..corpus.record import Exchange
from ..questions import Slots, sample_question, worded
from ..questions import templates as bank
from ..wording import expand, fork

# Intents whose question names what the answer is about: slot and where the answer holds it.
NAMED_BY_ANSWER = {
    "one_unit": ("unit", re.compile(r"^AU(\d+)")),
    "one_attribute": ("attribute", re.compile(r"^([^:]+):")),
    "gender_check": ("gendered", re.compile(r"^((?:Yes|No)\b.*\b(?:fe)?male)\b")),
}
GENDERED = {
    "female": ["a woman", "a female person", "a lady", "a female face"],
    "male": ["a man", "a male person", "a gentleman", "a male face"],
}


@lru_cache(maxsize=1)
def extra() -> tuple[dict[str, list[str]], Slots]:
    """Templates by intent and the named lists they use, the bank's own among them."""
    place = files("facellm.instruct_data").joinpath("annotate/questions_extra.json")
    content = json.loads(place.read_text(encoding="utf-8"))
    return content["intents"], bank()[1] | content["slots"]


def named_slots(exchange: Exchange) -> Slots:
    """The named lists of a question, what its answer is about among them.

    Raises:
        ValueError: If the answer does not name it.
    """
    if exchange.intent not in NAMED_BY_ANSWER:
        return extra()[1]
    slot, place = NAMED_BY_ANSWER[exchange.intent]
    found = place.match(exchange.answer)
    if found is None:
        raise ValueError(f"{exchange.answer!r} does not begin with its {slot}")
    if slot == "attribute":
        return extra()[1] | {slot: [found[1].lower()]}
    if slot == "gendered":
        return extra()[1] | {slot: GENDERED[asked_gender(found[1])]}
    number = int(found[1])
    names = [f"AU{number}", f"AU {number}", f"AU{number} ({FACS[number].name})"]
    return extra()[1] | {slot: [*names, f"the {FACS[number].name.lower()}"]}


def asked_gender(answer: str) -> str:
    """Which gender a question asks about that is answered with yes or no and the apparent one."""
    shown = "female" if "female" in answer else "male"
    other = "male" if shown == "female" else "female"
    return shown if answer.startswith("Yes") else other


def word(exchange: Exchange, rng: np.random.Generator) -> Exchange:
    """The exchange with a question; one that has a question is left as it is.

    Args:
        exchange: Its intent is one of ``labels.INTENTS`` or of ``questions_extra.json``.
        rng: Source of randomness.

    Raises:
        ValueError: If the intent is in neither.
    """
    if exchange.question:
        return exchange
    if exchange.intent in INTENTS:
        return replace(exchange, question=sample_question(rng, exchange.intent))
    choices = extra_templates(exchange.intent)
    return replace(exchange, question=worded(choices, named_slots(exchange), fork(rng)))


def ask_extra(rng: np.random.Generator, intent: str) -> str:
    """A question of an extra intent that does not depend on its answer."""
    return worded(extra_templates(intent), extra()[1], fork(rng))


def extra_templates(intent: str) -> list[str]:
    """Templates of an extra intent; ``ValueError`` naming those there are."""
    by_intent = extra()[0]
    if intent not in by_intent:
        raise ValueError(f"intent {intent!r} is none of {', '.join((*INTENTS, *by_intent))}")
    return by_intent[intent]


def extra_wordings(intent: str) -> frozenset[str]:
    """Every base wording of an extra intent, before casing, politeness and typos."""
    slots = extra()[1] | {"unit": ["AU12"], "attribute": ["a hat"]}
    return frozenset(
        text for template in extra_templates(intent) for text in expand(template, slots)
    )
