"""A JSON file that is one long list, read and written an entry at a time."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

from ..atomic import atomic_file

CHUNK = 1 << 20  # characters read at a time
_BLANK = " \t\r\n"


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
        FaceLLMError: If the file is missing or no such JSON, or an entry is no object; the entry's
            number, from 1, is named.
    """
    decoder, number, text, begun, ended = json.JSONDecoder(), 0, "", False, False
    try:
        with path.open(encoding="utf-8") as file:
            while True:
                more = file.read(CHUNK)
                text += more
                while (text := text.lstrip(_BLANK + ("" if not begun else ","))) and not ended:
                    if not begun:
                        begun = True
                        text = text.removeprefix("[")
                        continue
                    if text.startswith("]"):
                        ended, text = True, text[1:]
                        break
                    try:
                        entry, end = decoder.raw_decode(text)
                    except ValueError:
                        if more:
                            break  # perhaps the rest of the entry comes with the next chunk
                        raise
                    number, text = number + 1, text[end:]
                    if not isinstance(entry, dict):
                        raise FaceLLMError(f"{path}, record {number}: is no object")
                    yield entry
                if not more:
                    return
    except FaceLLMError:
        raise
    except (OSError, ValueError) as error:
        raise FaceLLMError(f"{path}, record {number + 1}: cannot be read ({error})") from error
