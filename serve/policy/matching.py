"""Patterns of words, matched in time that grows with the text and no faster.

A pattern is written as people write::

    who [is|was] {person} $          a word, alternatives, a class of words, the end of the sentence
    [name|surname] of ~2 {noun}      ``~2``: up to two words in between
    is {person} lying ![on|in|down]  not followed by one of these
    ^ autis* [or|] ...               start of the sentence; words that begin so; nothing at all

There is no repetition but the bounded gap, so from each word on a pattern looks at a bounded number
of words, and a text of n words costs at most n times a constant.

Legend: words ``list[str]``, positions index them, an end is the position behind the last word.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from facellm.errors import FaceLLMError

from .normal import plain, words

WIDEST_GAP = 8  # words
_PIECES = re.compile(r"~\d|\^|\$|!\[|[\[\]|]|\{[a-z_]+\}|[^\s\[\]|{}~^$!]+")


@dataclass(frozen=True)
class Gap:
    """Up to ``most`` words of any kind."""

    most: int


@dataclass(frozen=True)
class Edge:
    """The start (or the end) of the sentence."""

    start: bool


@dataclass
class Choice:
    """One of several words or sequences.

    Attributes:
        single: Alternatives that are one word.
        begins: Beginnings of words.
        longer: Alternatives of several elements, or of none.
        absent: Whether none of them may follow, instead of one.
    """

    single: set[str] = field(default_factory=set)
    begins: tuple[str, ...] = ()
    longer: list[Pattern] = field(default_factory=list)
    absent: bool = False
    _filed: tuple[dict[str, list[Pattern]], list[Pattern]] | None = None

    def longer_at(self, word: str | None) -> list[Pattern]:
        """Those of ``longer`` that can begin with a word, in which None is the end."""
        if self._filed is None:
            self._filed = self._file()  # in one step: several threads may ask
        by_word, rest = self._filed
        return [*by_word.get(word or "", ()), *rest]

    def _file(self) -> tuple[dict[str, list[Pattern]], list[Pattern]]:
        by_word: dict[str, list[Pattern]] = {}
        rest: list[Pattern] = []
        for option in self.longer:
            first = first_words(option) if option else None
            if first is None or first[1]:
                rest.append(option)
                continue
            for begin in first[0]:
                by_word.setdefault(begin, []).append(option)
        return by_word, rest


Element = Gap | Edge | Choice
Pattern = tuple[Element, ...]


def parse(text: str, classes: Mapping[str, Choice]) -> Pattern:
    """Read a pattern.

    Args:
        text: As in the module's head.
        classes: What ``{name}`` stands for.

    Raises:
        FaceLLMError: If a bracket is open, a class unknown or a gap too wide.
    """
    pieces = _PIECES.findall(text)
    pattern, rest = _sequence(pieces, 0, classes, text)
    if rest != len(pieces):
        raise FaceLLMError(f"pattern {text!r}: {pieces[rest]!r} stands outside of brackets")
    return pattern


def choice(alternatives: Sequence[str], classes: Mapping[str, Choice]) -> Choice:
    """A class of words: each alternative is a pattern of its own."""
    return _choice([parse(text, classes) for text in alternatives])


def _sequence(
    pieces: list[str], at: int, classes: Mapping[str, Choice], text: str
) -> tuple[Pattern, int]:
    elements: list[Element] = []
    while at < len(pieces) and pieces[at] not in {"]", "|"}:
        piece = pieces[at]
        if piece in {"[", "!["}:
            options, at = _bracket(pieces, at + 1, classes, text)
            options.absent = piece == "!["
            elements.append(options)
            continue
        at += 1
        if piece in {"^", "$"}:
            elements.append(Edge(piece == "^"))
        elif piece[0] == "~":
            elements.append(_gap(int(piece[1:]), text))
        elif piece[0] == "{":
            if piece[1:-1] not in classes:
                raise FaceLLMError(f"pattern {text!r}: there is no class {piece}")
            elements.append(classes[piece[1:-1]])
        else:
            elements += _words(piece)
    return tuple(elements), at


def _bracket(
    pieces: list[str], at: int, classes: Mapping[str, Choice], text: str
) -> tuple[Choice, int]:
    options: list[Pattern] = []
    while True:
        option, at = _sequence(pieces, at, classes, text)
        options.append(option)
        if at == len(pieces):
            raise FaceLLMError(f"pattern {text!r}: a bracket is not closed")
        at += 1
        if pieces[at - 1] == "]":
            return _choice(options), at


def _gap(most: int, text: str) -> Gap:
    if most > WIDEST_GAP:
        raise FaceLLMError(f"pattern {text!r}: a gap of {most} words, at most {WIDEST_GAP}")
    return Gap(most)


def _words(piece: str) -> list[Element]:
    """A word of a pattern as the text's words are made; several where it has no blanks."""
    if piece.endswith("*"):
        *whole, last = words(plain(piece[:-1]))
        return [*(Choice({word}) for word in whole), Choice(begins=(last,))]
    return [Choice({word}) for word in words(plain(piece))]


def _choice(options: Sequence[Pattern]) -> Choice:
    """Alternatives; those of one plain word become a set."""
    merged = Choice()
    for option in options:
        first = option[0] if len(option) == 1 else None
        if isinstance(first, Choice) and not first.absent:
            merged.single |= first.single
            merged.begins = (*merged.begins, *first.begins)
            merged.longer += first.longer
        else:
            merged.longer.append(option)
    return merged


class Sentence:
    """Words to be matched; what a class of words matches where is worked out once.

    Args:
        text: The words.
    """

    def __init__(self, text: Sequence[str]) -> None:
        self.text = text
        self._seen: dict[tuple[int, int], frozenset[int]] = {}

    def ends(self, pattern: Pattern, at: int) -> set[int]:
        """Where a pattern that begins at word ``at`` may end; empty where it does not match."""
        reached = {at}
        for element in pattern:
            if isinstance(element, Choice) and len(reached) == 1:
                reached = set(self._choice(element, next(iter(reached))))
            else:
                reached = {end for start in reached for end in self._element(element, start)}
            if not reached:
                break
        return reached

    def _element(self, element: Element, at: int) -> Iterable[int]:
        if isinstance(element, Choice):
            return self._choice(element, at)
        if isinstance(element, Gap):
            return range(at, min(at + element.most, len(self.text)) + 1)
        return (at,) if at == (0 if element.start else len(self.text)) else ()

    def _choice(self, element: Choice, at: int) -> frozenset[int]:
        key = (id(element), at)
        if key not in self._seen:
            self._seen[key] = self._ends_of(element, at)
        return self._seen[key]

    def _ends_of(self, element: Choice, at: int) -> frozenset[int]:
        found: set[int] = set()
        word = self.text[at] if at < len(self.text) else None
        if word is not None and (word in element.single or word.startswith(element.begins)):
            found.add(at + 1)
        for option in element.longer_at(word):
            found |= self.ends(option, at)
        if element.absent:
            return frozenset() if found else frozenset({at})
        return frozenset(found)


def first_words(pattern: Pattern) -> tuple[set[str], tuple[str, ...]] | None:
    """Words and beginnings a match can start with; None where any word can stand there."""
    single: set[str] = set()
    begins: list[str] = []
    for element in pattern:
        if isinstance(element, Gap):
            return None
        if isinstance(element, Edge) or element.absent:
            continue
        single |= element.single
        begins += element.begins
        passes = False
        for option in element.longer:
            first = first_words(option) if option else None
            if option and first is None:
                return None
            passes = passes or not option
            if first is not None:
                single |= first[0]
                begins += first[1]
        if not passes:
            return single, tuple(begins)
    return None


def vocabulary(pattern: Pattern) -> set[str]:
    """Every whole word in a pattern."""
    found: set[str] = set()
    for element in pattern:
        if isinstance(element, Choice):
            found |= element.single
            for option in element.longer:
                found |= vocabulary(option)
    return found


def needed(pattern: Pattern) -> list[set[str]]:
    """Sets of words of which a text must hold one each for the pattern to match, smallest first.

    A cheap test that rules most patterns out: a match begins each of the elements it cannot do
    without with one of these.
    """
    sets = []
    for element in pattern:
        if isinstance(element, Choice) and not element.absent:
            first = first_words((element,))
            if first is not None and not first[1]:
                sets.append(first[0])
    return sorted(sets, key=len)
