"""Labelled faces to audit, from what a user has: a prepared set, a built corpus, or a CSV.

One label a face: the majority of its votes by FER+'s rule, or ``expression``. Rows without one, or
without a usable picture, are left out and counted (``LeftOut``).
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facellm.crops import upright_crop
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Face, Landmarks
from facellm.images import load_image
from facellm.labels import EXPRESSIONS
from facellm.prepared import PreparedSet
from facellm.readers.row import FaceRow
from facellm.votes import published_majority

from ..readers import NoReader, open_set
from .audit_features import LabelledFace, Rgb

SIDE = 192  # pixels of a crop
COLUMNS = ("path", "label")
Find = Callable[[Rgb], Face | None]


@dataclass
class LeftOut:
    """Why rows are not in the audit.

    Attributes:
        counts: Reason -> rows.
        first: Reason -> the first of them, in words.
    """

    counts: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)

    def add(self, reason: str, detail: str) -> None:
        """Count one row."""
        self.counts[reason] += 1
        self.first.setdefault(reason, detail)


@dataclass(frozen=True)
class Input:
    """What is audited.

    Attributes:
        path: Prepared folder, corpus folder or CSV.
        data: Folder that pictures of a corpus are relative to.
        find: Picture -> its largest face, or None where it has none; None takes the picture whole.
    """

    path: Path
    data: Path
    find: Find | None = None


def labelled_faces(given: Input, left_out: LeftOut) -> Iterator[LabelledFace]:
    """Faces of whatever stands at a path.

    Raises:
        FaceLLMError: If it is none of the three, or its columns are not as they should be.
    """
    path = given.path
    if path.is_file() and path.suffix.lower() == ".csv":
        return csv_faces(given, left_out)
    if (path / "images.npy").is_file():
        return prepared_faces(path, left_out)
    if shards := sorted(path.glob("*.parquet")):
        return corpus_faces(shards, given, left_out)
    raise FaceLLMError(
        f"{path}: not a prepared set (images.npy), a corpus (*.parquet) or a CSV of path,label"
    )


def prepared_faces(folder: Path, left_out: LeftOut) -> Iterator[LabelledFace]:
    """Faces of a prepared set (``facellm.prepared``) by its votes."""
    if not (folder / "labels.npz").is_file():
        raise FaceLLMError(f"{folder}: labels.npz is missing; the set is not prepared to its end")
    stored = PreparedSet(folder)
    if "votes" not in stored.labels:
        raise FaceLLMError(f"{folder}/labels.npz: no votes; found {sorted(stored.labels)}")
    best = published_majority(stored.labels["votes"])
    for row, key in enumerate(stored.labels["key"]):
        if best[row] < 0:
            left_out.add("no majority", str(key))
            continue
        points = None
        if stored.landmarks is not None:
            points = stored.landmarks[row].astype(np.float32)
        yield LabelledFace(str(key), EXPRESSIONS[best[row]], rgb(stored.images[row]), points)


def rgb(pixels: np.ndarray) -> Rgb:
    """(S, S, 1) or (S, S, 3) -> (S, S, 3)."""
    return np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else np.asarray(pixels)


def csv_faces(given: Input, left_out: LeftOut) -> Iterator[LabelledFace]:
    """Faces of a CSV with columns path (relative to the CSV) and label."""
    with given.path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
        if missing:
            raise FaceLLMError(
                f"{given.path}: columns {missing} are missing; found {reader.fieldnames}"
            )
        for line in reader:
            where = f"{given.path}:{reader.line_num}"
            name, label = (line["path"] or "").strip(), (line["label"] or "").strip()
            if not (name and label):
                left_out.add("no path or no label", where)
                continue
            crop = cut_out(given.path.parent / name, given.find, left_out, where)
            if crop is not None:
                yield LabelledFace(name, label, crop)


def cut_out(source: Path | bytes, find: Find | None, left_out: LeftOut, where: str) -> Rgb | None:
    """The crop of a picture's largest face, or None where it is left out."""
    try:
        pixels = load_image(source)
    except FaceLLMError as error:
        left_out.add("unreadable picture", f"{where}: {error}")
        return None
    whole = Face(BoundingBox(0, 0, pixels.shape[1], pixels.shape[0]), None, 1.0)
    face = whole if find is None else find(pixels)
    if face is None:
        left_out.add("no face", where)
        return None
    return upright_crop(pixels, face, SIDE, whole=find is None)


def corpus_faces(shards: list[Path], given: Input, left_out: LeftOut) -> Iterator[LabelledFace]:
    """Faces of a built corpus: every labelled picture of one face once, whatever was asked."""
    seen: set[str] = set()
    inside: dict[tuple[str, Path], dict[str, dict[str, Any]]] = {}
    for shard in shards:
        for record in records(shard):
            if record["id"] in seen:
                continue
            seen.add(record["id"])
            if (label := record_label(record)) is None:
                left_out.add("no label", record["id"])
                continue
            if len(record["faces"]) > 1 or len(record["images"]) != 1:
                left_out.add("several faces or pictures", record["id"])
                continue
            image = record["images"][0]
            record["label"] = label
            file, _, key = (image["path"] or "").partition("#")
            if image["bytes"] is None and file.endswith(".parquet"):
                inside.setdefault((record["source"], given.data / file), {})[key] = record
                continue
            picture = image["bytes"] or given.data / file
            yield from record_face(record, picture, given, left_out)
    for (source, file), wanted in inside.items():
        yield from rows_inside(source, file, wanted, given, left_out)


def records(shard: Path) -> Iterator[dict[str, Any]]:
    """Rows of a shard, a row group in memory at a time; ``id`` without the task.

    Raises:
        FaceLLMError: If a file is no shard of a corpus.
    """
    columns = ["id", "task", "images", "faces", "labels", "source"]
    try:
        file = pq.ParquetFile(shard)
        for group in range(file.num_row_groups):
            for record in file.read_row_group(group, columns).to_pylist():
                record["id"] = record["id"].removesuffix("/" + record["task"])
                yield record
    except (pa.ArrowInvalid, OSError, KeyError) as error:
        raise FaceLLMError(f"{shard}: not a shard of a corpus ({error})") from error


def record_label(record: dict[str, Any]) -> str | None:
    """The class of a record, or None."""
    labels = json.loads(record["labels"])
    if "votes" in labels:
        best = int(published_majority(np.array([labels["votes"]]))[0])
        return EXPRESSIONS[best] if best >= 0 else None
    return labels.get("expression")


def rows_inside(
    source: str, file: Path, wanted: dict[str, dict[str, Any]], given: Input, left_out: LeftOut
) -> Iterator[LabelledFace]:
    """Faces of a corpus whose pictures lie in a set's own Parquet file, by its reader."""
    try:
        rows = open_set(source, file)
    except NoReader as error:
        raise FaceLLMError(
            f"{file}: source {source!r} has no reader; build it with `embed: true`"
        ) from error
    for row in rows:
        if isinstance(row, FaceRow) and (record := wanted.pop(row.key, None)) is not None:
            yield from record_face(record, row.load(), given, left_out)
    for record in wanted.values():
        left_out.add("unreadable picture", f"{record['id']}: not in {file}")


def record_face(
    record: dict[str, Any], picture: bytes | Path, given: Input, left_out: LeftOut
) -> Iterator[LabelledFace]:
    """The face of a record, cut out by its stored box and points; none where it is left out."""
    stored = [stored_face(face) for face in record["faces"]]
    find = (lambda _: stored[0]) if stored else given.find
    crop = cut_out(picture, find, left_out, record["id"])
    if crop is not None:
        yield LabelledFace(record["id"], record["label"], crop)


def stored_face(face: dict[str, Any]) -> Face:
    """A face of a record, as a value."""
    points = face["landmarks"]
    marks = None if points is None else Landmarks(np.array(points, np.float32).reshape(-1, 2))
    return Face(BoundingBox(*face["box"]), marks, face["quality"])
