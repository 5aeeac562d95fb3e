"""Pictures of a corpus that stand in a task too, found by how they look and not by their names.

Both sides are fingerprinted (``facellm.near_duplicates``) and searched together; a pair counts
where one picture is the corpus's and one the task's. Crops, mirrored and re-compressed copies are
found.

Example: ``overlaps(corpus_pictures(Path("corpus")), task_pictures(samples))`` -> one ``Overlap`` a
pair, likeness 0.915 to 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.near_duplicates.fingerprints import SIDE, Fingerprints, fingerprint
from facellm.near_duplicates.search import LEAST_LIKENESS, near_pairs
from facellm.parquet_pictures import ParquetPictures, split_reference
from facellm.readers.outcome import PICTURES

from .sample import Sample

BATCH = 128  # rows of a Parquet file held at once
Print = tuple[str, NDArray[np.uint8]]  # name, fingerprint


@dataclass(frozen=True)
class Overlap:
    """A picture of the corpus and one of the task that look the same.

    Attributes:
        corpus: Name of the corpus's picture.
        sample: Id of the task's sample.
        likeness: Correlation of the two at their best shift.
        mirrored: One is the other's mirror image.
    """

    corpus: str
    sample: str
    likeness: float
    mirrored: bool


@dataclass
class Skipped:
    """Pictures that could not be looked at: how many, and the first reason."""

    count: int = 0
    first: str = ""

    def add(self, error: Exception) -> None:
        """Count one."""
        self.count += 1
        self.first = self.first or str(error)


def overlaps(
    corpus: Sequence[Print], task: Sequence[Print], least: float = LEAST_LIKENESS
) -> list[Overlap]:
    """Pairs across the two, the likest first."""
    holders: dict[bytes, tuple[list[str], list[str]]] = {}
    for side, prints in enumerate((corpus, task)):
        for name, thumb in prints:
            holders.setdefault(thumb.tobytes(), ([], []))[side].append(name)
    thumbs = [np.frombuffer(data, np.uint8) for data in holders]
    found = near_pairs(Fingerprints(np.stack(thumbs).reshape(-1, SIDE, SIDE)), least)
    sides = list(holders.values())
    listed = [
        Overlap(one, other, 1.0, mirrored=False)
        for thumb, (ours, theirs) in zip(thumbs, sides, strict=True)
        if (thumb != thumb[0]).any()  # nothing says that two black pictures are copies
        for one in ours
        for other in theirs
    ]
    rows = zip(found.first, found.second, found.likeness, found.mirrored, strict=True)
    for first, second, alike, mirrored in rows:
        for a, b in ((first, second), (second, first)):
            pairs = ((one, other) for one in sides[a][0] for other in sides[b][1])
            listed += [Overlap(*pair, round(float(alike), 4), bool(mirrored)) for pair in pairs]
    return sorted(listed, key=lambda one: (-one.likeness, one.corpus, one.sample))


def task_prints(samples: Iterable[Sample], skipped: Skipped) -> list[Print]:
    """Fingerprints of every picture of samples, of clips the first frame."""
    found = []
    for sample in samples:
        for medium in sample.media:
            try:
                found.append((sample.id, fingerprint(medium.frames(1)[0])))
            except FaceLLMError as error:
                skipped.add(error)
    return found


def corpus_prints(folder: Path, pictures: Path, skipped: Skipped) -> list[Print]:
    """Fingerprints of every picture of a corpus, or of a folder of pictures or Parquet files.

    Args:
        folder: The corpus.
        pictures: Where pictures lie that a corpus only names.
        skipped: Counts those that cannot be looked at.

    Raises:
        FaceLLMError: If there is no picture.
    """
    files = [folder] if folder.is_file() else sorted(p for p in folder.rglob("*") if p.is_file())
    found: dict[str, NDArray[np.uint8]] = {}
    for file in files:
        for name, source in sources_of(file, pictures):
            if name not in found:
                try:
                    found[name] = fingerprint(load_image(source))
                except FaceLLMError as error:
                    skipped.add(error)
    if not found:
        told = f"; {skipped.count} unreadable, first: {skipped.first}" if skipped.count else ""
        raise FaceLLMError(f"{folder}: holds no picture, and no Parquet file of pictures{told}")
    return list(found.items())


def sources_of(file: Path, pictures: Path) -> Iterator[tuple[str, bytes | Path]]:
    """(name, bytes or path) of what a file holds: itself, or the pictures of its rows."""
    if file.suffix.lower() in PICTURES:
        yield str(file), file
        return
    if file.suffix != ".parquet":
        return
    columns = set(pq.read_schema(file).names)
    wanted = "images" if "images" in columns else "image"
    if wanted not in columns:
        return
    index = 0
    embedding: dict[str, ParquetPictures] = {}
    with pq.ParquetFile(file) as opened:
        for batch in opened.iter_batches(BATCH, columns=[wanted]):
            for row in batch.to_pylist():
                held = row[wanted] if wanted == "images" else [row[wanted]]
                for one in held or ():
                    name = one["path"] if wanted == "images" else f"{file}, row {index}"
                    yield name, one["bytes"] or named_picture(name, pictures, embedding)
                index += 1


def named_picture(name: str, pictures: Path, embedding: dict[str, Any]) -> bytes | Path:
    """The picture a corpus names: in a file, or in a row of a Parquet file."""
    reference = split_reference(name)
    if reference is None:
        return pictures / name
    file, key = reference
    if file not in embedding:
        embedding[file] = ParquetPictures(pictures / file)
    return embedding[file].encoded(key)
