"""Every reader a corpus is built from: the core's, dialogues, and what ``build`` itself made.

Example: ``for row in open_set("venus", Path("VENUS"), {}): ...``
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from facellm import readers
from facellm.readers import NoReader, Read, Reader, strict

from ..forge.reader import read_forged, read_synth
from .venus import read_venus

__all__ = ["READERS", "NoReader", "Read", "Reader", "open_set", "strict"]

READERS: dict[str, Reader] = {
    **readers.READERS,
    "venus": read_venus,
    "forged": read_forged,
    "synth": read_synth,
}


def open_set(name: str, path: Path, options: Mapping[str, Any] | None = None) -> Iterator[Read]:
    """``facellm.readers.open_set`` among all of these readers."""
    return readers.open_set(name, path, options, READERS)
