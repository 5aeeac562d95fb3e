"""The option of a multiple-choice question out of free text: its letter, or its own words.

Options are lettered A, B, C ... in their order. Letters count where they stand as one: alone, in
brackets, before a full stop, a colon or a bracket, after "answer is" or "option". "A person" is an
article. Where letters and words of an answer point to different options it is ``several``.

Example: ``read_choice("The answer is B because A is wrong", ["happy", "sad"]).label`` -> ``"B"``.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from string import ascii_uppercase

from facellm.errors import FaceLLMError

from .answer_text import answer_part, without_words
from .claims import claims_of
from .free_text import main_claim
from .lexicon import family_of, grammar
from .outcome import Parsed

_SAID = (
    r"\b(?i:answer|choice|option|choose|select|pick|choosing|go with|correct one)"
    r"(?:\s+(?i:is|would be|should be|as|letter|option|choice))*\s*[:=]?\s*"
    r"[(\[]?([{0}])[)\].,:;]*(?=\s|$)"
)
_MARKED = r"(?<![\w'])(?:[(\[]([{0}])[)\]]|([{0}])(?=[).:](?:\s|$)))"
_ALONE = r"^\W*([{0}])\W*$"
_OTHER = r"(?<![\w'])([{0}])(?![\w'])"
_DENIED = re.compile(
    r"(?:\bnot|n't|\bnor|\bneither|\brather than|\binstead of)\s*(?:(?:option|answer)\s*)?[(\[]?$",
    re.I,
)
_WRONG = re.compile(
    r"[)\]]?\s+(?:is|are|can be|was)\s+(?:not\b|wrong|incorrect|ruled out|false|excluded)", re.I
)


def letters_of(count: int) -> tuple[str, ...]:
    """``("A", "B", ...)``.

    Raises:
        FaceLLMError: If there are fewer than 2 or more than 26 options.
    """
    if not 2 <= count <= len(ascii_uppercase):
        raise FaceLLMError(f"a question needs 2 to 26 options, got {count}")
    return tuple(ascii_uppercase[:count])


def read_choice(text: str, options: Sequence[str]) -> Parsed:
    """The letter of the option an answer chooses.

    Args:
        text: The answer.
        options: The words of the options, in the order of their letters.

    Returns:
        The outcome; its label is a letter. A letter beyond the options is ``outside``.

    Raises:
        FaceLLMError: If two options read the same, one is empty, or their number is not 2 to 26.
    """
    letters = letters_of(len(options))
    plain = [" ".join(option.lower().split()) for option in options]
    if len(set(plain)) < len(plain) or not all(plain):
        raise FaceLLMError(f"options must be different and not empty, got {list(options)}")
    part = answer_part(text)
    nothing = without_words(text, part)
    if nothing is not None:
        return nothing
    chosen, span = _letters(part, letters)
    if chosen and chosen[0] not in letters:
        return Parsed("outside", chosen, span=span)
    # Words that follow a letter on its line go with it; words elsewhere are reasons.
    where = part if span is None else part[span[1] :].partition("\n")[0]
    worded = _words(where, dict(zip(letters, plain, strict=True)))
    if chosen and (worded is None or len(worded.labels) != 1 or worded.labels == chosen):
        return Parsed("label" if len(chosen) == 1 else "several", chosen, span=span)
    if chosen:  # "B. happy" where B is sad
        both = tuple(dict.fromkeys((*chosen, *(worded.labels if worded else ()))))
        return Parsed("several", both, span=span)
    if worded is not None:
        return worded
    refused = grammar("refusals").search(part)
    return Parsed("refused", span=refused.span()) if refused else Parsed("unparsed")


def _letters(part: str, letters: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, int] | None]:
    """Letters chosen, by the strongest way of naming one that the answer uses."""
    for form, case in ((_ALONE, "A-Za-z"), (_SAID, "A-Z"), (_MARKED, "A-Za-z")):
        found = _standing(part, re.compile(form.replace("{0}", case)))
        if form is _SAID and found:
            found = found[-1:]  # the last conclusion
        if form is _MARKED and found and not _is_list(found, letters):
            found = found[:1] if found[0][1][0] <= _first_word(part) else found
        if found:
            names = tuple(dict.fromkeys(name for name, _ in found))
            return (() if _is_list(found, letters) else names), found[0][1]
    found = [
        f for f in _standing(part, re.compile(_OTHER.replace("{0}", "B-HJ-Z"))) if f[0] in letters
    ]
    names = tuple(dict.fromkeys(name for name, _ in found))
    if names and re.search(r"\bA (?:or|and|/)\s*[B-Z]\b", part):
        names = ("A", *names)
    return (names, found[0][1]) if names else ((), None)


def _first_word(part: str) -> int:
    """Where the first letter or digit of a text stands."""
    match = re.search(r"\w", part)
    return match.start() if match else len(part)


def _standing(part: str, pattern: re.Pattern[str]) -> list[tuple[str, tuple[int, int]]]:
    """Letters a pattern finds that are not denied."""
    found = []
    for match in pattern.finditer(part):
        group = next(number for number, name in enumerate(match.groups(), 1) if name)
        start, end = match.span(group)
        if not _DENIED.search(part[:start]) and not _WRONG.match(part[end:]):
            found.append((match[group].upper(), (start, end)))
    return found


def _is_list(found: list[tuple[str, tuple[int, int]]], letters: Sequence[str]) -> bool:
    """Whether every option is named: the question said back."""
    return len(letters) > 2 and {name for name, _ in found} >= set(letters)


def _words(part: str, options: dict[str, str]) -> Parsed | None:
    """The option whose own words the answer claims."""
    words = {letter: [re.escape(option).replace(r"\ ", " ")] for letter, option in options.items()}
    claims = claims_of(part, family_of(words))
    if not claims:
        return None
    main = main_claim(claims)
    kind = "label" if len(main.labels) == 1 else "several"
    return Parsed(kind, main.labels, span=main.span)
