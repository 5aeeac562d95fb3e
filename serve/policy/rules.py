"""The rules as data: ``rules/*.json``, one file a language, read once.

A file holds classes of words and, by kind of question, patterns (``matching.py`` says how they are
written)::

    {"classes": {"person": ["he", "she", "[the|this] ~2 {noun}"], ...},
     "rules": [{"kind": "identity",
                "unless": ["who is ~2 looking at"],
                "patterns": ["who is {person} $", ...]}, ...]}

A match counts unless a pattern of ``unless`` matches within ten words of it, or one of the file's
``negated`` ends right before it. Classes of ``common.json`` are known to every file, and those of
the file it ``uses``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from .data import ordinary_words, read_json
from .matching import Choice, Pattern, Sentence, choice, first_words, needed, parse, vocabulary
from .normal import sentences, words
from .spelling import Speller

Spelling = tuple[Iterable[str], Mapping[str, str]]
QUESTIONS = (
    "en",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "pl",
    "tr",
    "nl",
    "ru",
    "zh",
    "ja",
    "ar",
    "hi",
    "ko",
)
ANSWERS = ("answers",)
EMOTIONS = ("emotions",)


@dataclass(frozen=True)
class Rule:
    """One pattern.

    Attributes:
        kind: What a match says, e.g. ``identity``.
        text: The pattern as written.
        pattern: The same, read.
        unless: Patterns that take it back.
        negated: Patterns that take it back where they end right before it.
        needed: Of each of these sets of words a sentence must hold one.
    """

    kind: str
    text: str
    pattern: Pattern
    unless: tuple[Pattern, ...]
    negated: tuple[Pattern, ...]
    needed: tuple[frozenset[str], ...]


class Rules:
    """All patterns, found by the word a match begins with.

    Args:
        rules: Any number.
        spelling: Words the speller leaves alone, and how words are spelt in chats.
    """

    def __init__(self, rules: Sequence[Rule], spelling: Spelling) -> None:
        self.rules = tuple(rules)
        self.by_word: dict[str, list[Rule]] = defaultdict(list)
        self.by_beginning: dict[str, list[Rule]] = defaultdict(list)
        self.anywhere: list[Rule] = []
        for rule in rules:
            self._file(rule)
        self.lengths = sorted({len(begin) for begin in self.by_beginning})
        parts = [p for rule in rules for p in (rule.pattern, *rule.unless, *rule.negated)]
        known = set().union(*map(vocabulary, parts))
        self.speller = Speller(known, *spelling)

    def _file(self, rule: Rule) -> None:
        first = first_words(rule.pattern)
        if first is None:
            self.anywhere.append(rule)
            return
        for word in first[0]:
            self.by_word[word].append(rule)
        for begin in set(first[1]):
            self.by_beginning[begin].append(rule)

    def find(self, text: str) -> Rule | None:
        """The first rule that matches a text, None where none does."""
        for sentence in sentences(text):
            spelt = Sentence([self.speller.read(word) for word in sentence])
            held = set(spelt.text)
            for at, word in enumerate(spelt.text):
                for rule in self._starting(word):
                    if any(held.isdisjoint(some) for some in rule.needed):
                        continue
                    if spelt.ends(rule.pattern, at) and not _taken_back(rule, spelt, at):
                        return rule
        return None

    def _starting(self, word: str) -> list[Rule]:
        """Rules whose matches can begin with a word."""
        found = [*self.by_word.get(word, ()), *self.anywhere]
        for length in self.lengths:
            found += self.by_beginning.get(word[:length], ())
        return found


REACH = 10  # words around a match in which it may be taken back


def _taken_back(rule: Rule, sentence: Sentence, at: int) -> bool:
    start = max(0, at - REACH)
    before = range(start, at)
    if any(at in sentence.ends(pattern, i) for pattern in rule.negated for i in before):
        return True
    around = range(start, min(len(sentence.text), at + REACH))
    return any(sentence.ends(pattern, i) for pattern in rule.unless for i in around)


def _classes(table: Mapping[str, list[str]], known: Mapping[str, Choice]) -> dict[str, Choice]:
    found = dict(known)
    for name, alternatives in table.items():
        found[name] = choice(alternatives, found)
    return found


def _rules_of(table: dict[str, Any], common: Mapping[str, Choice]) -> list[Rule]:
    if "uses" in table:
        common = _classes(read_json(table["uses"])["classes"], common)
    classes = _classes(table.get("classes", {}), common)
    negated = tuple(parse(text, classes) for text in table.get("negated", ()))
    found = []
    for group in table["rules"]:
        unless = tuple(parse(text, classes) for text in group.get("unless", ()))
        for text in group["patterns"]:
            pattern = parse(text, classes)
            sets = tuple(map(frozenset, needed(pattern)))
            found.append(Rule(group["kind"], text, pattern, unless, negated, sets))
    return found


@lru_cache(maxsize=4)
def load_rules(names: tuple[str, ...]) -> Rules:
    """The rules of some files of the package."""
    shared = read_json("common")
    common = _classes(shared["classes"], {})
    rules = [rule for name in names for rule in _rules_of(read_json(name), common)]
    return Rules(rules, (words(ordinary_words()), shared["aliases"]))
