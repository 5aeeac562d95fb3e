"""A JSON file that is one long list, read and written an entry at a time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TextIO

from facellm.atomic import atomic_file
from facellm.errors import FaceLLMError

CHUNK = 1 << 20  # characters read at a time
_GAP = re.compile(r"[\s,]*")


def write_list(path: Path, entries: Iterable[dict[str, Any]]) -> int:
    """Write entries as one list, one a line; how many there were."""
    count = 0
    with atomic_file(path) as file:
        for entry in entries:
            file.write(b"[\n" if count == 0 else b",\n")
            file.write(json.dumps(entry, ensure_ascii=False).encode())
            count += 1
        file.write(b"\n]\n" if count else b"[]\n")
    return count


def read_list(path: Path) -> Iterator[dict[str, Any]]:
    """Entries of a file that holds one list, or JSON objects a line.

    Raises:
        FaceLLMError: If the file is missing, cut off or no such JSON, or an entry is no object; the
            entry's number, from 1, is named.
    """
    number = 0
    try:
        with path.open(encoding="utf-8") as file:
            for number, entry in enumerate(_values(file), 1):
                if not isinstance(entry, dict):
                    raise FaceLLMError(f"{path}, record {number}: is no object")
                yield entry
    except FaceLLMError:
        raise
    except (OSError, ValueError) as error:
        raise FaceLLMError(f"{path}, record {number + 1}: cannot be read ({error})") from error


def _values(file: TextIO) -> Iterator[Any]:
    """Values of an open file, with no more of it in memory than a chunk and one value."""
    decoder, text, more = json.JSONDecoder(), _GAP.sub("", file.read(CHUNK), count=1), "begin"
    is_list = text.startswith("[")
    at = 1 if is_list else 0
    while more:
        more = file.read(CHUNK)
        text, at = text[at:] + more, 0
        while (at := _end_of_gap(text, at)) < len(text):
            if is_list and text[at] == "]":
                return
            try:
                value, at = decoder.raw_decode(text, at)
            except ValueError:
                if more:  # the rest of the value may come with the next chunk
                    break
                raise
            yield value
    if is_list:
        raise ValueError("the list does not end")


def _end_of_gap(text: str, at: int) -> int:
    """Where the next value begins, blanks and commas passed over."""
    found = _GAP.match(text, at)
    return found.end() if found else at
