"""What all formats share: our own fields in JSON, and the checks of a record from outside."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facellm.errors import FaceLLMError
from facellm.labels import split_of

from ..config import SPLITS
from ..record import IMAGE, TASKS, CorpusFace, ImageRef, Message, Rating, Record

ROLES = {"user": "user", "human": "user", "assistant": "assistant", "gpt": "assistant"}


def own_fields(record: Record) -> dict[str, Any]:
    """What a format has no field for, JSON-ready."""
    return {
        "id": record.id,
        "task": record.task,
        "split": record.split,
        "source": record.source,
        "licence": record.licence,
        "labels": record.labels,
        "rating": record.rating_dict(),
        "faces": [face_fields(face) for face in record.faces],
    }


def face_fields(face: CorpusFace) -> dict[str, Any]:
    """One face, JSON-ready."""
    points = face.landmarks
    return {
        "box": list(face.box_xyxy),
        "quality": face.quality,
        "landmarks": None if points is None else [[float(x), float(y)] for x, y in points],
    }


def face_from(fields: dict[str, Any]) -> CorpusFace:
    """The face of ``face_fields``."""
    left, top, right, bottom = fields["box"]
    points = fields.get("landmarks")
    points = None if points is None else np.array(points, np.float32)
    return CorpusFace((left, top, right, bottom), points, fields["quality"])


def record_from(
    fields: dict[str, Any], messages: Sequence[Message], images: Sequence[ImageRef], where: str
) -> Record:
    """A record of our own fields, where they stand, and of a format's messages and pictures.

    A foreign record has only an ``id`` at best: its task is ``description``, its source
    ``imported`` and its split that of its id.

    Args:
        fields: Of the entry.
        messages: Question and answer by turns.
        images: Its pictures.
        where: File and number of the record, for messages.

    Raises:
        FaceLLMError: If turns, pictures or fields do not fit; ``where`` is named.
    """
    check_turns(messages, where)
    found = sum(message.content.count(IMAGE) for message in messages)
    if found != len(images):
        raise FaceLLMError(f"{where}: {found} {IMAGE} for {len(images)} pictures")
    identity = str(fields.get("id", where))
    task, split = fields.get("task", "description"), fields.get("split") or split_of(identity)
    for name, value, known in (("task", task, TASKS), ("split", split, SPLITS)):
        if value not in known:
            raise FaceLLMError(f"{where}: {name} {value!r} is none of {', '.join(known)}")
    try:
        rating = fields.get("rating")
        return Record(
            id=identity,
            messages=tuple(messages),
            images=tuple(images),
            faces=tuple(face_from(face) for face in fields.get("faces") or ()),
            task=task,
            labels=dict(fields.get("labels") or {}),
            source=str(fields.get("source", "imported")),
            licence=str(fields.get("licence", "")),
            rating=None if rating is None else Rating(**rating),
            split=split,
        )
    except (TypeError, ValueError, KeyError) as error:
        raise FaceLLMError(f"{where}: its fields do not fit ({error!r})") from error


def check_turns(messages: Sequence[Message], where: str) -> None:
    """Refuse anything but question and answer by turns."""
    roles = [message.role for message in messages]
    if not roles or roles != ["user", "assistant"] * (len(roles) // 2):
        raise FaceLLMError(f"{where}: roles {roles} are not user and assistant by turns")


def message_from(role: Any, content: Any, where: str) -> Message:
    """One turn under another format's names.

    Raises:
        FaceLLMError: If the role is not known or the content no text.
    """
    if role not in ROLES or not isinstance(content, str):
        raise FaceLLMError(f"{where}: a turn of role {role!r} and {type(content).__name__}")
    return Message(ROLES[role], content)


def texts(value: Any, where: str) -> list[str]:
    """A path, a list of paths or nothing -> a list."""
    found = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(found, list) or not all(isinstance(path, str) for path in found):
        raise FaceLLMError(f"{where}: paths of pictures are text, not {found!r}")
    return found


def files_in(path: Path, ending: str) -> Iterator[Path]:
    """The file, or those of a folder by name.

    Raises:
        FaceLLMError: If there is none.
    """
    files = sorted(path.glob(f"*{ending}")) if path.is_dir() else [path]
    if not files or not files[0].is_file():
        raise FaceLLMError(f"{path}: no {ending} file here")
    yield from files
