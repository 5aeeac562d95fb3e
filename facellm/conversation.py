"""Conversation: the one record that crosses every border of the product.

A pure value: who said what, which face crops it is about, and, for training, where it came from.
``to_dict`` / ``from_dict`` round-trip exactly; a crop travels as PNG bytes in base64.

Example::

    Conversation(turns=(
        Turn("user", (FacePart(crop, landmarks_unit, "<reading>...</reading>"),
                      TextPart("What expression is shown?"))),
        Turn("assistant", (TextPart("<ask_expression>Happiness: ..."),)),
    ))
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ROLES = ("system", "user", "assistant")


@dataclass(frozen=True)
class TextPart:
    """Words."""

    text: str

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "text", "text": ...}``."""
        return {"type": "text", "text": self.text}


@dataclass(frozen=True, eq=False)
class FacePart:
    """One face crop, one multimodal item.

    Attributes:
        crop: (S, S, 3) uint8 RGB, the fixed-margin square of ``facellm.face.square_crop``.
        landmarks_unit: (68, 2) in [0, 1] of the crop; None lets the processor compute them, all NaN
            says they are missing.
        reading: Context text of the reading (``facellm.context``), or None before it is taken.
    """

    crop: NDArray[np.uint8]
    landmarks_unit: NDArray[np.float32] | None = None
    reading: str | None = None

    def __post_init__(self) -> None:
        if self.crop.ndim != 3 or self.crop.shape[2] != 3 or self.crop.dtype != np.uint8:
            raise ValueError(f"a crop is (S, S, 3) uint8, got {self.crop.shape} {self.crop.dtype}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FacePart) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.crop.tobytes(), self.reading))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, lossless."""
        buffer = io.BytesIO()
        Image.fromarray(self.crop).save(buffer, "PNG")
        points = None
        if self.landmarks_unit is not None:  # JSON knows no NaN: a missing coordinate is null
            rows = self.landmarks_unit.tolist()
            points = [[value if math.isfinite(value) else None for value in row] for row in rows]
        return {
            "type": "face",
            "png": base64.b64encode(buffer.getvalue()).decode(),
            "landmarks_unit": points,
            "reading": self.reading,
        }


@dataclass(frozen=True)
class ScenePart:
    """Reserved: the whole picture or body, for context questions."""

    description: str = ""

    def to_dict(self) -> dict[str, Any]:
        """``{"type": "scene", ...}``."""
        return {"type": "scene", "description": self.description}


Part = TextPart | FacePart | ScenePart


@dataclass(frozen=True)
class Turn:
    """One message.

    Attributes:
        role: ``system``, ``user`` or ``assistant``.
        parts: What it holds, in order.
    """

    role: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if self.role not in ROLES:
            raise ValueError(f"role {self.role!r} is not one of {ROLES}")


@dataclass(frozen=True)
class Conversation:
    """Turns plus where they came from.

    Attributes:
        turns: Messages in order.
        source: Data set the pictures came from, empty for a user's own.
        licence: Terms of that source.
        task: ``expression``, ``action_units``, ``attributes``, ``age``, ``deepfake`` or empty.
        split: ``train``, ``valid``, ``test`` or empty.
        labels: Labels the sample carries (votes, age ...), JSON-ready.
    """

    turns: tuple[Turn, ...]
    source: str = ""
    licence: str = ""
    task: str = ""
    split: str = ""
    labels: dict[str, Any] = field(default_factory=dict)

    def faces(self) -> Iterator[FacePart]:
        """Every face part, in reading order."""
        for turn in self.turns:
            for part in turn.parts:
                if isinstance(part, FacePart):
                    yield part

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``from_dict`` gives an equal conversation back."""
        return {
            "turns": [
                {"role": turn.role, "parts": [part.to_dict() for part in turn.parts]}
                for turn in self.turns
            ],
            "source": self.source,
            "licence": self.licence,
            "task": self.task,
            "split": self.split,
            "labels": self.labels,
        }

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Conversation:
        """Inverse of ``to_dict``."""
        turns = tuple(
            Turn(turn["role"], tuple(part_from_dict(part) for part in turn["parts"]))
            for turn in record["turns"]
        )
        return cls(turns, **{name: record[name] for name in record if name != "turns"})


def part_from_dict(record: dict[str, Any]) -> Part:
    """A part from its dict; ``ValueError`` for an unknown type."""
    if record["type"] == "text":
        return TextPart(record["text"])
    if record["type"] == "scene":
        return ScenePart(record["description"])
    if record["type"] != "face":
        raise ValueError(f"part type {record['type']!r} is not text, face or scene")
    with Image.open(io.BytesIO(base64.b64decode(record["png"]))) as picture:
        crop = np.asarray(picture.convert("RGB"), np.uint8)
    points = record["landmarks_unit"]
    return FacePart(
        crop, None if points is None else np.asarray(points, np.float32), record["reading"]
    )
