"""What an endpoint is shown and told of a draft: the crop of its face, and the facts in words.

Example of the facts: ``{"expression": "Sadness: 8 of 10 people read this face as sadness (...).",
"head pose": "The head is straight."}``.
"""

from __future__ import annotations

import random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.crops import upright_crop
from facellm.face import BoundingBox, Face, Landmarks
from facellm.reasoner import sent

from ..corpus.record import Draft
from ..grammar_sentences import Writer
from . import people_sentences as people
from . import picture_sentences as picture
from .facts import Facts
from .grammar_annotator import Teller

CROP_SIDE = 448  # pixels; a smaller picture is sent as it is
# Topic of a description -> task, intent and the sentence that states the label first.
TOPICS: dict[str, tuple[str, str, Teller]] = {
    "expression": ("expression", "expression", people.tell_expression),
    "action_units": ("action_units", "action_units", picture.tell_units),
    "age": ("age", "age", people.tell_age),
    "attributes": ("attributes", "attributes", picture.tell_attributes),
    "deepfake": ("deepfake", "deepfake", picture.tell_fake),
}
MEASURED: dict[str, Teller] = {
    "head pose": picture.tell_head,
    "mouth": picture.tell_mouth,
    "measures": picture.tell_measures,
}


def as_face(draft: Draft) -> Face | None:
    """The draft's only face as the core's own type; None for no or several faces."""
    if len(draft.faces) != 1:
        return None
    face = draft.faces[0]
    points = None if face.landmarks is None else Landmarks(face.landmarks)
    return Face(BoundingBox(*face.box_xyxy), points, face.quality)


def portrait(draft: Draft) -> NDArray[np.uint8] | None:
    """The crop of the face, or the whole picture where not exactly one was found."""
    if draft.picture is None:
        return None
    face = as_face(draft)
    if face is None or max(draft.picture.shape[:2]) <= CROP_SIDE:
        return draft.picture
    return upright_crop(draft.picture, face, CROP_SIDE)


def shown_and_told(draft: Draft, text: str) -> list[dict[str, Any]]:
    """Content of a user's message: the text, then the picture as a data URL, where there is one."""
    crop = portrait(draft)
    content: list[dict[str, Any]] = [{"type": "text", "text": text}]
    return content if crop is None else [*content, sent(crop)]


def label_sentences(facts: Facts, seed: int) -> dict[str, str]:
    """A sentence for every topic the row has a label of."""
    return told(facts, {name: teller for name, (_, _, teller) in TOPICS.items()}, seed)


def measured_sentences(facts: Facts, seed: int) -> dict[str, str]:
    """A sentence for everything that was measured."""
    return told(facts, MEASURED, seed)


def told(facts: Facts, tellers: dict[str, Teller], seed: int) -> dict[str, str]:
    """What some tellers say, without those that say nothing."""
    rng = random.Random(seed)
    said = {name: tell(facts, Writer(rng, rng.randrange(10))) for name, tell in tellers.items()}
    return {name: text for name, text in said.items() if text is not None}
