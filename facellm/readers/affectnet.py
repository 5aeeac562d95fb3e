"""AffectNet in both of its layouts.

First, a CSV file a split, pictures beside it::

    Manually_Annotated_file_lists/training.csv, validation.csv
        subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,
        expression,valence,arousal
    Manually_Annotated_Images/689/73ab.jpg

Then, four small files a picture::

    train_set/images/0.jpg, train_set/annotations/0_exp.npy 0_val.npy 0_aro.npy 0_lnd.npy; val_set/

Sentinels are missing values: valence or arousal of -2, a face rectangle below 0, landmarks that are
NULL. Expressions 8 (none) and 9 (uncertain) have no counterpart: such a row stays only if it has
valence and arousal. The published validation pictures are the benchmark of the set, whose own test
split was not released: they are ``test`` here, and a tenth of training becomes ``valid``.

Checked: column names, codes and the names of .npy files against public readers of the set. Not
checked: files of the set itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.readers.emotion_codes import AFFECTNET, AFFECTNET_NO_FACE
from facellm.readers.outcome import (
    BAD_LABEL,
    BAD_VALUE,
    NO_COUNTERPART,
    NO_VALUE,
    NOT_A_FACE,
    PICTURES,
    BadRow,
    Read,
    existing,
    given_or_valid,
    listed,
    outcomes,
    required,
)
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import Line, csv_lines

MISSING = "-2"
BOX = ("face_x", "face_y", "face_width", "face_height")
COLUMNS = ("subDirectory_filePath", *BOX, "facial_landmarks", "expression", "valence", "arousal")
SPLITS = {"training.csv": "train", "validation.csv": "test"}
FOLDERS = {"train_set": "train", "val_set": "test"}


@dataclass(frozen=True)
class Affect:
    """Labels of one picture, sentinels already None."""

    code: str
    valence: float | None
    arousal: float | None
    points: NDArray[np.float32] | None
    box: tuple[float, float, float, float] | None = None

    def check(self) -> None:
        """Refuse what is no face, no code, or has nothing to say.

        Raises:
            BadRow: With the reason.
        """
        if self.code not in AFFECTNET:
            raise BadRow(BAD_LABEL, f"expression {self.code!r} is none of 0..10")
        if self.code == AFFECTNET_NO_FACE:
            raise BadRow(NOT_A_FACE, "expression 10")
        if AFFECTNET[self.code] is None and (self.valence is None or self.arousal is None):
            raise BadRow(NO_COUNTERPART, f"expression {self.code}, without valence and arousal")


def points_of(numbers: list[float]) -> NDArray[np.float32]:
    """(68, 2) from 136 numbers.

    Raises:
        BadRow: If there are not 136.
    """
    if len(numbers) != 136:
        raise BadRow(BAD_VALUE, f"{len(numbers)} landmark coordinates instead of 136")
    return np.asarray(numbers, np.float32).reshape(68, 2)


def affect_of(line: Line) -> Affect:
    """Labels of a line of the CSV layout.

    Raises:
        BadRow: If a value is out of range.
    """
    emotion = [
        None if line.is_empty(name, (MISSING, f"{MISSING}.0")) else line.number_of(name, -1.0, 1.0)
        for name in ("valence", "arousal")
    ]
    points = None
    if not line.is_empty("facial_landmarks"):
        try:
            points = points_of([float(n) for n in line.text("facial_landmarks").split(";")])
        except ValueError:
            raise BadRow(BAD_VALUE, "facial_landmarks hold something other than numbers") from None
    box = None
    if not any(line.is_empty(name) or line.values[name].startswith("-") for name in BOX):
        x, y, width, height = (line.number_of(name, 0, 1e6) for name in BOX)
        box = (x, y, x + width, y + height)
    return Affect(line.text("expression"), emotion[0], emotion[1], points, box)


def row_of(key: str, split: str, picture: Path, affect: Affect, where: str) -> FaceRow:
    """The row of a picture and its labels."""
    affect.check()
    return FaceRow(
        source="affectnet",
        key=key,
        split=given_or_valid(split, key),
        path=picture,
        licence=SOURCES["affectnet"].terms,
        where=where,
        expression=AFFECTNET[affect.code],
        valence=affect.valence,
        arousal=affect.arousal,
        landmarks=affect.points,
        box=affect.box,
    )


def read_list(file: Path, split: str, pictures: Path) -> Iterator[Read]:
    """One CSV file."""

    def parse(line: Line) -> FaceRow:
        name, affect = line.text("subDirectory_filePath"), affect_of(line)
        affect.check()
        picture = existing(pictures / name)
        return row_of(f"affectnet/{name}", split, picture, affect, line.where)

    return outcomes("affectnet", csv_lines(file, COLUMNS), parse)


@dataclass(frozen=True)
class Annotated:
    """A picture of the layout with four .npy files."""

    picture: Path
    folder: str

    @property
    def where(self) -> str:
        """The file."""
        return str(self.picture)

    @property
    def key(self) -> str:
        """Stable key."""
        return f"affectnet/{self.folder}/{self.picture.name}"

    def numbers(self, kind: str) -> list[float]:
        """Values of one .npy file, which the set stores as text or as numbers.

        Raises:
            BadRow: If it is missing or holds no numbers.
        """
        file = self.picture.parents[1] / "annotations" / f"{self.picture.stem}_{kind}.npy"
        try:
            return np.load(file, allow_pickle=False).astype(np.float64).ravel().tolist()
        except FileNotFoundError:
            raise BadRow(NO_VALUE, f"{file}: no such file") from None
        except (ValueError, EOFError, OSError) as error:
            raise BadRow(BAD_VALUE, f"{file}: {error}") from None

    def one(self, kind: str) -> float | None:
        """Valence or arousal; None for the sentinel."""
        (value,) = self.numbers(kind) or [float("nan")]
        if value == float(MISSING):
            return None
        if not -1 <= value <= 1:
            raise BadRow(BAD_VALUE, f"{kind} {value:g} is not in -1..1")
        return value

    def affect(self) -> Affect:
        """All labels."""
        code = self.numbers("exp")
        if len(code) != 1 or code[0] != int(code[0]):
            raise BadRow(BAD_LABEL, f"exp {code} is not one whole number")
        points = points_of(self.numbers("lnd"))
        return Affect(str(int(code[0])), self.one("val"), self.one("aro"), points)


def read_folder(folder: Path, split: str) -> Iterator[Read]:
    """``train_set`` or ``val_set``."""
    places = (Annotated(path, folder.name) for path in listed(folder / "images", PICTURES))
    return outcomes(
        "affectnet",
        places,
        lambda one: row_of(one.key, split, one.picture, one.affect(), one.where),
    )


def read_affectnet(path: Path, *, pictures: str = "Manually_Annotated_Images") -> Iterator[Read]:
    """AffectNet, in whichever layout lies there.

    Args:
        path: Folder of the set.
        pictures: Folder of the pictures of the CSV layout, under ``path``.

    Raises:
        FaceLLMError: If neither layout is found.
    """
    path = Path(path)
    folders = [path / name for name in FOLDERS if (path / name).is_dir()]
    for folder in folders:
        yield from read_folder(folder, FOLDERS[folder.name])
    if folders:
        return
    lists = required(path / "Manually_Annotated_file_lists", path)
    files = [lists / name for name in SPLITS if (lists / name).is_file()]
    for file in files or [required(lists / "training.csv")]:
        yield from read_list(file, SPLITS[file.name], required(path / pictures, path))
