"""Other people's layouts of an instruction corpus: out of ours and into ours.

``FORMATS`` is the registry. Every format keeps what it has no field for under fields of its own
beside its usual ones, which other readers pass over, so that a way there and back changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Protocol

from ..record import Record
from .llamafactory import LlamaFactory
from .llava import Llava
from .trl import Trl


class Format(Protocol):
    """One layout."""

    def export(self, records: Iterable[Record], out: Path, split: str) -> int:
        """Write the records of one split into the folder ``out``; how many."""
        ...

    def read(self, path: Path) -> Iterator[Record]:
        """Records of a file, or of all files of a folder; a bad one is named by its number."""
        ...


FORMATS: dict[str, Format] = {"llava": Llava(), "trl": Trl(), "llamafactory": LlamaFactory()}
