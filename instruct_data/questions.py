"""Wordings of questions, by intent: templates x synonyms, then casing, politeness and typos.

``questions.json`` holds the templates (``wording.py`` says how they are written) and the hashes of
the wordings of ``eval/held_out_questions.json`` and ``eval/earlier_questions.json``, which are
never drawn.

Example: intent ``age`` -> ``"hi, how old deos the man look?"``.
"""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Sequence
from functools import lru_cache
from importlib.resources import files

import numpy as np

from facellm.labels import INTENTS

from .wording import choose, expand, fork

TYPO_RATE, TERSE_RATE = 0.35, 0.12
# People who type in a hurry leave these out; what is asked for stands in the other words.
SMALL = "a an the is are was do does did you i me to of please can could would it there here in on"
SMALL_WORDS = frozenset(SMALL.split(" ")) | {"at", "this", "that", "be", "any", "some"}
OPENERS = (
    "please ",
    "hi, ",
    "hello, ",
    "hello! ",
    "hey, ",
    "hey ",
    "ok, ",
    "so ",
    "and ",
    "now ",
    "well, ",
    "excuse me, ",
    "sorry, ",
    "quick question: ",
    "one more question: ",
    "good morning, ",
    "dear assistant, ",
    "tell me, ",
    "i was wondering, ",
    "i wonder, ",
    "just curious, ",
    "next question: ",
    "question: ",
    "my question is: ",
    "thanks, now ",
    "look, ",
    "in your opinion, ",
    "could you help me? ",
    "can you tell me, ",
    "would you please say, ",
    "ignore the rest, ",
)
CLOSERS = (
    " please",
    ", please",
    " pls",
    " plz",
    " thanks",
    ", thanks",
    ", thank you",
    " thank you",
    " then",
    " exactly",
    " now",
    ", do you think",
    ", in your view",
    ", if you can tell",
    ", be brief",
    ", in one sentence",
    ", i need to know",
    ", can you tell",
)
KEY_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")


Slots = dict[str, list[str]]


@lru_cache(maxsize=1)
def templates() -> tuple[dict[str, list[str]], Slots, frozenset[str]]:
    """Templates per intent, the named lists they use, and the hashes that are withheld.

    Raises:
        ValueError: If the file does not hold exactly the intents of ``labels.INTENTS``.
    """
    text = files("facellm.instruct_data").joinpath("questions.json").read_text(encoding="utf-8")
    content = json.loads(text)
    if set(content["intents"]) != set(INTENTS):
        raise ValueError(f"questions.json has {sorted(content['intents'])}, not {sorted(INTENTS)}")
    return content["intents"], content["slots"], frozenset(content["withheld_sha256"])


def normalise(text: str) -> str:
    """Lower case, words only: two questions that differ in case and punctuation are one wording."""
    return " ".join(re.sub(r"[\W_]+", " ", text.casefold()).split())


def is_withheld(text: str) -> bool:
    """Whether the wording belongs to the held-out questions."""
    return hashlib.sha256(normalise(text).encode()).hexdigest()[:12] in templates()[2]


@lru_cache(maxsize=1)
def wordings() -> dict[str, frozenset[str]]:
    """Every base wording of every intent, before casing, politeness and typos."""
    by_intent, slots, _ = templates()
    return {
        intent: frozenset(
            text
            for template in by_intent[intent]
            for text in expand(template, slots)
            if not is_withheld(text)
        )
        for intent in INTENTS
    }


def neighbour_key(letter: str, rng: random.Random) -> str:
    """The letter left or right of a lower-case letter on the keyboard."""
    for row in KEY_ROWS:
        if letter in row:
            place = row.index(letter) + rng.choice((-1, 1))
            return row[place] if 0 <= place < len(row) else row[-2 if place > 0 else 1]
    return letter


def misspell(text: str, rng: random.Random) -> str:
    """One typing error in a word of at least four letters: swap, drop, double or neighbour key."""
    words = text.split(" ")
    long_words = [i for i, word in enumerate(words) if len(word) >= 4 and word.isalpha()]
    if not long_words:
        return text
    index = rng.choice(long_words)
    word = words[index]
    place = rng.randrange(len(word) - 1)
    kind = rng.choice(("swap", "drop", "double", "neighbour"))
    middle = {
        "swap": word[place + 1] + word[place],
        "drop": word[place + 1],
        "double": word[place] * 2 + word[place + 1],
        "neighbour": neighbour_key(word[place], rng) + word[place + 1],
    }[kind]
    words[index] = word[:place] + middle + word[place + 2 :]
    return " ".join(words)


def shorten(text: str, rng: random.Random) -> str:
    """Leave out about half of the small words; a text of small words alone stays as it is."""
    words = text.split(" ")
    kept = [w for w in words if w.lower() not in SMALL_WORDS or rng.random() < 0.5]
    return " ".join(kept) if any(w.lower() not in SMALL_WORDS for w in kept) else text


def _vary_end(text: str, rng: random.Random) -> str:
    """Drop, keep or change the closing mark, sometimes with a polite closer before it."""
    mark = text[-1] if text[-1] in "?." else ""
    body = text[:-1] if mark else text
    if rng.random() < 0.15:
        body += rng.choice(CLOSERS)
    draw = rng.random()
    if draw < 0.3:
        return body
    if draw < 0.36:
        return body + rng.choice(("??", " ?", "...", "!", "?!"))
    return body + (mark or rng.choice(("", ".", "?")))


def _vary_case(text: str, rng: random.Random) -> str:
    draw = rng.random()
    if draw < 0.5:
        return text[0].upper() + text[1:]
    if draw < 0.62:
        return text.lower()
    if draw < 0.66:
        return text.upper()
    return text


def sample_question(
    rng: np.random.Generator,
    intent: str,
    *,
    typo_rate: float = TYPO_RATE,
    terse_rate: float = TERSE_RATE,
) -> str:
    """Draw one question.

    Args:
        rng: Source of randomness.
        intent: One of ``labels.INTENTS``.
        typo_rate: Share of questions with one or two typing errors.
        terse_rate: Share of questions that leave small words out.

    Raises:
        ValueError: If the intent is not known.
    """
    by_intent, slots, _ = templates()
    if intent not in by_intent:
        raise ValueError(f"intent {intent!r} is none of {', '.join(INTENTS)}")
    return worded(by_intent[intent], slots, fork(rng), typo_rate, terse_rate)


def worded(
    choices: Sequence[str],
    slots: Slots,
    draws: random.Random,
    typo_rate: float = TYPO_RATE,
    terse_rate: float = TERSE_RATE,
) -> str:
    """One question of some templates, as people type it; never one of the held-out wordings.

    Args:
        choices: Templates (``wording.py``).
        slots: The named lists they use.
        draws: Source of randomness.
        typo_rate: Share of questions with one or two typing errors.
        terse_rate: Share of questions that leave small words out.
    """
    while True:
        base = text = choose(draws.choice(choices), draws, slots)
        if draws.random() < terse_rate:
            text = shorten(text, draws)
        if draws.random() < 0.2:
            text = draws.choice(OPENERS) + text
        text = _vary_end(text, draws)
        if draws.random() < typo_rate:
            text = misspell(text, draws)
            if draws.random() < 0.2:
                text = misspell(text, draws)
        # Each change may also lead to a withheld wording: look before and after.
        if text and not is_withheld(base) and not is_withheld(text):
            return _vary_case(text, draws)
