"""FaceRow: a labelled picture, clip or dialogue as a reader hands it over; Rejection: a bad one.

Every set keeps its own labels; a label a set does not have stays ``None`` and is never guessed.
Sentinels of a set (AffectNet's valence of -2, an action unit of 999) are ``None`` too.

Example::

    FaceRow(source="ferplus", key="fer2013/12", split="train", picture=b"RIFF...",
            votes=(4, 0, 0, 1, 3, 2, 0, 0, 0, 0), where="ferplus.parquet, row 12")
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facellm.errors import FaceLLMError

MEDIA = ("picture", "clip", "frames", "dialogue")


@dataclass(frozen=True)
class FaceRow:
    """One labelled item.

    Attributes:
        source: Name of the set.
        key: Stable key inside the set (also what an unsplit set is split by).
        split: ``train``, ``valid`` or ``test``.
        picture: Encoded picture bytes; empty where ``path`` says where the item lies.
        path: File of the picture or clip, or folder of the frames; None where it is embedded.
        media: ``picture``, ``clip`` (a video file), ``frames`` (a folder) or ``dialogue`` (VENUS).
        licence: Terms of the set in a few words; they travel with every record.
        where: File and line or row the item was read from, for messages.
        subject: Person, where the set says; splits and near duplicates are grouped by it.
        box: Face rectangle the set gives, x0 y0 x1 y1 in pixels of the picture, or None.
        votes: FER+ votes of ten taggers in the order of ``VOTE_COLUMNS``, or None.
        expression: One label of ``labels.EXPRESSIONS``, where one annotator gave one, or None.
        valence: -1 to 1, or None; so is ``arousal``.
        arousal: See ``valence``.
        units: FACS number -> intensity in [0, 1] (a set that only says present gives 1.0), holding
            exactly the units the set annotated for this item, or None.
        age: Years 0-116, or None.
        male: Apparent gender, or None.
        mask: Wears a mask, or None.
        fake: Generated or manipulated, or None.
        forgery: Family of the manipulation (``forge``), or None.
        attributes: Further yes/no attributes by the set's own names (CelebA's forty), or None.
        behaviour: Academic behaviour class, or None.
        dialogue: A VENUS record (``readers.venus``), or None.
        landmarks: Published points (68, 2) in pixels of the picture, or None.
        group: Column used in fairness tables only, never an answer.
        age_range: First and last year of an age group, for sets that label groups, or None.
        making: How a made picture came about, JSON-ready (``forge.reader``): method, mask, regions
            to name and seed of a forgery; pose, light, skin and caption of a render. None for what
            a camera took.
    """

    source: str
    key: str
    split: str
    picture: bytes = b""
    path: Path | None = None
    media: str = "picture"
    licence: str = ""
    where: str = ""
    subject: str | None = None
    box: tuple[float, float, float, float] | None = None
    votes: tuple[int, ...] | None = None
    expression: str | None = None
    valence: float | None = None
    arousal: float | None = None
    units: dict[int, float] | None = None
    age: int | None = None
    male: bool | None = None
    mask: bool | None = None
    fake: bool | None = None
    forgery: str | None = None
    attributes: dict[str, bool] | None = None
    behaviour: str | None = None
    dialogue: dict[str, Any] | None = field(default=None, repr=False)
    landmarks: np.ndarray | None = None
    group: str | None = None
    age_range: tuple[int, int] | None = None
    making: dict[str, Any] | None = field(default=None, repr=False)

    def load(self) -> bytes:
        """Encoded bytes of the picture, embedded or read from ``path``.

        Raises:
            FaceLLMError: If the file is missing or unreadable; the message names it and ``where``.
        """
        if self.path is None:
            return self.picture
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise FaceLLMError(f"{self.where}: {self.path}: {error.strerror}") from error


@dataclass(frozen=True)
class Rejection:
    """A row that does not go on: every one stands in ``rejected-*.jsonl`` and in ``counts.json``.

    Attributes:
        source: Name of the set.
        key: Key of the row.
        step: Step that rejected it.
        reason: Short fixed words, what is counted: ``no face``.
        detail: What exactly, with value and bound: ``blur 3.1 is under 8``.
        where: File and line.
    """

    source: str
    key: str
    step: str
    reason: str
    detail: str = ""
    where: str = ""
