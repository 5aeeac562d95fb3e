r"""Lines of label files: CSV with a header, columns by position, or plain lines.

All are read line by line, with or without a byte-order mark, with LF or CRLF ends; blank lines are
passed over and still counted, so a line number is the one an editor shows.

Example: ``Line({"emotion": "3", "Usage": "Training"}, "fer2013.csv", 12)``.
"""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.readers.outcome import BAD_LABEL, BAD_VALUE, NO_VALUE, BadRow

EMPTY = frozenset({"", "null", "nan", "none", "n/a"})


@dataclass(frozen=True)
class Line:
    """One line of a label file.

    Attributes:
        values: Text by column, stripped; columns that the line is too short for are missing.
        path: File.
        number: Line, from 1.
    """

    values: Mapping[str, str]
    path: Path
    number: int

    @property
    def where(self) -> str:
        """File and line, in words."""
        return f"{self.path}, line {self.number}"

    @property
    def key(self) -> str:
        """Key of a rejected row."""
        return f"{self.path.name}:{self.number}"

    def text(self, column: str) -> str:
        """A value that must be there.

        Raises:
            BadRow: If it is missing or empty.
        """
        value = self.values.get(column, "")
        if value.lower() in EMPTY:
            raise BadRow(NO_VALUE, f"{column} is empty")
        return value

    def number_of(self, column: str, low: float, high: float) -> float:
        """A number within bounds; NaN is none.

        Raises:
            BadRow: If it is no number or outside of the bounds.
        """
        text = self.text(column)
        try:
            value = float(text)
        except ValueError:
            raise BadRow(BAD_VALUE, f"{column} {text!r} is not a number") from None
        if not low <= value <= high:
            raise BadRow(BAD_VALUE, f"{column} {text} is not in {low:g}..{high:g}")
        return value

    def whole(self, column: str, low: int, high: int) -> int:
        """A whole number within bounds.

        Raises:
            BadRow: As ``number_of``, and if it has a fraction.
        """
        value = self.number_of(column, low, high)
        if value != int(value):
            raise BadRow(BAD_VALUE, f"{column} {self.text(column)} is not a whole number")
        return int(value)

    def one_of(self, column: str, meanings: Mapping[str, object]) -> str:
        """A code of a closed set, as the set writes it.

        Raises:
            BadRow: If it is none of them.
        """
        text = self.text(column)
        if text not in meanings:
            raise BadRow(BAD_LABEL, f"{column} {text!r} is none of {', '.join(meanings)}")
        return text

    def is_empty(self, column: str, sentinels: Iterable[str] = ()) -> bool:
        """Whether a column has no value: missing, blank, NULL, NaN or one of some sentinels."""
        value = self.values.get(column, "")
        return value.lower() in EMPTY or value in sentinels


def lines_of(path: Path) -> Iterator[tuple[int, str]]:
    """Number and text of every line that is not blank.

    Raises:
        FaceLLMError: If the file is missing or is not UTF-8.
    """
    if not path.is_file():
        raise FaceLLMError(f"{path}: no such file")
    with path.open(encoding="utf-8-sig") as file:
        try:
            for number, text in enumerate(file, 1):
                if text.strip():
                    yield number, text.strip()
        except UnicodeDecodeError as error:
            raise FaceLLMError(f"{path}: is not UTF-8 text ({error.reason})") from error


def check_columns(path: Path, found: Sequence[str], wanted: Iterable[str]) -> None:
    """Refuse a table without a column.

    Raises:
        FaceLLMError: Naming the column and the nearest one that is there.
    """
    for name in wanted:
        if name not in found:
            near = difflib.get_close_matches(name, found, 1)
            hint = f"; is it {near[0]!r}?" if near else ""
            raise FaceLLMError(f"{path}: no column {name!r} among {list(found)}{hint}")


def csv_lines(path: Path, columns: Iterable[str], delimiter: str = ",") -> Iterator[Line]:
    """Lines of a CSV file with a header.

    Args:
        path: The file.
        columns: Those that must be there.
        delimiter: Between columns.

    Raises:
        FaceLLMError: If the file or a column is missing, or it is not CSV text.
    """
    if not path.is_file():
        raise FaceLLMError(f"{path}: no such file")
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=delimiter)
        try:
            header = [name.strip() for name in next(reader, [])]
            check_columns(path, header, columns)
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    values = dict(zip(header, (cell.strip() for cell in cells), strict=False))
                    yield Line(values, path, reader.line_num)
        except (csv.Error, UnicodeDecodeError) as error:
            raise FaceLLMError(f"{path}, line {reader.line_num}: not CSV text ({error})") from error


def column_lines(path: Path, columns: Sequence[str], skip: int = 0) -> Iterator[Line]:
    """Lines of columns parted by blanks, by position, as list files are written.

    Args:
        path: The file.
        columns: Names by position; what is over is left out.
        skip: Lines at the top that are no rows.
    """
    for number, text in lines_of(path):
        if number > skip:
            yield Line(dict(zip(columns, text.split(), strict=False)), path, number)


def side_by_side(first: Iterable[Line], second: Iterable[Line], column: str) -> Iterator[Line]:
    """Two lists of the same rows in the same order, joined without holding either.

    Raises:
        FaceLLMError: Where the two name different rows, or one ends before the other.
    """
    others = iter(second)
    last: Line | None = None
    for last in first:
        other = next(others, None)
        if other is None:
            raise FaceLLMError(f"{last.where}: the list beside it ends before this line")
        if column and other.values.get(column) != last.values.get(column):
            mine, theirs = last.values.get(column), other.values.get(column)
            raise FaceLLMError(f"{last.where} is {mine!r}, but {other.where} is {theirs!r}")
        yield Line({**other.values, **last.values}, last.path, last.number)
    extra = next(others, None)
    if extra is not None:
        end = "is empty" if last is None else f"ends at line {last.number}"
        raise FaceLLMError(f"{extra.where}: the list beside it {end}")
