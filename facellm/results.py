"""What comes out of an assistant: faces with their readings, an answer with its evidence.

Example: ``print(json.dumps(answer.to_dict()))``; boxes and landmarks are pixels of the picture as
it is seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from facellm.face import Face
from facellm.reading import Reading


@dataclass(frozen=True)
class ReadFace:
    """One face of a picture and what was read off it.

    Attributes:
        id: 1, 2 ... left to right.
        face: Box and landmarks in pixels.
        reading: Distributions, geometry, confidence.
    """

    id: int
    face: Face
    reading: Reading

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "id": self.id,
            "box_xyxy": self.face.box_xyxy.to_list(),
            "landmark_quality": round(self.face.score, 4),
            "reading": self.reading.to_dict(),
        }


@dataclass
class Written:
    """What an answer holds so far, filled in as it is written.

    Attributes:
        intent: What the question asks for; where it is set before the first token, the answer is
            about that.
        text: Words as they were handed out.
        tokens: As the model wrote them, intent and pointers included.
        count: Tokens of the answer.
        prompt: Tokens of the prompts it was written after.
    """

    intent: str = ""
    text: str = ""
    tokens: str = ""
    count: int = 0
    prompt: int = 0


@dataclass
class Timings:
    """Seconds spent, filled in as an answer is made."""

    detect: float = 0.0
    read: float = 0.0
    first_word: float = 0.0
    total: float = 0.0


@dataclass(frozen=True)
class Answer:
    """An answer and the evidence it was written from.

    Attributes:
        text: The sentences.
        intent: What the question was taken to ask for (``facellm.labels.INTENTS``).
        faces: Read faces, left to right.
        usage: ``faces``, ``crops``, ``tokens`` (prompt and answer), ``size`` (width, height).
        timings: Seconds.
    """

    text: str
    intent: str
    faces: tuple[ReadFace, ...]
    usage: dict[str, Any]
    timings: Timings

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "answer": self.text,
            "intent": self.intent,
            "faces": [face.to_dict() for face in self.faces],
            "usage": self.usage,
            "timings": vars(self.timings),
        }


@dataclass
class AnswerStream:
    """Pieces of text as they are written; after the last one, ``answer`` is complete."""

    pieces: Iterator[str]
    answer: Answer | None = field(default=None)

    def __iter__(self) -> Iterator[str]:
        return self.pieces
