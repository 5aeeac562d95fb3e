"""Pictures inside Parquet files, found by key without reading a whole file.

A corpus names such a picture ``ferplus.parquet#fer2013/12``: a file in the Hugging Face convention
(column ``image``, a struct with ``bytes``) and the row's key. The part before the first ``/`` says
what the rest is: the value of a column where ``KEY_COLUMNS`` has one, else the number of the row.

Example: ``ParquetPictures(Path("ferplus.parquet")).encoded("fer2013/12")`` -> ``b"RIFF..."``
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facellm.errors import FaceLLMError

MARK = ".parquet#"  # between file and key
KEY_COLUMNS = {"fer2013": "fer2013_row", "real_vs_stylegan2": "group"}
KEPT_BYTES = 512 << 20  # of row groups that a process keeps


def split_reference(path: str) -> tuple[str, str] | None:
    """``a/b.parquet#key`` -> ``(a/b.parquet, key)``; None for a path of another kind."""
    place = path.find(MARK)
    if place < 0:
        return None
    end = place + len(MARK) - 1
    return path[:end], path[end + 1 :]


class KeptGroups:
    """The row groups used last, of all files of a process together.

    Args:
        most: Bytes that are kept; one group always is.
    """

    def __init__(self, most: int = KEPT_BYTES) -> None:
        self.most, self._bytes = most, 0
        self._groups: OrderedDict[tuple[Path, str, int], pa.ChunkedArray] = OrderedDict()

    def get(
        self, key: tuple[Path, str, int], read: Callable[[], pa.ChunkedArray]
    ) -> pa.ChunkedArray:
        """The group of a key, read where it is not kept."""
        if key not in self._groups:
            self._groups[key] = read()
            self._bytes += self._groups[key].nbytes
            while len(self._groups) > 1 and self._bytes > self.most:
                self._bytes -= self._groups.popitem(last=False)[1].nbytes
        self._groups.move_to_end(key)
        return self._groups[key]


KEPT = KeptGroups()


class RowGroups:
    """One column of a Parquet file, read a row group at a time.

    Args:
        path: The file.
        leaf: The column, ``image.bytes``; its outermost name is what ``value`` indexes.

    Raises:
        FaceLLMError: If the file is missing, no Parquet file, or has no such column.
    """

    def __init__(self, path: Path, leaf: str) -> None:
        self.path, self.leaf = path, leaf
        try:
            self._file = pq.ParquetFile(path, pre_buffer=False)
        except (pa.ArrowInvalid, OSError) as error:
            raise FaceLLMError(f"{path}: not a readable parquet file ({error})") from error
        leaves = [self._file.schema.column(i).path for i in range(len(self._file.schema))]
        if leaf not in leaves:
            raise FaceLLMError(f"{path}: has no column {leaf}, it has {', '.join(leaves[:8])}")
        meta = self._file.metadata
        sizes = [meta.row_group(i).num_rows for i in range(meta.num_row_groups)]
        self._starts = np.cumsum([0, *sizes])

    def __len__(self) -> int:
        return int(self._starts[-1])

    def value(self, row: int) -> Any:
        """The column's value in a row, counted from 0."""
        group = int(np.searchsorted(self._starts, row, side="right")) - 1
        column = KEPT.get((self.path, self.leaf, group), lambda: self._read(group))
        return column[row - int(self._starts[group])].as_py()

    def _read(self, group: int) -> pa.ChunkedArray:
        try:
            return self._file.read_row_group(group, columns=[self.leaf]).column(0)
        except (pa.ArrowInvalid, OSError) as error:
            raise FaceLLMError(f"{self.path}: row group {group}: {error}") from error


class ParquetPictures:
    """The pictures of one file; see the module docstring."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._groups = RowGroups(path, "image.bytes")
        self._rows: dict[str, dict[str, int]] = {}

    def encoded(self, key: str) -> bytes:
        """Encoded bytes of a picture.

        Raises:
            FaceLLMError: If there is no such key, or its row holds no picture.
        """
        row = self._row(key)
        value = self._groups.value(row)
        if not value or not value.get("bytes"):
            raise FaceLLMError(f"{self.path}#{key}: row {row} holds no picture")
        return value["bytes"]

    def _row(self, key: str) -> int:
        kind, _, name = key.partition("/")
        column = KEY_COLUMNS.get(kind)
        if column is None:
            row = int(name) if name.isdecimal() else -1
            if not 0 <= row < len(self._groups):
                raise FaceLLMError(
                    f"{self.path}#{key}: is no row number from 0 to {len(self._groups) - 1}"
                )
            return row
        if column not in self._rows:
            self._rows[column] = self._numbered(column)
        if name not in self._rows[column]:
            raise FaceLLMError(f"{self.path}#{key}: no row has {name!r} in column {column}")
        return self._rows[column][name]

    def _numbered(self, column: str) -> dict[str, int]:
        try:
            values = pq.read_table(self.path, columns=[column]).column(column).to_pylist()
        except (pa.ArrowInvalid, OSError, KeyError) as error:
            raise FaceLLMError(f"{self.path}: column {column} cannot be read ({error})") from error
        return {str(value): row for row, value in enumerate(values)}
