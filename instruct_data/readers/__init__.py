"""Readers of labelled face sets: ``Reader`` is the door, ``READERS`` the registry.

One module a family of layouts. A reader yields ``row.FaceRow`` in the order of its files.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from ..row import FaceRow
from .parquet_sets import (
    read_face_mask,
    read_ferplus,
    read_real_vs_stylegan2,
    read_utkface,
    read_ytf,
)


class Reader(Protocol):
    """Yields the rows of one set; raises ``FaceLLMError`` naming file and row for a bad one."""

    def __call__(self, path: Path) -> Iterator[FaceRow]:
        """Rows of the file, in its order."""
        ...


READERS: dict[str, Reader] = {
    "ferplus": read_ferplus,
    "utkface": read_utkface,
    "real_vs_stylegan2": read_real_vs_stylegan2,
    "face_mask": read_face_mask,
    "ytf_landmarks": read_ytf,
}
