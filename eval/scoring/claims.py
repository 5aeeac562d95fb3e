"""Which labels a text claims: mentions, with the scope of denial, doubt and supposition.

A *mention* is a word of the lexicon. Mentions joined by nothing but "and", "or", commas and the
like form a *run* ("anger or disgust"). A negator denies the run after it, up to the end of its
clause: a comma, "but", "because" and so on end it ("not smiling, showing sadness"), a list that
closes with "or" or "and" does not ("no anger, fear or sadness").

Example: ``claims_of("It isn't happy but may be surprised.", family("expression"))`` -> one claim,
``surprise``, hedged.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import pairwise

from .answer_text import blank_all
from .lexicon import Family, compiled, grammar

LONGEST_LIST = 4  # labels in one run from which on it lists the options
_SENTENCE = re.compile(r"[^.!?;\n]*(?:[.](?=\w)[^.!?;\n]*)*[.!?;\n]*")
_BREAK_MARK = re.compile(r"[,:()\[\]]|\s-+\s|—")
_MARKS = re.compile(r"[\s,/&+()'-]*$")
_CLOSED = re.compile(r"\b(?:or|nor|and)\b|[/&]", re.I)
_COLON_NO = re.compile(r"\s*[:=]\s*(?:no|none|not|absent|false|0(?:\.0+)?)\b", re.I)
_BE = r"(?:is|are|was|were|does|do|can|could|has|have|seems?|appears?|looks?)"


@dataclass(frozen=True)
class Claim:
    """A run of mentions that is claimed.

    Attributes:
        labels: Different labels in order.
        span: Characters [start, end).
        hedged: Said with doubt.
        final: Follows words of a conclusion ("therefore", "answer:").
        sign: Read from signs, not names.
        listed: So many labels that it lists the options.
    """

    labels: tuple[str, ...]
    span: tuple[int, int]
    hedged: bool = False
    final: bool = False
    sign: bool = False
    listed: bool = False


@dataclass(frozen=True)
class _Mention:
    label: str
    start: int
    end: int


def plain_words(text: str, family: Family) -> str:
    """The text without phrases in which words of the lexicon mean something else; same length."""
    if family.set_aside is not None:
        text = blank_all(text, family.set_aside)
    text = blank_all(text, compiled(["but also"]), "and")
    text = blank_all(text, re.compile(r"(?<=\w)n't(?= (?:sure|certain|clear))", re.I), " not")
    text = blank_all(text, grammar("unsure"), "maybe")
    return blank_all(text, grammar("idioms"))


def claims_of(text: str, family: Family, *, signs: bool = False) -> list[Claim]:
    """Claims of a text in order; what is denied, asked or supposed is not among them.

    Args:
        text: Of ``answer_part``.
        family: The labels.
        signs: Read signs instead of names.
    """
    text = plain_words(text, family)
    patterns = family.signs if signs else family.names
    found: list[Claim] = []
    for sentence in _SENTENCE.finditer(text):
        if sentence[0].rstrip().endswith("?"):
            continue
        # Words before the sentence are blanked, so that spans stay those of the text.
        body = " " * sentence.start() + sentence[0]
        found += [replace(claim, sign=signs) for claim in _sentence_claims(body, patterns, family)]
    return found


def _mentions(body: str, patterns: tuple[tuple[str, re.Pattern[str]], ...]) -> list[_Mention]:
    """Mentions in order; of overlapping ones the earlier and longer."""
    found = [_Mention(label, *match.span()) for label, p in patterns for match in p.finditer(body)]
    kept: list[_Mention] = []
    for mention in sorted(found, key=lambda m: (m.start, -m.end)):
        if not kept or mention.start >= kept[-1].end:
            kept.append(mention)
    return kept


def _joins(between: str) -> bool:
    """Whether words between two mentions only join them."""
    return _MARKS.fullmatch(blank_all(between, grammar("connectors"))) is not None


def _runs(body: str, mentions: list[_Mention]) -> Iterator[list[_Mention]]:
    run: list[_Mention] = []
    for mention in mentions:
        if run and not _joins(body[run[-1].end : mention.start]):
            yield run
            run = []
        run.append(mention)
    if run:
        yield run


def _reaches(body: str, pattern: re.Pattern[str], start: int) -> bool:
    """Whether a word of ``pattern`` before ``start`` has it in its scope."""
    return any(
        not _BREAK_MARK.search(body, match.end(), start)
        and not grammar("breaks").search(body, match.end(), start)
        for match in pattern.finditer(body, 0, start)
    )


def _denied_after(body: str, end: int) -> bool:
    """Whether what follows a mention says that it is not there."""
    after = body[end:]
    if _COLON_NO.match(after):
        return True
    few = r"(?:\s+(?!not\b)\w+){0,3}?"
    gone, seen = grammar("absent_after").pattern, grammar("absent_after_not").pattern
    plain = rf"{few}\s+(?:{_BE}|be)\s+(?:\w+ly\s+|be\s+)?{gone}"
    denied = rf"{few}\s+(?:{_BE}\s+not|{_BE}n'?t|cannot|can't)\s+(?:be\s+|been\s+|\w+ly\s+)*{seen}"
    short = rf"{few}\s+(?:{_BE}\s+not|{_BE}n'?t)\s*(?:[.,;!]|$)"
    return re.match(f"(?:{plain}|{denied}|{short}|\\s+would\\b)", after, re.I) is not None


def _hedged(body: str, run: list[_Mention]) -> bool:
    start, end = run[0].start, run[-1].end
    if _reaches(body, grammar("hedges"), start):
        return True
    tail = _BREAK_MARK.split(body[end:])[0]
    cut = grammar("breaks").search(tail)
    return grammar("afterthoughts").search(tail[: cut.start()] if cut else tail) is not None


def _split_denied(body: str, run: list[_Mention]) -> list[_Mention]:
    """What of a run is claimed although a negator stands before it: the rest of an open list."""
    gaps = [body[a.end : b.start] for a, b in pairwise(run)]
    if any(_CLOSED.search(gap) for gap in gaps):
        return []
    return run[1:]  # "not angry, sad": the comma ends the denial


def _sentence_claims(
    body: str, patterns: tuple[tuple[str, re.Pattern[str]], ...], family: Family
) -> Iterator[Claim]:
    mentions = _mentions(body, patterns)
    bare = body
    for mention in mentions:  # "no emotion" names neutral: its "no" denies nothing
        bare = bare[: mention.start] + "x" * (mention.end - mention.start) + bare[mention.end :]
    finals = [match.end() for match in grammar("finals").finditer(bare)]
    for run in _runs(bare, mentions):
        start = run[0].start
        if _reaches(bare, grammar("suppositions"), start):
            continue
        denied = _reaches(bare, grammar("negators"), start) or _denied_after(bare, run[-1].end)
        rejected = _reaches(bare, grammar("rejections"), start)
        labels = tuple(dict.fromkeys(mention.label for mention in run))
        if denied and family.opposites:
            labels = tuple(next(o for o in family.labels if o != label) for label in labels)
        elif denied or rejected:
            run = _split_denied(bare, run) if denied else []
            labels = tuple(dict.fromkeys(mention.label for mention in run))
        if not labels:
            continue
        yield Claim(
            labels,
            (run[0].start, run[-1].end),
            hedged=_hedged(bare, run),
            final=any(end <= start for end in finals),
            listed=len(labels) >= LONGEST_LIST,
        )
