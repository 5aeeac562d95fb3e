"""A generated answer held against what is no answer: nothing, a loop, words cut off.

Example: ``spoken("free", "happy happy happy happy ...")`` has the failure ``repetition``.
"""

from __future__ import annotations

import re

from .sample import EMPTY, REPETITION, Answer

LONGEST_KEPT = 4000  # characters of an answer
TIMES, LEAST_WORDS = 5, 12  # a run said this often in a row, this many words in all, is a loop


def spoken(way: str, text: str) -> Answer:
    """An answer in words; empty and endlessly repeating ones carry their failure."""
    kept = text[:LONGEST_KEPT]
    if not text.strip():
        return Answer(way, failure=EMPTY)
    if repeats(text):
        return Answer(way, kept, failure=REPETITION, detail=text[:80])
    return Answer(way, kept)


def repeats(text: str) -> bool:
    """Whether a text ends in the same one to eight words over and over."""
    words = re.findall(r"\S+", text.casefold())
    for size in range(1, 9):
        if len(words) < max(TIMES * size, LEAST_WORDS):
            return False
        last = words[-size:]
        runs = 1
        while words[-size * (runs + 1) : -size * runs] == last:
            runs += 1
        if runs >= TIMES and runs * size >= LEAST_WORDS:
            return True
    return False
