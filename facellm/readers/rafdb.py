"""RAF-DB, the basic (single-label) part.

::

    EmoLabel/list_patition_label.txt     train_00001.jpg 5   (the set's own spelling)
    Image/aligned/train_00001_aligned.jpg, Image/original/train_00001.jpg
    Annotation/manual/train_00001_manu_attri.txt   five points, then gender, race, age group

A path to the folder itself or to the one above ``basic`` will do. Gender 2 (unsure) is missing; the
race code goes to ``group`` only. Splits are given in the names; a tenth of training becomes
``valid``. Checked: codes, spelling and lines 6 to 8 against several public readers of the set.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facellm.readers.emotion_codes import RAF_DB
from facellm.readers.outcome import (
    BAD_LABEL,
    BadRow,
    Read,
    existing,
    given_or_valid,
    outcomes,
    required,
)
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import Line, column_lines, lines_of

GENDERS = {"0": True, "1": False, "2": None}  # apparent male
GROUPS = {"0": "Caucasian", "1": "African-American", "2": "Asian"}
AGES = {"0": (0, 3), "1": (4, 19), "2": (20, 39), "3": (40, 69), "4": (70, 116)}
ATTRIBUTE_LINES = slice(5, 8)


def attributes(file: Path) -> tuple[bool | None, str | None, tuple[int, int] | None]:
    """Apparent gender, group and age group of a picture; None all where the file is not there.

    Raises:
        BadRow: If a code is none of the set's.
    """
    if not file.is_file():
        return None, None, None
    codes = [text for _, text in lines_of(file)][ATTRIBUTE_LINES]
    tables = (GENDERS, GROUPS, AGES)
    if len(codes) != len(tables) or any(c not in t for c, t in zip(codes, tables, strict=True)):
        raise BadRow(BAD_LABEL, f"{file}: lines 6 to 8 are {codes}, not gender, race and age group")
    return GENDERS[codes[0]], GROUPS[codes[1]], AGES[codes[2]]


def read_rafdb(path: Path, *, aligned: bool = True) -> Iterator[Read]:
    """RAF-DB basic.

    Args:
        path: Folder of the set.
        aligned: Take the aligned pictures; otherwise the original ones.
    """
    root = required(Path(path) / "basic", Path(path))
    file = required(
        root / "EmoLabel" / "list_patition_label.txt",
        root / "EmoLabel" / "list_partition_label.txt",
        root / "list_patition_label.txt",
    )

    def parse(line: Line) -> FaceRow:
        name = line.text("name")
        stem, split = Path(name).stem, name.split("_")[0]
        if split not in ("train", "test"):
            raise BadRow(BAD_LABEL, f"name {name!r} starts with neither train_ nor test_")
        expression = RAF_DB[line.one_of("label", RAF_DB)]
        place = root / "Image" / ("aligned" if aligned else "original")
        manual = root / "Annotation" / "manual" / f"{stem}_manu_attri.txt"
        male, group, ages = attributes(manual)
        return FaceRow(
            source="rafdb",
            key=f"rafdb/{name}",
            split=given_or_valid(split, f"rafdb/{name}"),
            path=existing(place / (f"{stem}_aligned.jpg" if aligned else name)),
            licence=SOURCES["rafdb"].terms,
            where=line.where,
            expression=expression,
            male=male,
            group=group,
            age_range=ages,
        )

    return outcomes("rafdb", column_lines(file, ("name", "label")), parse)
