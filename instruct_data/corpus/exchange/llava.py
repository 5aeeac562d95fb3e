r"""LLaVA's list, with the fields of FaceInstruct: what Face-LLaVA's loader reads.

An entry: ``{"id": "...", "image": "raf/1.jpg", "landmarks_2d": "landmarks/raf%2F1.jpg.npy",
"conversations": [{"from": "human", "value": "<image>\n..."}, {"from": "gpt", "value": "..."}]}``
in ``train.json``, ``valid.json`` and ``test.json``. ``landmarks_2d`` is a float32 array (68, 2) in
pixels of the picture, where there is one face with landmarks; more faces keep their points in
``faces``. A clip stands as ``video`` with ``<video>``. Text and paths only: this is what may be
passed on where pictures may not.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np

from facellm.atomic import atomic_file, told_in_words
from facellm.errors import FaceLLMError
from facellm.picture_files import VIDEO_ENDINGS

from ..record import IMAGE, CorpusFace, ImageRef, Message, Record
from .fields import files_in, message_from, own_fields, record_from, texts
from .json_list import read_list, write_list

VIDEO = "<video>"
POINTS = "landmarks"  # folder of the arrays
_NAMES = {"user": "human", "assistant": "gpt"}


class Llava:
    """The format."""

    def export(self, records: Iterable[Record], out: Path, split: str) -> int:
        """Write ``SPLIT.json`` and the landmarks."""
        with told_in_words(out):
            (out / POINTS).mkdir(parents=True, exist_ok=True)
        return write_list(out / f"{split}.json", (entry_of(record, out) for record in records))

    def read(self, path: Path) -> Iterator[Record]:
        """Records of a list, ours or anybody's."""
        for file in files_in(path, ".json"):
            for number, entry in enumerate(read_list(file), 1):
                yield record_of(entry, file, number)


def entry_of(record: Record, out: Path) -> dict[str, Any]:
    """One entry; writes its landmarks."""
    paths = [image.path for image in record.images]
    video = bool(paths) and all(is_video(path) for path in paths)
    entry: dict[str, Any] = {"id": record.id}
    if paths:
        entry["video" if video else "image"] = paths[0] if len(paths) == 1 else paths
    fields = own_fields(record)
    if len(record.faces) == 1 and (points := record.faces[0].landmarks) is not None and paths:
        entry["landmarks_2d"] = f"{POINTS}/{file_stem(paths[0])}.npy"
        fields["faces"][0]["landmarks"] = None
        file = out / entry["landmarks_2d"]
        if not file.is_file():  # records of one picture share it
            with atomic_file(file) as written:
                np.save(written, points.astype(np.float32))
    mark = VIDEO if video else IMAGE
    entry["conversations"] = [
        {"from": _NAMES[message.role], "value": message.content.replace(IMAGE, mark)}
        for message in record.messages
    ]
    return entry | fields


def record_of(entry: dict[str, Any], file: Path, number: int) -> Record:
    """The record of one entry.

    Raises:
        FaceLLMError: If it does not fit; file and number are named.
    """
    where = f"{file}, record {number} ({entry.get('id', 'no id')})"
    turns = entry.get("conversations")
    if not isinstance(turns, list) or not all(isinstance(turn, dict) for turn in turns):
        raise FaceLLMError(f"{where}: has no list 'conversations'")
    paths = [p for name in ("image", "video") for p in texts(entry.get(name), where)]
    messages = [message_from(turn.get("from"), turn.get("value"), where) for turn in turns]
    if "video" in entry:
        messages = [Message(m.role, m.content.replace(VIDEO, IMAGE)) for m in messages]
    record = record_from(entry, messages, [ImageRef(path) for path in paths], where)
    name = entry.get("landmarks_2d")
    return record if name is None else with_points(record, file.parent / name, where)


def with_points(record: Record, file: Path, where: str) -> Record:
    """The record with the landmarks of a file on its one face."""
    try:
        points = np.asarray(np.load(file), np.float32)
    except (OSError, ValueError) as error:
        raise FaceLLMError(f"{where}: landmarks {file} cannot be read ({error})") from error
    if points.shape != (68, 2):
        if points.ndim == 3 and points.shape[1:] == (68, 2):
            return record  # of every frame of a clip: a record has those of pictures only
        raise FaceLLMError(f"{where}: landmarks {file} have shape {points.shape}, not (68, 2)")
    if record.faces:
        return replace(record, faces=(replace(record.faces[0], landmarks=points),))
    (left, top), (right, bottom) = points.min(0).tolist(), points.max(0).tolist()
    return replace(record, faces=(CorpusFace((left, top, right, bottom), points, 1.0),))


def is_video(path: str) -> bool:
    """Whether a record's path names a clip as a whole."""
    return Path(path).suffix.lower() in VIDEO_ENDINGS


def file_stem(path: str) -> str:
    """A path as one file name, different for different paths."""
    name = quote(path, safe="")
    return name if len(name) <= 150 else hashlib.sha256(path.encode()).hexdigest()
