"""Readers of the folders that ``facellm build forge`` and ``facellm build synth`` write.

Both take the folder and yield one ``FaceRow`` a record, with everything exact about how it was made
in ``FaceRow.making``: for a forgery ``method``, ``mask`` (its path), ``regions`` to name,
``shares`` of the nine regions, ``sources``; for a render ``pose``, ``gaze``, ``light``, ``skin``,
``caption``, ``codebook``, ``strength``.

Example: ``next(read_forged(Path("forged")))`` -> ``FaceRow(source="forged", fake=True,
forgery="face_swap", ...)``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from facellm.errors import FaceLLMError
from facellm.readers.row import FaceRow

from .families import FAMILIES
from .store import RECORDS, read_lines, read_manifest

SPLITS = ("train", "valid", "test")
# What becomes a field of its own, and is not repeated in ``making``.
_FIELDS = ("key", "picture", "split", "subject", "licence", "units", "fake", "family", "landmarks")


def read_forged(path: Path) -> Iterator[FaceRow]:
    """Forgeries, and the real pictures beside them."""
    yield from _rows(path, "forged")


def read_synth(path: Path) -> Iterator[FaceRow]:
    """Renders of the rig: forgeries of the family ``rendered_avatar``."""
    yield from _rows(path, "synth")


def _rows(out: Path, kind: str) -> Iterator[FaceRow]:
    """Rows of a finished folder of the kind wanted.

    Raises:
        FaceLLMError: If the folder is unfinished or of another kind, or a record is not as it
            should be; the message names file and line.
    """
    manifest = read_manifest(out)
    if manifest["run"].get("kind") != kind:
        raise FaceLLMError(f"{out}: holds {manifest['run'].get('kind')!r}, wanted {kind!r}")
    if not manifest.get("complete"):
        raise FaceLLMError(f"{out}: not finished; the command that began it goes on with it")
    for number, record in enumerate(read_lines(out / RECORDS), start=1):
        where = f"{out / RECORDS}, line {number}"
        try:
            yield _row(out, kind, record, where)
        except (KeyError, TypeError, ValueError) as error:
            raise FaceLLMError(f"{where}: not a record of {kind!r} ({error!r})") from error


def _row(out: Path, kind: str, record: dict[str, Any], where: str) -> FaceRow:
    if record["family"] is not None and record["family"] not in FAMILIES:
        raise FaceLLMError(f"{where}: family {record['family']!r}; legal: {', '.join(FAMILIES)}")
    if record["split"] not in SPLITS:
        raise FaceLLMError(f"{where}: split {record['split']!r}; legal: {', '.join(SPLITS)}")
    making = {name: value for name, value in record.items() if name not in _FIELDS}
    if making.get("mask"):
        making["mask"] = str(out / making["mask"])
    points, units = record.get("landmarks"), record.get("units")
    return FaceRow(
        source=kind,
        key=record["key"],
        split=record["split"],
        path=out / record["picture"],
        media=record["media"],
        licence=record["licence"],
        where=where,
        subject=record["subject"],
        units=None if units is None else {int(unit): float(x) for unit, x in units.items()},
        fake=bool(record["fake"]),
        forgery=record["family"],
        landmarks=None if points is None else np.array(points, np.float32).reshape(68, 2),
        making=making,
    )
