"""An answer made ready to be read: same length, so that spans stay true; empty or looping named.

Example: ``"<think>sad?</think> **Anger**"`` -> the same number of characters, of which only
``Anger`` is left.
"""

from __future__ import annotations

import re

import numpy as np

from .outcome import Parsed

_QUOTES, _APOSTROPHES, _DASH = "\u201c\u201d\u201e", "\u2019\u2018\u02bc", "\u2013"
_CHARACTERS = str.maketrans(
    dict.fromkeys(f'{_QUOTES}"*_`#~|', " ") | dict.fromkeys(_APOSTROPHES, "'") | {_DASH: "-"}
)
_THOUGHT = re.compile(r"^.*</think(?:ing)?>", re.I | re.S)
_OPEN_THOUGHT = re.compile(r"<think(?:ing)?>.*$", re.I | re.S)
_ANSWER = re.compile(r"<answer>(.*?)(?:</answer>|$)", re.I | re.S)
_TAG = re.compile(r"</?\w+>")
_TOKEN = re.compile(r"\w+(?:'\w+)?|[^\w\s]")
LONGEST_UNIT = 40  # tokens of what is repeated
REPEATS = 4  # times from which on it is a loop
LEAST_TOKENS = 8  # of a loop; "no no no no" is emphasis


def blank(text: str, start: int, end: int, filler: str = "") -> str:
    """``text`` with [start, end) replaced by ``filler`` and spaces."""
    return text[:start] + filler.ljust(end - start)[: end - start] + text[end:]


def blank_all(text: str, pattern: re.Pattern[str], filler: str = "") -> str:
    """``text`` with every match replaced by ``filler`` and spaces."""
    return pattern.sub(lambda match: filler.ljust(len(match[0]))[: len(match[0])], text)


def answer_part(text: str) -> str:
    """What counts of an answer, the rest blanked: no thoughts, no mark-up; curly quotes plain.

    An ``<answer>`` element, the last one, is all that counts; a thought that never ends leaves
    nothing.
    """
    text = text.translate(_CHARACTERS)
    text = blank_all(text, _THOUGHT)
    text = blank_all(text, _OPEN_THOUGHT)
    answers = list(_ANSWER.finditer(text))
    if answers:
        start, end = answers[-1].span(1)
        text = " " * start + text[start:end] + " " * (len(text) - end)
    return blank_all(text, _TAG)


def is_loop(text: str) -> bool:
    """Whether a stretch of words repeats four times or more and makes up half of the text."""
    tokens = [token.lower() for token in _TOKEN.findall(text)]
    if len(tokens) < LEAST_TOKENS:
        return False
    codes = np.unique(np.array(tokens), return_inverse=True)[1]
    least = max(LEAST_TOKENS, len(codes) / 2)
    for period in range(1, min(LONGEST_UNIT, len(codes) // REPEATS) + 1):
        same = np.concatenate([[False], codes[period:] == codes[:-period], [False]])
        edges = np.flatnonzero(np.diff(same.astype(np.int8)))
        longest = int((edges[1::2] - edges[::2]).max(initial=0)) + period
        if longest >= REPEATS * period and longest >= least:
            return True
    return False


def without_words(text: str, part: str) -> Parsed | None:
    """``empty`` or ``repeated`` where an answer is; None where it can be read.

    Args:
        text: The answer.
        part: Its part that counts (``answer_part``).
    """
    if not re.search(r"\w", part):
        return Parsed("repeated" if is_loop(text) else "empty")
    return Parsed("repeated", span=(0, len(text))) if is_loop(part) else None
