"""Answers about several faces: each is written from one face's reading alone, then they are joined.

A small language model with several readings before it takes values of one face for another's. So it
is asked about each face as if it were alone, and what is declined is answered once. How many faces
there are is counted, not written by the model, which has seldom seen more than three.

Example: ``parts_of_answer(turns, "age")`` of two faces -> ``[("Face 1: ", turns of the first),
(" Face 2: ", turns of the second)]``; the answer is each heading with what is written after it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from facellm.context import COUNT_WORDS
from facellm.conversation import Conversation, FacePart, Part, TextPart, Turn
from facellm.labels import DECLINED

COUNT = "count"  # the intent
_NAMED = re.compile(
    r"\bfaces?\s+(?:no\.?\s*|number\s+|#)?(\d+(?:\s*(?:,|&|and|or)\s*\d+)*)\b", re.IGNORECASE
)
_HEADING = re.compile(r"\s*\bFace (\d+): ")
_INTENT = re.compile(r"<ask_\w+>")


def is_of_several(turns: Sequence[Turn]) -> bool:
    """Whether a conversation is about more than one face."""
    return sum(1 for _ in Conversation(tuple(turns)).faces()) > 1


def asked_faces(question: str, count: int) -> tuple[int, ...]:
    """Numbers of the faces a question is about: those it names ("face 2"), else all of them.

    Args:
        question: The user's words.
        count: How many faces there are; a number above it names none.
    """
    said = (int(n) for match in _NAMED.finditer(question) for n in re.findall(r"\d+", match[1]))
    named = sorted({number for number in said if 1 <= number <= count})
    return tuple(named) or tuple(range(1, count + 1))


def parts_of_answer(turns: Sequence[Turn], intent: str) -> list[tuple[str, tuple[Turn, ...]]]:
    """What the answer to a conversation about several faces is put together from.

    Args:
        turns: Ends with the user's question; the faces stand in the first turn.
        intent: What the question asks for (``facellm.labels.INTENTS``).

    Returns:
        A heading and the conversation it is written after, in order; the whole conversation under
        no heading where the question is declined, and no conversation where the faces are counted.
    """
    turns = tuple(turns)
    count = sum(1 for _ in Conversation(turns).faces())
    if count < 2 or intent in DECLINED:
        return [("", turns)]
    if intent == COUNT:
        return [(counted(count), ())]
    question = " ".join(part.text for part in turns[-1].parts if isinstance(part, TextPart))
    numbers = asked_faces(question, count)
    headings = [f"{' ' if place else ''}Face {number}: " for place, number in enumerate(numbers)]
    return [(head, alone(turns, n)) for head, n in zip(headings, numbers, strict=True)]


def counted(count: int) -> str:
    """How many faces were found, as a sentence: ``Three faces are found, numbered ...``."""
    number = COUNT_WORDS[count].capitalize() if count < len(COUNT_WORDS) else str(count)
    return f"{number} faces are found, numbered from left to right."


def alone(turns: Sequence[Turn], number: int) -> tuple[Turn, ...]:
    """A conversation as if it had been about one of its faces only.

    Args:
        turns: The faces stand in the first one.
        number: Of the face, from 1.
    """
    return tuple(Turn(turn.role, tuple(_kept(turn.parts, turn.role, number))) for turn in turns)


def _kept(parts: Sequence[Part], role: str, number: int) -> list[Part]:
    kept: list[Part] = []
    faces = 0
    for part in parts:
        if isinstance(part, FacePart):
            faces += 1
            if faces == number:
                kept.append(part)
        elif isinstance(part, TextPart):
            text = about(part.text, number) if role == "assistant" else unnumbered(part.text)
            kept.append(TextPart(text))
        else:
            kept.append(part)
    return kept


def unnumbered(question: str) -> str:
    """A question without the numbers of faces: the one face that is seen has no number."""
    return _NAMED.sub("this face", question)


def about(answer: str, number: int) -> str:
    """What an answer, as the model wrote it, says of one face; all of it where none has a heading.

    Example: ``about("<ask_age>Face 1: 30. Face 2: About 50.", 2)`` gives ``<ask_age>About 50.``
    """
    intent = _INTENT.match(answer)
    head = intent[0] if intent else ""
    before, *told = _HEADING.split(answer[len(head) :])
    if not told:
        return answer
    said = dict(zip(told[::2], told[1::2], strict=True))
    return head + said.get(str(number), before).strip()
