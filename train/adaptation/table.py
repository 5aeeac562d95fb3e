"""A user's table of labelled faces: one line a face.

Example::

    image,subject,hair,expression
    pics/0001.jpg,p1,long,happiness
    pics/0002.jpg,p2,short,

Columns that say which face: ``image`` (a path, from the folder of the table), ``face`` (1, 2 ...
left to right), ``box`` (left top right bottom, pixels), ``subject``, ``split`` (train, valid,
test). Columns of ours: ``expression``, ``age``, ``gender``, ``AU12`` ... (intensity 0 to 1),
``mask``, ``mouth_open``, ``eyes_closed``, ``generated``. Every other column is a label set of the
user's own; ``--label`` picks some. An empty cell is no label.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from facellm.errors import FaceLLMError
from facellm.label_targets import readout_targets
from facellm.labels import ACTION_UNITS, EXPRESSIONS

from .refused import check_name

PLACES = ("image", "face", "box", "subject", "split")
YES, NO = ("1", "true", "yes", "y"), ("0", "false", "no", "n")
GENDERS = ("female", "male")
SPLITS = ("train", "valid", "test")
# Column -> query it corrects, and its name in ``label_targets``.
CORRECTED = {
    "expression": ("expr", "expression"),
    "age": ("age", "age"),
    "gender": ("gender", "male"),
    "mask": ("mask", "mask"),
    "mouth_open": ("mouth_open", "mouth_open"),
    "eyes_closed": ("eyes_closed", "eyes_closed"),
    "generated": ("fake", "fake"),
}
MOST_CLASSES, MOST_LABELS, LONGEST_NAME = 20, 16, 40
MOST_ROWS = 20_000
NAME = re.compile(r"[^\W\d][\w -]*")


@dataclass(frozen=True)
class FaceLine:
    """One line.

    Attributes:
        line: Number in the file, the heading is 1.
        path: Picture.
        face: Number of the face, left to right; None where the picture shows one.
        box: Left, top, right, bottom in pixels, or None.
        subject: Who it is for the split, as the table calls them; empty: not said.
        split: As given, or empty.
        values: Label column -> text, those that have one.
    """

    line: int
    path: Path
    face: int | None
    box: tuple[float, ...] | None
    subject: str
    split: str
    values: Mapping[str, str]


@dataclass
class FaceTable:
    """A table's good lines and its label columns.

    Attributes:
        path: The file.
        lines: In the order of the file.
        classes: Label column of the user's own -> its classes, sorted.
        corrected: Columns of ours that it holds.
        problems: (where, reason) of lines that were left out.
    """

    path: Path
    lines: list[FaceLine]
    classes: dict[str, tuple[str, ...]]
    corrected: list[str]
    problems: list[tuple[str, str]] = field(default_factory=list)

    @property
    def labels(self) -> list[str]:
        """Every label column."""
        return [*self.corrected, *self.classes]

    def target(self, name: str, text: str) -> np.ndarray:
        """Distribution (K,) float32 that a cell asks for."""
        if name in self.classes:
            shares = np.zeros(len(self.classes[name]), np.float32)
            shares[self.classes[name].index(text)] = 1
            return shares
        return corrected_target(name, text)


def query_of(column: str) -> str:
    """The query a column of ours corrects; empty for a column of the user's own."""
    if column in CORRECTED:
        return CORRECTED[column][0]
    number = column[2:]
    if column[:2] == "AU" and number.isdecimal() and int(number) in ACTION_UNITS:
        return f"au{int(number)}"
    return ""


def corrected_target(column: str, text: str) -> np.ndarray:
    """Distribution (K,) of a cell of a column of ours.

    Raises:
        FaceLLMError: If the text is none of what the column may hold; without the place.
    """
    query = query_of(column)
    value: Any = text
    if query.startswith("au"):
        return readout_targets({"units": {query[2:]: text}})[query]
    if column == "gender":
        if text.lower() not in GENDERS:
            raise FaceLLMError(f"gender {text!r} is none of {', '.join(GENDERS)}")
        value = text.lower() == "male"
    elif column == "expression":
        if text.lower() not in EXPRESSIONS:
            raise FaceLLMError(f"expression {text!r} is none of {', '.join(EXPRESSIONS)}")
        value = text.lower()
    elif column != "age":
        if text.lower() not in (*YES, *NO):
            raise FaceLLMError(f"{column} {text!r} is none of {', '.join((*YES, *NO))}")
        value = text.lower() in YES
    return readout_targets({CORRECTED[column][1]: value})[query]


def read_table(path: Path, wanted: Sequence[str] = ()) -> FaceTable:
    """Read a user's table.

    Args:
        path: CSV, UTF-8, with a heading.
        wanted: Label columns to take; empty takes all.

    Raises:
        FaceLLMError: If there is no such file or no usable heading, or a label may not be taught;
            the message names file, column or line, value and bound.
    """
    heading, rows = raw_rows(path)
    names = label_columns(path, heading, wanted)
    table = FaceTable(path, [], {}, [name for name in names if query_of(name)])
    for number, row in rows:
        where = f"{path.name} line {number}"
        try:
            table.lines.append(face_line(path, number, dict(zip(heading, row, strict=True)), names))
        except (FaceLLMError, ValueError) as error:
            told = f"{len(row)} cells, the heading has {len(heading)}"
            table.problems.append((where, told if len(row) != len(heading) else str(error)))
    for name in names:
        if not query_of(name):
            table.classes[name] = classes_of(path, name, table.lines)
    return table


def raw_rows(path: Path) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """Heading and (line, cells) of a CSV file."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FaceLLMError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    reader = csv.reader(text.splitlines(keepends=True), strict=True)
    try:
        heading = [cell.strip() for cell in next(reader, [])]
        rows = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except csv.Error as error:
        raise FaceLLMError(f"{path} line {reader.line_num}: not CSV ({error})") from error
    if len(rows) > MOST_ROWS:
        raise FaceLLMError(f"{path}: {len(rows)} lines, the bound is {MOST_ROWS}; train instead")
    return heading, rows


def label_columns(path: Path, heading: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Label columns of a heading, after every check that needs no line."""
    twice = next((name for name in heading if heading.count(name) > 1), None)
    if twice is not None:
        raise FaceLLMError(f"{path} line 1: column {twice!r} stands there twice")
    if "image" not in heading:
        raise FaceLLMError(f"{path} line 1: no column 'image' among {', '.join(heading) or 'none'}")
    found = [name for name in heading if name not in PLACES]
    absent = next((name for name in wanted if name not in found), None)
    if absent is not None:
        raise FaceLLMError(f"--label {absent}: no label column of {path}: {', '.join(found)}")
    found = [name for name in found if name in wanted] if wanted else found
    if not 1 <= len(found) <= MOST_LABELS:
        raise FaceLLMError(
            f"{path}: {len(found)} label columns, must be 1 to {MOST_LABELS}; --label picks some"
        )
    for name in found:
        check_name(name, f"{path} line 1")
        if not query_of(name) and (len(name) > LONGEST_NAME or not NAME.fullmatch(name)):
            raise FaceLLMError(
                f"{path} line 1: label {name!r} must be at most {LONGEST_NAME} letters, digits, "
                "'_', '-' and blanks, beginning with a letter"
            )
    return found


def face_line(path: Path, number: int, row: dict[str, str], names: Sequence[str]) -> FaceLine:
    """One line of cells; ``FaceLLMError`` for a cell that cannot be what its column asks."""
    values = {name: row[name] for name in names if row[name]}
    if not row["image"] or not values:
        raise FaceLLMError("no image" if not row["image"] else "no label column has a value")
    for name, text in values.items():
        if query_of(name):
            corrected_target(name, text)
    face, box = row.get("face", ""), row.get("box", "")
    if face and not (face.isdecimal() and int(face) >= 1):
        raise FaceLLMError(f"face {face!r} is no number from 1 on")
    edges = tuple(float(edge) for edge in re.split(r"[\s,;]+", box)) if box else None
    if edges is not None and (len(edges) != 4 or edges[2] <= edges[0] or edges[3] <= edges[1]):
        raise FaceLLMError(f"box {box!r} is not left top right bottom in pixels")
    split = row.get("split", "").lower().replace("validation", "valid")
    if split and split not in SPLITS:
        raise FaceLLMError(f"split {split!r} is none of {', '.join(SPLITS)}")
    return FaceLine(
        line=number,
        path=path.parent / row["image"],
        face=int(face) if face else None,
        box=edges,
        subject=row.get("subject", ""),
        split=split,
        values=values,
    )


def classes_of(path: Path, name: str, lines: Sequence[FaceLine]) -> tuple[str, ...]:
    """Classes of a label of the user's own, sorted."""
    found = tuple(sorted({line.values[name] for line in lines if name in line.values}))
    if not 2 <= len(found) <= MOST_CLASSES:
        shown = f" ({', '.join(found[:4])} ...)" if len(found) > 4 else f" ({', '.join(found)})"
        raise FaceLLMError(
            f"{path}: label {name!r} has {len(found)} classes{shown}, must have 2 to "
            f"{MOST_CLASSES}; numbers must be put in bins first"
        )
    for text in found:
        check_name(text, f"{path} label {name!r}")
        if len(text) > LONGEST_NAME:
            raise FaceLLMError(f"{path}: class {text!r} is longer than {LONGEST_NAME} characters")
    return found
