"""Answers written from readings: every number and label stands in the context.

Greedy decoding always takes the likeliest wording, so a wording drawn at random would end in one
sentence for all faces. The style (one of ten templates per sentence type) therefore follows the
last digit of the apparent age in the context: it means nothing, but a model can learn it, and the
answers vary.

Example: ``compose_answer([reading], "age", rng)`` -> ``"The apparent age is about 30 years (25 to
36)."``; with two faces ``"Face 1: The apparent age is ... Face 2: ..."``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from facellm.labels import INTENTS
from facellm.reading import Reading
from facellm.shown import Shown, shown

from . import grammar_phrases as phrases
from . import grammar_sentences as write
from .grammar_sentences import Writer
from .wording import fork

STYLES = 10
NO_FACE = "I see no face in this picture."
OFF_TOPIC = (
    "That is nothing I can read off a face. I can describe the expression, the apparent age, the "
    "head pose or the gaze.",
    "I only answer questions about the faces in a picture, such as expression, apparent age or "
    "head pose.",
    "I cannot help with that. Ask me about a face: its expression, action units, apparent age or "
    "gaze.",
)
OUT_OF_BOUNDS = (
    "I do not say who a person is, nor anything about origin, health, honesty, character or worth. "
    "I can describe the expression, the apparent age or the head pose.",
    "Who somebody is, where they come from, their health, honesty or character: I do not read that "
    "off a face. I can describe the expression, the action units or the gaze.",
    "I do not judge identity, origin, health, honesty, character or looks from a face. I can say "
    "which expression shows, or the apparent age.",
)
NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")

SENTENCES: dict[str, Callable[[Shown, Writer], str]] = {
    "describe": write.write_description,
    "expression": write.write_expression,
    "action_units": write.write_units,
    "age": write.write_age,
    "gender": write.write_gender,
    "mask": write.write_mask,
    "mouth": write.write_mouth,
    "eyes": write.write_eyes,
    "pose": write.write_pose,
    "gaze": write.write_gaze,
    "deepfake": write.write_deepfake,
    "why": write.write_why,
}
# Said once after the last face.
NOTES = {
    "action_units": phrases.UNITS_SCOPE,
    "gaze": phrases.GAZE_SCOPE,
    "deepfake": phrases.FAKE_LIMIT,
}
REFUSALS = {"off_topic": OFF_TOPIC, "out_of_bounds": OUT_OF_BOUNDS}


def write_count(count: int, writer: Writer) -> str:
    """Number of faces in a word: ``There are two faces``."""
    word = NUMBERS[count] if count < len(NUMBERS) else str(count)
    noun = "face" if count == 1 else "faces"
    return writer.write(phrases.COUNT, n=f"{word} {noun}", are="is" if count == 1 else "are")


def compose_answer(readings: Sequence[Reading], intent: str, rng: np.random.Generator) -> str:
    """Write the answer to a question of an intent.

    Args:
        readings: One per face, left to right; empty when no face was found.
        intent: One of ``labels.INTENTS``.
        rng: Source of the free choices among synonyms.

    Raises:
        ValueError: If the intent is not known.
    """
    if intent not in INTENTS:
        raise ValueError(f"intent {intent!r} is none of {', '.join(INTENTS)}")
    draws = fork(rng)
    if intent in REFUSALS:
        return draws.choice(REFUSALS[intent])
    faces = [shown(reading) for reading in readings]
    if not faces:
        return NO_FACE
    writer = Writer(draws, faces[0].age[0] % STYLES)
    if intent == "count":
        return write_count(len(faces), writer)
    note = [writer.pick(NOTES[intent])] if intent in NOTES else []
    if len(faces) == 1:
        return " ".join([SENTENCES[intent](faces[0], writer), *note])
    sentence = write.write_short_description if intent == "describe" else SENTENCES[intent]
    several = Writer(draws, writer.style, "it")
    told = [f"Face {k}: {sentence(face, several)}" for k, face in enumerate(faces, start=1)]
    return " ".join([*told, *note])
