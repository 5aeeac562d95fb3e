"""Rows of readings -> CSV, Parquet or JSON lines, in one of the sets of ``table_columns``.

A table is written in chunks beside its final name (``faces.csv.part``) and renamed when it is
complete, so a killed run leaves no half table that looks whole. What could not be filled is empty
in CSV and null in the other two, never 0.

Example line of a CSV (shortened)::

    input,frame,time,face,FaceRectX,FaceRectY,...,AU12,...,happiness,...,z_nose_to_lip,x_0,...
    photo.jpg,0,,1,172.3,73.1,...,0.88,...,0.91,...,-0.4,181.2,...
"""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, Any, Protocol

from facellm.adapter_labels import column_of
from facellm.errors import FaceLLMError
from facellm.folders import check_place
from facellm.table_columns import COLUMN_SETS, MARK, ColumnSet, Row, TableEntry, marked_set

PLACES = 5  # decimals kept
TEXT_COLUMNS = ("input", "expression", MARK)
SMOOTHED = "smoothed"
COUNT_COLUMNS = ("frame", "face", "face_id", "success", SMOOTHED)
FORMATS = (".csv", ".parquet", ".jsonl")
PARQUET_ROWS = 2048  # rows of a Parquet group, all that is held in memory


def table_row(entry: TableEntry, columns: ColumnSet) -> Row:
    """One face as a row; columns that cannot be filled are None."""
    values = columns.row(entry)
    return {name: rounded(values.get(name)) for name in columns.columns}


def faceless_row(file: str, frame: int, time: float, columns: ColumnSet) -> Row:
    """A sampled frame of a clip without a face: its place in time, everything else None.

    As py-feat and OpenFace do: the time axis stays whole, and ``success`` is 0 where it exists.
    """
    known = {"input": file, "frame": frame, "time": time, "timestamp": time, "success": 0}
    return {name: rounded(known.get(name)) for name in columns.columns}


def with_smoothed(columns: ColumnSet) -> ColumnSet:
    """A set with one column more, which says that the row's expression is smoothed over time."""
    return ColumnSet(
        (*columns.columns, SMOOTHED),
        lambda entry: columns.row(entry) | {SMOOTHED: int(entry.smoothed)},
    )


def with_added(columns: ColumnSet, added: Sequence[str]) -> ColumnSet:
    """A set with columns of an adapter's labels at its end, ``hair.long``: one a class."""
    if not added:
        return columns
    return ColumnSet(
        (*columns.columns, *added),
        lambda entry: columns.row(entry) | added_row(entry.reading.adapted),
    )


def added_row(adapted: Mapping[str, Mapping[str, float]]) -> Row:
    """Probabilities of an adapter's labels by their columns."""
    return {
        column_of(label, name): share
        for label, shares in adapted.items()
        for name, share in shares.items()
    }


def rounded(value: Any) -> Any:
    """Floats to five decimals; everything else as it is."""
    return round(value, PLACES) if isinstance(value, float) else value


def column_set(name: str, *, marked: bool = False) -> ColumnSet:
    """A set of columns by its name; ``FaceLLMError`` for one that does not exist.

    Args:
        name: In ``COLUMN_SETS``.
        marked: With the column ``baseline`` at its end.
    """
    if name not in COLUMN_SETS:
        raise FaceLLMError(f"unknown column set {name!r}; legal: {', '.join(COLUMN_SETS)}")
    return marked_set(COLUMN_SETS[name]) if marked else COLUMN_SETS[name]


def check_table_path(path: Path) -> None:
    """Refuse a table that could not be written, before any picture is read."""
    if path.suffix.lower() not in FORMATS:
        raise FaceLLMError(f"{path}: unknown kind of table; legal endings: {', '.join(FORMATS)}")
    check_place(path, "table")


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
        columns: In order.
        own: False for standard output.
    """

    def __init__(self, file: IO[str], columns: Sequence[str], *, own: bool = True) -> None:
        self.file, self.own = file, own
        self.writer = csv.DictWriter(file, columns, lineterminator="\n")
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

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        import pyarrow
        from pyarrow import parquet

        def kind(name: str) -> Any:
            if name in TEXT_COLUMNS:
                return pyarrow.string()
            return pyarrow.int64() if name in COUNT_COLUMNS else pyarrow.float64()

        self.schema = pyarrow.schema([(name, kind(name)) for name in columns])
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

    Args:
        path: ``.csv``, ``.parquet`` or ``.jsonl``.
        columns: In order.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self.path, self.columns = path, columns
        self.part = path.with_name(path.name + ".part")
        self.writer = self._open(path.suffix.lower())

    def _open(self, suffix: str) -> TableWriter:
        try:
            if suffix == ".parquet":
                return ParquetWriter(self.part, self.columns)
            if suffix == ".jsonl":
                return JsonLinesWriter(self.part)
            file = self.part.open("w", encoding="utf-8", newline="")
            return CsvWriter(file, self.columns)
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
