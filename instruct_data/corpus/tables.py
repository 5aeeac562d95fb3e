"""Records <-> Arrow tables: the columns of a shard, in the convention of Hugging Face ``datasets``.

Columns: ``id``, ``messages`` list<struct{role, content}>, ``images`` list<struct{bytes, path}>,
``faces`` list<struct{box, landmarks, quality}> (pixels; ``landmarks`` 68 x 2 or null), ``task``,
``labels`` (JSON), ``expression`` list<float> (shares in the order of ``labels.EXPRESSIONS``, or
null), ``source``, ``licence``, ``rating`` (struct or null), ``split``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from facellm.labels import EXPRESSIONS

from .record import CorpusFace, ImageRef, Message, Rating, Record

_TEXT = pa.string()
MESSAGES = pa.list_(pa.struct([("role", _TEXT), ("content", _TEXT)]))
IMAGES = pa.list_(pa.struct([("bytes", pa.binary()), ("path", _TEXT)]))
_POINTS = pa.list_(pa.list_(pa.float32()))
_FACE = pa.struct(
    [("box", pa.list_(pa.float64())), ("landmarks", _POINTS), ("quality", pa.float64())]
)
_SCORES = ("label_accuracy", "description_picture", "description_label", "overall")
_RATING = pa.struct(
    [*((name, pa.int32()) for name in _SCORES), ("reason", _TEXT), ("rater", _TEXT)]
)


def _value(dtype: str) -> dict[str, str]:
    return {"dtype": dtype, "_type": "Value"}


def _sequence(feature: Any) -> dict[str, Any]:
    return {"feature": feature, "_type": "Sequence"}


# What ``datasets`` reads from the file's metadata, so that pictures come as pictures.
_FEATURES = {
    "id": _value("string"),
    "messages": [{"role": _value("string"), "content": _value("string")}],
    "images": _sequence({"_type": "Image"}),
    "faces": [
        {
            "box": _sequence(_value("float64")),
            "landmarks": _sequence(_sequence(_value("float32"))),
            "quality": _value("float64"),
        }
    ],
    "task": _value("string"),
    "labels": _value("string"),
    "expression": _sequence(_value("float32")),
    "source": _value("string"),
    "licence": _value("string"),
    "rating": {
        **{name: _value("int32") for name in _SCORES},
        "reason": _value("string"),
        "rater": _value("string"),
    },
    "split": _value("string"),
}
SCHEMA = pa.schema(
    [
        ("id", _TEXT),
        ("messages", MESSAGES),
        ("images", IMAGES),
        ("faces", pa.list_(_FACE)),
        ("task", _TEXT),
        ("labels", _TEXT),
        ("expression", pa.list_(pa.float32())),
        ("source", _TEXT),
        ("licence", _TEXT),
        ("rating", _RATING),
        ("split", _TEXT),
    ],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)


def to_table(records: Sequence[Record]) -> pa.Table:
    """Records as one table of ``SCHEMA``, in order."""
    plain = {
        "id": [record.id for record in records],
        "messages": [[vars(message) for message in record.messages] for record in records],
        "images": [[{"bytes": i.data, "path": i.path} for i in r.images] for r in records],
        "task": [record.task for record in records],
        "labels": [to_json(record.labels) for record in records],
        "expression": [shares(record.labels) for record in records],
        "source": [record.source for record in records],
        "licence": [record.licence for record in records],
        "rating": [record.rating_dict() for record in records],
        "split": [record.split for record in records],
    }
    columns = {name: pa.array(values, SCHEMA.field(name).type) for name, values in plain.items()}
    columns["faces"] = faces_column([record.faces for record in records])
    return pa.table([columns[name] for name in SCHEMA.names], schema=SCHEMA)


def to_json(value: Any) -> str:
    """One line of JSON, the same for the same value."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(", ", ": "))


def shares(labels: dict[str, Any]) -> list[float] | None:
    """Shares of the expressions, where the set has votes."""
    given = labels.get("expression_shares")
    return None if given is None else [given[name] for name in EXPRESSIONS]


def faces_column(faces: Sequence[Sequence[CorpusFace]]) -> pa.Array:
    """The column ``faces``; built from whole arrays, since 136 numbers a face are many."""
    flat = list(chain.from_iterable(faces))
    found = [face.landmarks for face in flat if face.landmarks is not None]
    points = np.concatenate([np.zeros((0, 2), np.float32), *found]).astype(np.float32)
    pairs = pa.ListArray.from_arrays(
        pa.array(np.arange(len(points) + 1, dtype=np.int32) * 2), pa.array(points.ravel())
    )
    counts = [0 if face.landmarks is None else len(face.landmarks) for face in flat]
    missing = pa.array([face.landmarks is None for face in flat], pa.bool_())
    landmarks = pa.ListArray.from_arrays(offsets(counts), pairs, mask=missing)
    boxes = pa.array([face.box_xyxy for face in flat], pa.list_(pa.float64()))
    quality = pa.array([face.quality for face in flat], pa.float64())
    structs = pa.StructArray.from_arrays([boxes, landmarks, quality], fields=list(_FACE))
    return pa.ListArray.from_arrays(offsets(map(len, faces)), structs)


def offsets(lengths: Iterable[int]) -> pa.Array:
    """Lengths of lists -> where each begins, and the end."""
    return pa.array(np.cumsum([0, *lengths]), pa.int32())


def from_table(table: pa.Table) -> list[Record]:
    """The records of a table of ``SCHEMA``."""
    return [record_of(line) for line in table.to_pylist()]


def record_of(line: dict[str, Any]) -> Record:
    """One row of a shard as Python values -> the record."""
    return Record(
        id=line["id"],
        messages=tuple(Message(**message) for message in line["messages"]),
        images=tuple(ImageRef(image["path"], image["bytes"]) for image in line["images"]),
        faces=tuple(face_of(face) for face in line["faces"]),
        task=line["task"],
        labels=json.loads(line["labels"]),
        source=line["source"],
        licence=line["licence"],
        rating=None if line["rating"] is None else Rating(**line["rating"]),
        split=line["split"],
    )


def face_of(face: dict[str, Any]) -> CorpusFace:
    """One face as Python values -> the face."""
    left, top, right, bottom = face["box"]
    points = face["landmarks"]
    return CorpusFace(
        (left, top, right, bottom),
        None if points is None else np.array(points, np.float32).reshape(-1, 2),
        face["quality"],
    )
