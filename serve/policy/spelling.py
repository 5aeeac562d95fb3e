"""Misspelt and l33t words -> the word of the rules they stand for.

A word that neither the rules nor ``rules/ordinary_words.txt`` know is read as a rule's word if one
slip of the finger lies between them: a letter left out, doubled, wrong or swapped with its
neighbour, the first one excepted. The file holds the words of the project's documents and questions
that are that near to a rule's word and mean something else.

Candidates are found by what is left when one letter is deleted, so the cost does not depend on the
number of rules.

Example: ``Speller({"nationality"}, set(), {}).read("nationalty")`` -> ``"nationality"``;
``read("1s")`` -> ``"is"`` where ``is`` is known.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache

SHORTEST, SHORTEST_SWAP = 5, 3  # letters; shorter words are only tried with two letters swapped
_DIGITS = {"0": "o", "1": "il", "2": "z", "3": "e", "4": "a", "5": "s", "6": "g", "7": "t"}
_SIGNS = {**_DIGITS, "8": "b", "9": "g", "@": "a", "$": "s", "!": "il"}
_MOST_READINGS = 16


class Speller:
    """Reads words as one of the rules' where only the spelling differs.

    Args:
        known: Words of the rules.
        ordinary: Words that are what they are and never read as another one.
        aliases: How words are spelt in chats -> the word.
    """

    def __init__(
        self, known: Iterable[str], ordinary: Iterable[str], aliases: Mapping[str, str]
    ) -> None:
        self.known, self.aliases = frozenset(known), dict(aliases)
        self.ordinary = frozenset(ordinary) | self.known
        self._swapped: dict[str, str] = {}
        self._shortened: dict[str, list[str]] = {}
        for word in sorted(word for word in self.known if word.isascii() and word.isalpha()):
            if len(word) >= SHORTEST:
                for key in _keys(word):
                    self._shortened.setdefault(key, []).append(word)
            elif len(word) >= SHORTEST_SWAP:
                for swapped in _swaps(word):
                    self._swapped.setdefault(swapped, word)
        self.read = lru_cache(maxsize=4096)(self._read)

    def _read(self, word: str) -> str:
        """The word it stands for, or itself."""
        if alias := self.aliases.get(word):
            return alias
        if word in self.ordinary or not word.isascii():
            return word
        if not word.isalpha():
            return self._unleet(word)
        if len(word) < SHORTEST:
            return self._swapped.get(word, word)
        near = {found for key in _keys(word) for found in self._shortened.get(key, ())}
        return next((found for found in sorted(near) if one_slip(word, found)), word)

    def _unleet(self, word: str) -> str:
        """A word with digits for letters, if it then is one."""
        if word.isdigit() and len(word) > 1:
            return word
        readings = [""]
        for sign in word:
            options = _SIGNS.get(sign, sign)
            readings = [read + option for read in readings for option in options]
            readings = readings[:_MOST_READINGS]
        for reading in readings:
            if reading in self.known:
                return reading
        spelt = (self._read(reading) for reading in readings if reading.isalpha())
        return next((reading for reading in spelt if reading in self.known), word)


def _keys(word: str) -> set[str]:
    """The word and what is left of it without one letter."""
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def _swaps(word: str) -> Iterator[str]:
    """The word with two neighbours swapped."""
    return (word[:i] + word[i + 1] + word[i] + word[i + 2 :] for i in range(len(word) - 1))


def one_slip(typed: str, meant: str) -> bool:
    """Whether a letter behind the first was left out, added, replaced or swapped with the next."""
    if typed[0] != meant[0]:
        return False
    short, long = sorted((typed, meant), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    if len(short) < len(long):
        return short[at:] == long[at + 1 :]
    swapped = short[at : at + 2] == long[at : at + 2][::-1]
    return short[at + 1 :] == long[at + 1 :] or (swapped and short[at + 2 :] == long[at + 2 :])
