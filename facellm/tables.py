"""Rows of readings -> CSV, Parquet or JSON lines, with one fixed set of columns.

A table is written in chunks beside its final name (``faces.csv.part``) and renamed when it is
complete, so a killed run leaves no half table that looks whole. What could not be filled is empty
in CSV and null in the other two, never 0.

Example line of a CSV (shortened)::

    file,face,left,top,right,bottom,expression,confidence,...,AU12,AU12_intensity,...,z_nose_to_lip
    photo.jpg,1,172.3,73.1,266.0,190.4,happiness,0.91,...,0.88,0.61,...,-0.4

Boxes are pixels of the picture as it is seen; shares and probabilities lie in [0, 1]; angles are
degrees, ages years, ``z_`` columns standard deviations from neutral faces.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

from facellm.errors import FaceLLMError
from facellm.face import BoundingBox
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.reading import AgeReading, Reading, UnitReading

Row = dict[str, Any]
BOX = ("left", "top", "right", "bottom")
PLACES = 5  # decimals kept
TEXT_COLUMNS = ("file", "expression")
COLUMN_SETS = ("default",)
FORMATS = (".csv", ".parquet", ".jsonl")
PARQUET_ROWS = 2048  # rows of a Parquet group, all that is held in memory


def table_columns() -> tuple[str, ...]:
    """Every column, in order: asked of a reading with everything filled, so both always agree."""
    full = Reading(
        expression=dict.fromkeys(EXPRESSIONS, 0.0),
        action_units=dict.fromkeys(ACTION_UNITS, UnitReading(0.0, 0.0)),
        age=AgeReading(0.0, 0.0, 0.0),
        gender={"female": 0.5, "male": 0.5},
        mask=0.0,
        mouth_open=0.0,
        eyes_closed=0.0,
        gaze=(0.0, 0.0),
        generated=0.0,
        pose=(0.0, 0.0, 0.0),
        geometry=dict.fromkeys(MEASURES, 0.0),
    )
    return ("file", "face", *BOX, *full.to_row())


def table_row(
    file: str, number: int, box: BoundingBox, reading: Reading, units: Collection[int]
) -> Row:
    """One face as a row; columns the reading leaves out are None.

    Args:
        file: Name of the picture.
        number: 1, 2 ... left to right.
        box: Pixels.
        reading: Of this face.
        units: Action units to fill.
    """
    values = {"file": file, "face": number, **dict(zip(BOX, box.to_list(), strict=True))}
    values |= reading.to_row(units)
    return {name: rounded(values.get(name)) for name in table_columns()}


def rounded(value: Any) -> Any:
    """Floats to five decimals; everything else as it is."""
    return round(value, PLACES) if isinstance(value, float) else value


def check_column_set(name: str) -> None:
    """Refuse a set of columns that does not exist."""
    if name not in COLUMN_SETS:
        raise FaceLLMError(f"unknown column set {name!r}; legal: {', '.join(COLUMN_SETS)}")


def check_table_path(path: Path) -> None:
    """Refuse a table that could not be written, before any picture is read."""
    if path.suffix.lower() not in FORMATS:
        raise FaceLLMError(f"{path}: unknown kind of table; legal endings: {', '.join(FORMATS)}")
    if path.is_dir():
        raise FaceLLMError(f"{path}: is a folder, not a table")
    if not path.parent.is_dir():
        raise FaceLLMError(f"{path}: the folder {path.parent} does not exist")


class TableWriter(Protocol):
    """Takes rows in order."""

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        ...

    def close(self) -> None:
        """Write what is held back."""
        ...


class CsvWriter:
    """Comma-separated, UTF-8, one header line.

    Args:
        file: Open for text; closed by ``close`` if ``own``.
        own: False for standard output.
    """

    def __init__(self, file: IO[str], *, own: bool = True) -> None:
        self.file, self.own = file, own
        self.writer = csv.DictWriter(file, table_columns(), lineterminator="\n")
        self.writer.writeheader()

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        self.writer.writerows(rows)
        self.file.flush()

    def close(self) -> None:
        """Close an own file."""
        if self.own:
            self.file.close()


class JsonLinesWriter:
    """One JSON object a line."""

    def __init__(self, path: Path) -> None:
        self.file = path.open("w", encoding="utf-8")

    def write(self, rows: Sequence[Row]) -> None:
        """Append rows."""
        self.file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)

    def close(self) -> None:
        """Close the file."""
        self.file.close()


class ParquetWriter:
    """Parquet with a schema that does not depend on the rows; groups of 2,048 rows."""

    def __init__(self, path: Path) -> None:
        import pyarrow
        from pyarrow import parquet

        def kind(name: str) -> Any:
            if name in TEXT_COLUMNS:
                return pyarrow.string()
            return pyarrow.int64() if name == "face" else pyarrow.float64()

        self.schema = pyarrow.schema([(name, kind(name)) for name in table_columns()])
        self.to_table = pyarrow.Table.from_pylist
        self.writer = parquet.ParquetWriter(path, self.schema)
        self.held: list[Row] = []

    def write(self, rows: Sequence[Row]) -> None:
        """Hold rows until a group is full."""
        self.held += rows
        if len(self.held) >= PARQUET_ROWS:
            self._flush()

    def close(self) -> None:
        """Write the last group and the footer."""
        if self.held:
            self._flush()
        self.writer.close()

    def _flush(self) -> None:
        self.writer.write_table(self.to_table(self.held, schema=self.schema))
        self.held = []


class TableFile:
    """A table on disk that appears under its name only when it is complete.

    Use as a context; leaving it by an exception removes what was written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(path.name + ".part")
        self.writer = self._open(path.suffix.lower())

    def _open(self, suffix: str) -> TableWriter:
        try:
            if suffix == ".parquet":
                return ParquetWriter(self.part)
            if suffix == ".jsonl":
                return JsonLinesWriter(self.part)
            return CsvWriter(self.part.open("w", encoding="utf-8", newline=""))
        except OSError as error:
            raise FaceLLMError(f"{self.path}: cannot be written ({error.strerror})") from error

    def __enter__(self) -> TableWriter:
        return self.writer

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is None:
            self.writer.close()
            self.part.replace(self.path)
            return
        with suppress(OSError):  # a full disk fails again; the first error is the one to tell
            self.writer.close()
        self.part.unlink(missing_ok=True)
