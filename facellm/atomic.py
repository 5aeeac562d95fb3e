"""Files that are whole or not there: written beside, put on disk, then renamed.

A process killed at any moment leaves at worst a ``*.part`` file, which the next run replaces.
"""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from facellm.errors import FaceLLMError

PART = ".part"


@contextmanager
def atomic_file(path: Path) -> Iterator[IO[bytes]]:
    """A binary file to write; it gets its name when the block ends well.

    Raises:
        FaceLLMError: If the disk is full or the file cannot be written; no part is left behind.
    """
    with told_in_words(path), whole_file(path, sync=True) as file:
        yield file


@contextmanager
def whole_file(path: Path, *, sync: bool) -> Iterator[IO[bytes]]:
    """``atomic_file`` with the system's own errors.

    Args:
        path: Its name at the end.
        sync: Put it on disk before it gets its name; without that a power cut may leave it empty.
    """
    # Two processes that write the same thing must not write into one part.
    part = path.with_name(f"{path.name}.{os.getpid()}{PART}")
    try:
        with part.open("wb") as file:
            yield file
            if sync:
                file.flush()
                os.fsync(file.fileno())
        part.replace(path)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    if sync:
        sync_folder(path.parent)


@contextmanager
def told_in_words(path: Path) -> Iterator[None]:
    """Turn an ``OSError`` of writing ``path`` into a user's error."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise FaceLLMError(
                f"{path}: no room left on the disk ({error.strerror}); make some and go on with "
                "--resume"
            ) from error
        raise FaceLLMError(f"{path}: cannot be written ({error})") from error


def sync_folder(folder: Path) -> None:
    """Put a rename on disk."""
    if os.name != "posix":  # no other system opens a folder as a file
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file, keys sorted, whole or not at all."""
    text = json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n"
    write_text(path, text)


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with atomic_file(path) as file:
        file.write(text.encode("utf-8"))


def read_json(path: Path) -> Any:
    """Read a JSON file of our own.

    Raises:
        FaceLLMError: If it is missing or no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise FaceLLMError(f"{path}: cannot be read ({error})") from error
