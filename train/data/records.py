"""The records of a corpus folder, held so that a million of them fit in memory.

Read straight from the shards' columns (``docs/corpus.md``): what every step needs stays in arrays,
messages are handed out once, for tokenising, and embedded pictures are read when they are wanted.

Example: ``Records.load(Path("corpus"), "train")`` -> 171,000 records of 57 files.

Legend: N records, F faces of all of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from facellm.atomic import read_json
from facellm.errors import FaceLLMError
from facellm.face import N_LANDMARKS

FORMAT = 1  # of a corpus folder, as its builder writes it (``instruct_data/corpus/folder.py``)
_NEEDED = ("id", "messages", "images", "faces", "task", "labels", "source", "split")
PICTURE_LEAF = "images.list.element.bytes"


@dataclass(frozen=True)
class Facts:
    """One record without its messages and pictures.

    Attributes:
        id: Of the record.
        task: Of the record.
        source: Set it comes from.
        labels: Decoded JSON.
        pictures: Paths of its pictures.
        boxes: (k, 4) float64 pixels, of its k faces.
        points: (k, 68, 2) float32 pixels, NaN where a face was not located.
        quality: (k,) float32 of the landmarks, in [0, 1].
    """

    id: str
    task: str
    source: str
    labels: dict[str, Any]
    pictures: list[str]
    boxes: NDArray[np.float64]
    points: NDArray[np.float32]
    quality: NDArray[np.float32]


@dataclass(frozen=True)
class Records:
    """All records of one split of a corpus.

    Attributes:
        folder: The corpus.
        digest: SHA-256 of its config and of its shards' sizes.
        files: Shards of the split.
        starts: Number of each file's first record, and N.
        columns: ``id``, ``task``, ``source``, ``labels`` and ``pictures``.
        face_starts: (N + 1,) where a record's faces begin.
        boxes: (F, 4) float64, pixels.
        points: (F, 68, 2) float32, pixels, NaN where not located.
        quality: (F,) float32 of the landmarks, in [0, 1].
    """

    folder: Path
    digest: str
    files: list[Path]
    starts: NDArray[np.int64]
    columns: dict[str, pa.ChunkedArray]
    face_starts: NDArray[np.int64]
    boxes: NDArray[np.float64]
    points: NDArray[np.float32]
    quality: NDArray[np.float32]

    def __len__(self) -> int:
        return int(self.starts[-1])

    @classmethod
    def load(cls, folder: Path, split: str) -> Records:
        """Read a split.

        Raises:
            FaceLLMError: If the folder is no finished corpus of this version, a shard is missing,
                cut off or unreadable, or the split holds nothing.
        """
        files, digest = shard_files(folder, split)
        tables = [_read(file, without=("messages", "bytes")) for file in files]
        if not tables:
            raise FaceLLMError(f"{folder}: holds no record of the split {split}")
        whole = pa.concat_tables(tables)
        faces = [_faces(file, table) for file, table in zip(files, tables, strict=True)]
        counts, boxes, points, quality = (np.concatenate(part) for part in zip(*faces, strict=True))
        texts = {name: whole.column(name) for name in ("id", "task", "source", "labels")}
        return cls(
            folder,
            digest,
            files,
            np.cumsum([0, *(len(table) for table in tables)]),
            texts | {"pictures": whole.column("images")},
            np.cumsum([0, *counts]),
            boxes,
            points,
            quality,
        )

    def facts(self, number: int) -> Facts:
        """One record."""
        text = {name: self.columns[name][number].as_py() for name in ("id", "task", "source")}
        images = self.columns["pictures"][number].as_py()
        faces = slice(int(self.face_starts[number]), int(self.face_starts[number + 1]))
        return Facts(
            **text,
            labels=self.labels(number),
            pictures=[image["path"] for image in images],
            boxes=self.boxes[faces],
            points=self.points[faces],
            quality=self.quality[faces],
        )

    def labels(self, number: int) -> dict[str, Any]:
        """Labels of one record.

        Raises:
            FaceLLMError: If they are no JSON object.
        """
        try:
            labels = json.loads(self.columns["labels"][number].as_py())
        except ValueError as error:
            raise FaceLLMError(f"{self.where(number)}: labels are no JSON ({error})") from error
        if not isinstance(labels, dict):
            raise FaceLLMError(f"{self.where(number)}: labels are no JSON object")
        return labels

    def where(self, number: int) -> str:
        """File and id of a record, for messages."""
        file, _ = self.place(number)
        return f"{file}: {self.columns['id'][number].as_py()}"

    def place(self, number: int) -> tuple[Path, int]:
        """File of a record, and its row there."""
        index = int(np.searchsorted(self.starts, number, side="right")) - 1
        return self.files[index], number - int(self.starts[index])

    def messages(self, numbers: NDArray[np.int64]) -> Iterator[tuple[int, list[dict[str, str]]]]:
        """(number, messages) of some records in rising order; a file at a time is in memory."""
        for index, file in enumerate(self.files):
            low, high = self.starts[index], self.starts[index + 1]
            chosen = numbers[(numbers >= low) & (numbers < high)]
            if len(chosen):
                column = _read(file, only=("messages",)).column("messages")
                lines = column.take(pa.array(chosen - low)).to_pylist()
                yield from zip(chosen.tolist(), lines, strict=True)


def shard_files(folder: Path, split: str) -> tuple[list[Path], str]:
    """Shards of a split, and the digest of the corpus.

    Raises:
        FaceLLMError: If the folder is no finished corpus of this version, or a shard is missing or
            not as long as it was written.
    """
    manifest = folder / "manifest.json"
    if not manifest.is_file():
        raise FaceLLMError(f"{folder}: is no corpus ({manifest.name} is missing)")
    kind = read_json(manifest)
    if kind.get("format") != FORMAT:
        raise FaceLLMError(f"{manifest}: corpus of format {kind.get('format')!r}, this is {FORMAT}")
    if not (folder / "counts.json").is_file():
        raise FaceLLMError(f"{folder}: is not finished; go on with facellm build --resume")
    files: list[Path] = []
    digest = hashlib.sha256(str(kind["sha256"]).encode())
    for counts in sorted(folder.glob("counts/[0-9]*.json")):
        for name, facts in sorted(read_json(counts)["files"].items()):
            path = folder / name
            size = path.stat().st_size if path.is_file() else None
            if size != facts["bytes"]:
                raise FaceLLMError(f"{path}: has {size} bytes, was written with {facts['bytes']}")
            digest.update(f"\n{name}:{size}".encode())
            if name.endswith(f"-{split}.parquet"):
                files.append(path)
    return files, digest.hexdigest()


def _read(file: Path, *, without: tuple[str, ...] = (), only: tuple[str, ...] = ()) -> pa.Table:
    """Some columns of a shard.

    Raises:
        FaceLLMError: If it is no Parquet file, or lacks a column.
    """
    try:
        with pq.ParquetFile(file, pre_buffer=False) as parquet:
            missing = [name for name in _NEEDED if name not in parquet.schema_arrow.names]
            if missing:
                raise FaceLLMError(f"{file}: is no shard, column {missing[0]} is missing")
            leaves = [parquet.schema.column(i).path for i in range(len(parquet.schema))]
            names = only or _NEEDED
            kept = [leaf for leaf in leaves if leaf.split(".")[0] in names]
            kept = [leaf for leaf in kept if not set(leaf.split(".")) & set(without)]
            return parquet.read(columns=kept)
    except (pa.ArrowInvalid, OSError) as error:
        raise FaceLLMError(f"{file}: is no readable shard ({error})") from error


def _faces(file: Path, table: pa.Table) -> tuple[NDArray, NDArray, NDArray, NDArray]:
    """Faces a record (N,), boxes (F, 4), points (F, 68, 2) and quality (F,) of a shard."""
    lists = table.column("faces").combine_chunks()
    counts = np.diff(lists.offsets.to_numpy()) if len(lists) else np.zeros(0, np.int64)
    flat = lists.flatten()
    boxes, landmarks = flat.field("box"), flat.field("landmarks")
    located = landmarks.is_valid().to_numpy(zero_copy_only=False)
    coordinates = landmarks.flatten().flatten().to_numpy()
    if len(boxes.flatten()) != 4 * len(flat) or coordinates.size != 2 * N_LANDMARKS * located.sum():
        raise FaceLLMError(f"{file}: a face has no box of 4 numbers or not {N_LANDMARKS} points")
    points = np.full((len(flat), N_LANDMARKS, 2), np.nan, np.float32)
    points[located] = coordinates.reshape(-1, N_LANDMARKS, 2)
    quality = flat.field("quality").to_numpy(zero_copy_only=False).astype(np.float32)
    return counts, boxes.flatten().to_numpy().reshape(-1, 4), points, quality
