r"""A record's messages -> the text of its conversation, by the product's own template.

Example: ``<image>\nHow old?`` / ``About 34 years.`` of a record about age becomes
``<|user|>Face 1: <face>\nHow old?<|end|><|assistant|><q_intent><ask_age>About 34 years.<|end|>``.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from facellm.context import reading_text
from facellm.conversation import FacePart, TextPart, Turn
from facellm.errors import FaceLLMError
from facellm.pointers import to_pointers
from facellm.processor import FaceLLMProcessor
from facellm.prompts import neutralise
from facellm.reading import Reading

from .echo import echo_text
from .intents import intents_of
from .records import Facts

IMAGE = "<image>"
NO_PICTURE = np.zeros((1, 1, 3), np.uint8)  # of a face whose pixels come later
NO_FACE = "no located face"
UNEQUAL = "more pictures than faces"
NO_READING = "no reading"
UNSEEN = "reading without a picture"
NO_ANSWER = "no answer at the end"
_PLACE = re.compile(rf"{IMAGE}\n?")
# Tracks whose messages are written with reserved tokens (``<FACE_12>``).
_TOKEN_TASKS = ("nonverbal",)

Messages = Sequence[dict[str, str]]


@dataclass(frozen=True)
class Manner:
    """How records are told.

    Attributes:
        with_reading: Answers are written under the faces' readings.
        echo: A single face's reading comes once more behind the conversation (``echo``).
    """

    with_reading: bool = False
    echo: bool = False


def conversation_text(
    processor: FaceLLMProcessor, facts: Facts, messages: Messages, manner: Manner
) -> tuple[str, str]:
    """Text of a record with one ``<face>`` a face, or why it is left out.

    A record may have readings and no pictures (``made readings``): their faces have a place in the
    text too, and the tokeniser gives it no room.

    Args:
        processor: The product's.
        facts: The record.
        messages: Its messages, ``{"role": ..., "content": ...}``.
        manner: Of telling.

    Returns:
        The text and "", or "" and a reason that is counted.

    Raises:
        FaceLLMError: If labels or messages are not as a corpus has them.
    """
    places = sum(message["content"].count(IMAGE) for message in messages)
    reason = misfit(places, facts)
    if reason or not messages or messages[-1]["role"] != "assistant":
        return "", reason or NO_ANSWER
    readings = readings_of(facts)
    if manner.with_reading and facts.pictures and not readings:
        return "", NO_READING
    if readings and not facts.pictures and not manner.with_reading:
        return "", UNSEEN
    contexts = [reading_text(reading) for reading in readings] if manner.with_reading else []
    faces = [FacePart(NO_PICTURE, None, context) for context in contexts]
    if not manner.with_reading:
        faces, readings = [FacePart(NO_PICTURE)] * (len(facts.boxes) if places else 0), []
    text = processor.prompt_text(turns_of(facts, messages, faces, readings), complete=True)
    if manner.echo and len(contexts) == 1:
        text += echo_text(contexts[0], np.random.default_rng(zlib.crc32(facts.id.encode())))
    return text, ""


def misfit(places: int, facts: Facts) -> str:
    """Why pictures, places and faces of a record do not belong together; empty where they do.

    One place stands for one picture with all its faces; several for as many faces, one each.
    """
    if places != len(facts.pictures):
        return UNEQUAL
    if places == 0:
        return ""
    if not len(facts.boxes):
        return NO_FACE
    return "" if places in (1, len(facts.boxes)) else UNEQUAL


def readings_of(facts: Facts) -> list[Reading]:
    """Readings of the faces, left to right; none where the labels do not hold one for each.

    Without pictures there are as many faces as readings, which nobody sees.
    """
    given = facts.labels.get("reading")
    listed = given if isinstance(given, list) else [given] if given else []
    if facts.pictures and len(listed) != len(facts.boxes):
        return []
    try:
        return [Reading.from_dict(reading) for reading in listed]
    except (KeyError, TypeError, ValueError) as error:
        raise FaceLLMError(f"labels hold no reading that can be read ({error!r})") from error


def turns_of(
    facts: Facts, messages: Messages, faces: list[FacePart], readings: list[Reading]
) -> list[Turn]:
    """The turns of a conversation, faces in their places and every answer with its intent."""
    answers = [message["content"] for message in messages if message["role"] == "assistant"]
    intents = iter(intents_of(facts.task, facts.labels, answers))
    left, turns = list(faces), []
    places = sum(message["content"].count(IMAGE) for message in messages)
    each = len(faces) if places <= 1 else 1
    safe = str if facts.task in _TOKEN_TASKS else neutralise
    for index, message in enumerate(messages):
        text, count = _PLACE.subn("", message["content"])
        text = safe(text)
        if message["role"] == "assistant":
            said = to_pointers(text, readings) if readings else text
            turns.append(Turn("assistant", (TextPart(f"<ask_{next(intents)}>{said}"),)))
        else:
            count = count or int(index == 0 and not places)
            shown, left = left[: count * each], left[count * each :]
            turns.append(Turn(message["role"], (*shown, TextPart(text))))
    return turns
