"""The fingerprints of all shards as one array, on disk while they are searched.

A million fingerprints are 576 MB, and their keys as Python texts a hundred more. Here the first lie
in a file without a name, mapped into memory, gone with the process however it ends; the second in
one block of bytes. What is left in memory is the keys' letters and sixteen bytes a row.

Example: ``with joined(files) as all: all.prints.shape, all.keys[7]`` -> ``((67781, 576),
"ferplus/fer2013/12")``.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, overload

import numpy as np
from numpy.typing import NDArray

from facellm.atomic import told_in_words
from facellm.errors import FaceLLMError


class Texts(Sequence[str]):
    """Texts in one block of bytes; each is made when it is asked for."""

    def __init__(self) -> None:
        self._bytes, self._ends = bytearray(), [np.zeros(1, np.int64)]

    def extend(self, texts: Sequence[str]) -> None:
        """Put some more at the end."""
        encoded = [text.encode() for text in texts]
        lengths = np.array([len(text) for text in encoded], np.int64)
        self._ends.append(len(self._bytes) + np.cumsum(lengths))
        self._bytes += b"".join(encoded)

    def _places(self) -> NDArray[np.int64]:
        if len(self._ends) > 1:
            self._ends = [np.concatenate(self._ends)]
        return self._ends[0]

    def __len__(self) -> int:
        return len(self._places()) - 1

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> list[str]: ...

    def __getitem__(self, index: int | slice) -> str | list[str]:
        rows = range(len(self))[index]
        if isinstance(rows, range):
            return [self[row] for row in rows]
        start, end = self._places()[rows : rows + 2]
        return self._bytes[start:end].decode()


@dataclass(frozen=True, eq=False)
class Joined:
    """N rows of all shards, in order.

    Attributes:
        prints: (N, K) fingerprints; a memory map.
        splits: Of each row.
        keys: ``source/key`` of each row.
    """

    prints: NDArray[Any]
    splits: Sequence[str]
    keys: Sequence[str]


@contextmanager
def joined(files: Sequence[Path]) -> Iterator[Joined]:
    """Join the fingerprints of shards for as long as the block lasts.

    Args:
        files: ``.npz`` files with ``fingerprints`` (N, K), ``splits`` (N,) and ``keys`` (N,); one
            at a time is in memory.

    Raises:
        FaceLLMError: If the disk is full, or fingerprints differ in kind from file to file.
    """
    if not files:
        yield Joined(np.zeros((0, 0), np.uint64), [], [])
        return
    splits: list[str] = []
    keys, kind = Texts(), None
    with told_in_words(files[0].parent):
        file = tempfile.TemporaryFile(dir=files[0].parent)  # noqa: SIM115 -- closed below
    with file:
        for path in files:
            with np.load(path) as part:
                prints = part["fingerprints"]
                if not len(prints):
                    continue
                kind = _same_kind(kind, prints, path)
                with told_in_words(path.parent):
                    file.write(prints.tobytes())
                splits += [sys.intern(str(split)) for split in part["splits"]]
                keys.extend([str(key) for key in part["keys"]])
        yield Joined(_mapped(file, len(keys), kind), splits, keys)


def _same_kind(kind: tuple[Any, int] | None, prints: NDArray[Any], path: Path) -> tuple[Any, int]:
    found = (prints.dtype, prints.shape[1])
    if kind not in (None, found):
        raise FaceLLMError(f"{path}: fingerprints are {found}, those of other shards {kind}")
    return found


def _mapped(file: IO[bytes], count: int, kind: tuple[Any, int] | None) -> NDArray[Any]:
    if kind is None:
        return np.zeros((0, 0), np.uint64)
    file.flush()
    return np.memmap(file, kind[0], "r", shape=(count, kind[1]))  # type: ignore[call-overload]


def repeated(texts: Sequence[str]) -> str | None:
    """The first text that stood earlier already, or None; without a set of all of them."""
    hashes = np.fromiter(map(hash, texts), np.int64, len(texts))
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    seen: set[str] = set()
    for row in np.flatnonzero(np.isin(hashes, twice)):
        text = texts[int(row)]
        if text in seen:
            return text
        seen.add(text)
    return None
