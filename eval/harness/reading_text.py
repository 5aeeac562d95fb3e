"""What a generated answer says; replaced by ``facellm.eval.scoring`` at the merge."""

from __future__ import annotations

import re

from .sample import ANSWERED, UNPARSED


def read_label(text: str, options: tuple[str, ...]) -> tuple[str, str]:
    """Outcome and label."""
    word = text.strip().strip(".!\"'").casefold()
    return (ANSWERED, word) if word in options else (UNPARSED, "")


def read_letter(text: str, options: tuple[str, ...]) -> tuple[str, str]:
    """Outcome and label by letter."""
    found = re.fullmatch(r"\(?([A-Za-z])\)?[.:)]?", text.strip())
    place = ord(found[1].upper()) - ord("A") if found else len(options)
    return (ANSWERED, options[place]) if place < len(options) else (UNPARSED, "")


def read_number(text: str) -> float | None:
    """The only number of a text."""
    found = re.findall(r"-?\d+(?:\.\d+)?", text)
    return float(found[0]) if len(found) == 1 else None
