r"""What goes through the corpus builder: drafts between steps, records in shards, rejections.

A step is a map: a list of drafts in, for each of them a draft or a rejection out, in the same
order. It keeps no state between calls that changes an outcome, so any number of processes give the
same corpus, and whatever is random in it is seeded by the draft's ``seed``.

    readers -> faces -> annotate -> templates -> rate -> filters -> dedupe -> writer

Example of a record's messages: ``(Message("user", "<image>\nHow old does this face look?"),
Message("assistant", "34 years: ..."))``; ``<image>`` stands once for every picture of the record.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facellm.readers.row import FaceRow, Rejection

IMAGE = "<image>"
TASKS = (
    "expression",
    "action_units",
    "attributes",
    "age",
    "deepfake",
    "geometry",
    "description",
    "limits",
    "academic_emotion",
    "nonverbal",
    "conversation",
)


@dataclass(frozen=True)
class CorpusFace:
    """One face found in a picture.

    Attributes:
        box_xyxy: Pixels of the upright picture.
        landmarks: (68, 2) float32 pixels of the upright picture, None where not located.
        quality: Of the landmarks, in [0, 1].
    """

    box_xyxy: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None
    quality: float


@dataclass(frozen=True)
class Exchange:
    """One question and its answer.

    Attributes:
        task: One of ``TASKS``.
        intent: One of ``labels.INTENTS`` where the question bank has one for it, else the task.
        answer: Text, label first.
        question: Text; empty until the step ``templates`` words it.
    """

    task: str
    intent: str
    answer: str
    question: str = ""


@dataclass(frozen=True)
class Rating:
    """The five FaceInstruct keys (Face-LLaVA's rating prompt), 1 to 10 each, and who gave them.

    Attributes:
        label_accuracy: "accuracy of manual annotation".
        description_picture: "consistency of description with video".
        description_label: "consistency of description with the manual annotation".
        overall: "overall quality".
        reason: "Reason".
        rater: Model that rated.
    """

    label_accuracy: int
    description_picture: int
    description_label: int
    overall: int
    reason: str
    rater: str


@dataclass(frozen=True)
class Draft:
    """A row on its way through the steps.

    Attributes:
        row: As read.
        seed: Of everything random about it (``draft_seed``).
        picture: (H, W, 3) uint8 RGB, upright; None for dialogues and before it is decoded.
        faces: Left to right, once looked for.
        exchanges: Questions and answers written so far.
        rating: None where nothing rated it.
        notes: Values a step leaves for later ones by its own name (``{"blur": 12.3}``), JSON-ready.
    """

    row: FaceRow
    seed: int
    picture: NDArray[np.uint8] | None = None
    faces: tuple[CorpusFace, ...] = ()
    exchanges: tuple[Exchange, ...] = ()
    rating: Rating | None = None
    notes: dict[str, Any] = field(default_factory=dict)


Outcome = Draft | Rejection


class Step(Protocol):
    """A map over drafts; see the module docstring."""

    name: str

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """One outcome for every draft, in order."""
        ...


class Annotator(Protocol):
    """Writes exchanges (answers, no questions yet) from what is known of a draft."""

    name: str

    def annotate(self, drafts: Sequence[Draft]) -> Sequence[tuple[Exchange, ...] | Rejection]:
        """Exchanges for every draft, in order; empty where nothing can be said.

        A rejection stands where it should have been said and could not.
        """
        ...


def reject(draft: Draft, step: str, reason: str, detail: str = "") -> Rejection:
    """The rejection of a draft."""
    row = draft.row
    return Rejection(row.source, row.key, step, reason, detail, row.where)


def draft_seed(seed: int, row: FaceRow) -> int:
    """Seed of a row under a corpus seed: the same wherever and whenever the row is built."""
    text = f"{seed}/{row.source}/{row.key}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


@dataclass(frozen=True)
class Message:
    """Role ``user`` or ``assistant``, and text."""

    role: str
    content: str


@dataclass(frozen=True)
class ImageRef:
    """A picture by its path (as the config wrote its folder), or embedded too."""

    path: str
    data: bytes | None = None


@dataclass(frozen=True)
class Record:
    """One line of the corpus.

    Attributes:
        id: ``source/key/task``.
        messages: User and assistant by turns.
        images: As many as ``<image>`` stands in the messages.
        faces: Boxes and points, pixels of the picture.
        task: One of ``TASKS``.
        labels: What the source labelled, distributions included, JSON-ready.
        source: Name of the set.
        licence: Its terms.
        rating: None where nothing rated it.
        split: ``train``, ``valid`` or ``test``.
    """

    id: str
    messages: tuple[Message, ...]
    images: tuple[ImageRef, ...]
    faces: tuple[CorpusFace, ...]
    task: str
    labels: dict[str, Any]
    source: str
    licence: str
    rating: Rating | None
    split: str

    def __post_init__(self) -> None:
        found = sum(message.content.count(IMAGE) for message in self.messages)
        if found != len(self.images):
            raise ValueError(f"{self.id}: {found} {IMAGE} for {len(self.images)} pictures")

    def rating_dict(self) -> dict[str, Any] | None:
        """The rating, JSON-ready."""
        return None if self.rating is None else asdict(self.rating)
