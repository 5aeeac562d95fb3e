"""TRL's vision format: ``messages`` with structured content beside ``images``, as Parquet.

A row: ``{"messages": [{"role": "user", "content": [{"type": "image", "text": None}, {"type":
"text", "text": "how old?"}]}, ...], "images": [{"bytes": None, "path": "raf/1.jpg"}], ...}``.
``datasets`` reads ``images`` as pictures: embedded ones at once, others by path from the folder it
is run in. Our own fields stand in the column ``facellm`` as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facellm.atomic import atomic_file, told_in_words
from facellm.errors import FaceLLMError

from ..record import IMAGE, ImageRef, Message, Record
from ..tables import IMAGES, to_json
from .fields import files_in, message_from, own_fields, record_from

_TEXT = pa.string()
_PART = pa.struct([("type", _TEXT), ("text", _TEXT)])
_MESSAGES = pa.list_(pa.struct([("role", _TEXT), ("content", pa.list_(_PART))]))
_STRING = {"dtype": "string", "_type": "Value"}
_FEATURES = {
    "messages": [{"role": _STRING, "content": [{"type": _STRING, "text": _STRING}]}],
    "images": {"feature": {"_type": "Image"}, "_type": "Sequence"},
    "facellm": _STRING,
}
SCHEMA = pa.schema(
    [("messages", _MESSAGES), ("images", IMAGES), ("facellm", _TEXT)],
    metadata={"huggingface": json.dumps({"info": {"features": _FEATURES}})},
)
GROUP = 1024  # rows of one row group


class Trl:
    """The format."""

    def export(self, records: Iterable[Record], out: Path, split: str) -> int:
        """Write ``SPLIT.parquet``."""
        with told_in_words(out):
            out.mkdir(parents=True, exist_ok=True)
        count, lines = 0, (line_of(record) for record in records)
        with (
            atomic_file(out / f"{split}.parquet") as file,
            pq.ParquetWriter(file, SCHEMA, compression="zstd") as writer,
        ):
            while group := list(islice(lines, GROUP)):
                writer.write_table(pa.Table.from_pylist(group, SCHEMA))
                count += len(group)
        return count

    def read(self, path: Path) -> Iterator[Record]:
        """Records of a file with ``messages`` and ``images``, ours or anybody's."""
        for name in files_in(path, ".parquet"):
            number = 0
            for batch in batches(name):
                for line in batch.to_pylist():
                    number += 1
                    yield record_of(line, f"{name}, record {number}")


def batches(path: Path) -> Iterator[pa.RecordBatch]:
    """Of a Parquet file with the columns that are needed.

    Raises:
        FaceLLMError: If it is none, or a column is missing.
    """
    try:
        file = pq.ParquetFile(path)
    except (OSError, pa.ArrowInvalid) as error:
        raise FaceLLMError(f"{path}: is no Parquet file ({error})") from error
    missing = [name for name in ("messages", "images") if name not in file.schema_arrow.names]
    if missing:
        raise FaceLLMError(f"{path}: columns {missing} are missing")
    yield from file.iter_batches(GROUP)


def line_of(record: Record) -> dict[str, Any]:
    """One row."""
    return {
        "messages": [
            {"role": message.role, "content": parts_of(message.content)}
            for message in record.messages
        ],
        "images": [{"bytes": image.data, "path": image.path} for image in record.images],
        "facellm": to_json(own_fields(record)),
    }


def parts_of(content: str) -> list[dict[str, str | None]]:
    """``<image>``, a new line and ``how old?`` -> an image and a text."""
    pieces = re.split(f"({IMAGE}\n?)", content)
    return [
        {"type": "image", "text": None} if piece.startswith(IMAGE) else text_part(piece)
        for piece in pieces
        if piece
    ]


def text_part(text: str) -> dict[str, str | None]:
    """A text."""
    return {"type": "text", "text": text}


def record_of(line: dict[str, Any], where: str) -> Record:
    """The record of one row.

    Raises:
        FaceLLMError: If it does not fit; ``where`` is named.
    """
    fields = json.loads(line["facellm"]) if line.get("facellm") else {}
    messages = [
        message_from(turn.get("role"), content_of(turn.get("content"), where), where)
        for turn in line["messages"] or ()
    ]
    images = [ImageRef(i["path"] or "", i["bytes"]) for i in line["images"] or ()]
    if images and not any(IMAGE in m.content for m in messages) and messages:
        # TRL takes plain text too, and then puts the pictures before the first question.
        messages[0] = Message(messages[0].role, f"{IMAGE}\n" * len(images) + messages[0].content)
    return record_from(fields, messages, images, where)


def content_of(content: Any, where: str) -> str:
    """Structured or plain content -> text with ``<image>``."""
    if isinstance(content, str):
        return content
    kinds = [part.get("type") for part in content or ()]
    if unknown := set(kinds) - {"image", "text"}:
        raise FaceLLMError(f"{where}: content of the kinds {sorted(map(str, unknown))}")
    return "".join(f"{IMAGE}\n" if p["type"] == "image" else p["text"] or "" for p in content or ())
