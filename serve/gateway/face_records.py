"""Read faces as they go out; without expressions where emotions may not be told.

Example: ``face_record(face, emotions=False)["reading"]`` has no ``expression``.
"""

from __future__ import annotations

from typing import Any

from facellm.results import ReadFace

EMOTIONAL_VALUES = ("expression", "confidence", "abstain", "evidence")  # of a reading
EMOTIONAL_INTENTS = frozenset({"describe", "expression", "why", "overview"})


def face_record(face: ReadFace, *, emotions: bool) -> dict[str, Any]:
    """A face, JSON-ready.

    Args:
        face: Read.
        emotions: Whether expressions may be told.
    """
    found = face.to_dict()
    if not emotions:
        reading = found["reading"]
        left = {name: value for name, value in reading.items() if name not in EMOTIONAL_VALUES}
        found["reading"] = left
    return found


def exact_place(face: ReadFace) -> dict[str, Any]:
    """Box, points and score of a face, pixels of the picture, unrounded."""
    box, points = face.face.box_xyxy, face.face.landmarks
    return {
        "box_xyxy": [box.left, box.top, box.right, box.bottom],
        "landmarks": None if points is None else points.points.tolist(),
        "score": float(face.face.score),
    }
