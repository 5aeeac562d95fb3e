"""Readers of labelled face sets, as people have them on disk; ``READERS`` is the registry.

They lie in the core because two leaves need them: the corpus is built from sets, and evaluation
scores on a user's own copy of one. They know layouts and codes, and hold no data.

One module a family of layouts. A reader yields ``row.FaceRow`` in the order of its files, and for a
row that cannot be used a ``row.Rejection`` of the step ``read`` that names file and line.
``sources.SOURCES`` tells what each path has to hold and the set's terms.

Example: ``for row in open_set("rafdb", Path("RAF-DB"), {"aligned": False}): ...``
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

from facellm.calling import call
from facellm.errors import FaceLLMError
from facellm.readers.action_units import read_bp4d, read_disfa
from facellm.readers.affectnet import read_affectnet
from facellm.readers.ages import read_fairface, read_morph, read_utkface
from facellm.readers.celeba import read_celeba
from facellm.readers.clips import read_crema_d, read_dfew, read_ferv39k, read_mafw, read_raer
from facellm.readers.fer_csv import read_fer2013, read_ferplus
from facellm.readers.ffpp import read_ffpp
from facellm.readers.folders import read_class_folders, read_infer
from facellm.readers.outcome import Read, strict
from facellm.readers.parquet_sets import read_face_mask, read_real_vs_stylegan2, read_ytf
from facellm.readers.plain_csv import read_plain_csv
from facellm.readers.rafdb import read_rafdb

__all__ = ["READERS", "NoReader", "Read", "Reader", "open_set", "strict"]


class Reader(Protocol):
    """Yields rows and rejections of one set; ``FaceLLMError`` for a set that cannot be read."""

    def __call__(self, path: Path, *_: Any, **options: Any) -> Iterator[Read]:
        """Rows of the set, in the order of its files."""
        ...


READERS: dict[str, Reader] = {
    "fer2013": read_fer2013,
    "ferplus": read_ferplus,
    "utkface": read_utkface,
    "affectnet": read_affectnet,
    "rafdb": read_rafdb,
    "disfa": read_disfa,
    "bp4d": read_bp4d,
    "celeba": read_celeba,
    "morph": read_morph,
    "ffpp": read_ffpp,
    "dfew": read_dfew,
    "crema_d": read_crema_d,
    "mafw": read_mafw,
    "ferv39k": read_ferv39k,
    "raer": read_raer,
    "infer": read_infer,
    "fairface": read_fairface,
    "real_vs_stylegan2": read_real_vs_stylegan2,
    "face_mask": read_face_mask,
    "ytf_landmarks": read_ytf,
    "class_folders": read_class_folders,
    "plain_csv": read_plain_csv,
}


class NoReader(FaceLLMError):
    """No reader has the name asked for."""


def open_set(
    name: str,
    path: Path,
    options: Mapping[str, Any] | None = None,
    readers: Mapping[str, Reader] = READERS,
) -> Iterator[Read]:
    """Rows of a set by the name of its reader: the one way in, for configs and commands too.

    Names come from files as well, of a corpus for one, so nothing is imported by them; the user's
    own ``module:name`` is for configs alone (``instruct_data.corpus.plugins.read_source``).

    Args:
        name: One of ``readers``.
        path: What the reader reads.
        options: Its further keyword arguments.
        readers: The registry.

    Raises:
        NoReader: If there is no such reader; the message names the nearest one.
        FaceLLMError: If it takes other options.
    """
    if name not in readers:
        near = difflib.get_close_matches(name, readers, 1)
        hint = f"; is it {near[0]!r}?" if near else ""
        raise NoReader(f"no reader {name!r} among {', '.join(readers)}{hint}")
    return call(readers[name], (Path(path),), options or {}, f"reader {name}")
