"""What a reader yields: rows, and bad rows that are named and counted instead of ending the run.

A row that cannot be used is a ``Rejection`` of the step ``read`` with file and line. What makes a
whole set unreadable (a missing file, a missing column) is a ``FaceLLMError``.

Example: ``Rejection("affectnet", "training.csv:7", "read", "picture missing",
"689/73ab.jpg", "AffectNet/training.csv, line 7")``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from facellm.errors import FaceLLMError
from facellm.labels import split_of
from facellm.readers.row import FaceRow, Rejection

Read = FaceRow | Rejection

STEP = "read"
# The reasons a reader may give; counts are kept by them.
NO_PICTURE = "picture missing"
NO_VALUE = "value missing"
BAD_VALUE = "value outside its range"
BAD_LABEL = "label outside the set"
NO_COUNTERPART = "label without a counterpart"
NO_LABEL = "no label"
NOT_A_FACE = "not a face"
IN_EVALUATION = "also in an evaluation split"
HARMFUL = "harmful utterance"
# What a set itself says to leave out; a strict run passes over these, too.
EXPECTED = frozenset({IN_EVALUATION, NOT_A_FACE, HARMFUL})


class BadRow(Exception):
    """One row cannot be used. Raised and caught inside of readers only.

    Attributes:
        reason: One of the reasons above.
        detail: The value and its bound.
    """

    def __init__(self, reason: str, detail: str):
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Place(Protocol):
    """Anything read that knows where it stands."""

    @property
    def where(self) -> str:
        """File and line or row, in words."""
        ...

    @property
    def key(self) -> str:
        """Key of a rejected row."""
        ...


@dataclass(frozen=True)
class NamedFile:
    """A picture or clip whose name or folder holds its labels."""

    path: Path

    @property
    def where(self) -> str:
        """The file."""
        return str(self.path)

    @property
    def key(self) -> str:
        """Key of a rejected row."""
        return self.path.name


P = TypeVar("P", bound=Place)


def outcomes(source: str, places: Iterable[P], parse: Callable[[P], FaceRow]) -> Iterator[Read]:
    """Rows of ``parse``, and a rejection for every place it calls bad."""
    for place in places:
        try:
            yield parse(place)
        except BadRow as bad:
            yield Rejection(source, place.key, STEP, bad.reason, bad.detail, place.where)


def strict(rows: Iterable[Read]) -> Iterator[FaceRow]:
    """Rows only.

    Raises:
        FaceLLMError: At the first bad row, naming it; rows the set itself says to leave out are
            passed over.
    """
    for row in rows:
        if isinstance(row, FaceRow):
            yield row
        elif row.reason not in EXPECTED:
            raise FaceLLMError(f"{row.where}: {row.reason}: {row.detail}")


def given_or_valid(split: str, key: str) -> str:
    """A given test split stays; a tenth of a given train split becomes validation by hash."""
    return "valid" if split == "train" and split_of(key) == "valid" else split


def existing(*paths: Path) -> Path:
    """The first of some places where a picture or clip may lie that exists.

    Raises:
        BadRow: If none does; the message names the first.
    """
    for path in paths:
        if path.exists():
            return path
    raise BadRow(NO_PICTURE, f"{paths[0]}: no such file")


def required(*paths: Path) -> Path:
    """The first of some places where a file or folder of the set may lie that exists.

    Raises:
        FaceLLMError: If none does; the message names all.
    """
    for path in paths:
        if path.exists():
            return path
    raise FaceLLMError("; ".join(f"{path}: no such file or folder" for path in paths))


def listed(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    """Files of a folder with one of some endings (lower case), sorted by name.

    The order does not depend on the file system. Names are held, nothing else of a file.

    Raises:
        FaceLLMError: If there is no such folder.
    """
    if not folder.is_dir():
        raise FaceLLMError(f"{folder}: no such folder")
    names = sorted(name for name in os.listdir(folder) if name.lower().endswith(suffixes))
    return (folder / name for name in names)


PICTURES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")
VIDEOS = (".mp4", ".avi", ".flv", ".mov", ".mkv", ".webm")
