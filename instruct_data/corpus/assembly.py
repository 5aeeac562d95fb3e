"""A finished draft -> its records, one for every task that was asked about.

Example: a draft of FER+ with three exchanges about the expression and one about geometry gives
``ferplus/fer2013/12/expression`` (three questions, three answers) and ``.../geometry``.
"""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facellm.labels import EXPRESSIONS
from facellm.readers.row import FaceRow

from .config import SourceConfig
from .record import IMAGE, TASKS, Draft, ImageRef, Message, Record

_LABELS = (
    "expression",
    "valence",
    "arousal",
    "units",
    "age",
    "age_range",
    "male",
    "mask",
    "fake",
    "forgery",
    "making",
    "attributes",
    "behaviour",
)


def records_of(draft: Draft, source: SourceConfig, data: Path) -> list[Record]:
    """The records of a draft that passed every step.

    Beside the row's labels each holds ``intents``: what every answer answers, in order.

    Args:
        draft: With worded exchanges.
        source: Where it was read from.
        data: The data folder; paths in records are relative to it.
    """
    row, labels = draft.row, row_labels(draft.row, data)
    images = () if draft.picture is None else (image_ref(draft, source, data),)
    records = []
    for task in TASKS:
        asked = [exchange for exchange in draft.exchanges if exchange.task == task]
        if not asked:
            continue
        messages = [
            message
            for exchange in asked
            for message in (
                Message("user", exchange.question),
                Message("assistant", exchange.answer),
            )
        ]
        if images:
            messages[0] = Message("user", f"{IMAGE}\n{messages[0].content}")
        records.append(
            Record(
                id=f"{row.source}/{row.key}/{task}",
                messages=tuple(messages),
                images=images,
                faces=draft.faces,
                task=task,
                labels=labels | {"intents": [exchange.intent for exchange in asked]},
                source=row.source,
                licence=row.licence,
                rating=draft.rating,
                split=row.split,
            )
        )
    return records


def row_labels(row: FaceRow, data: Path) -> dict[str, Any]:
    """What the set labelled, JSON-ready; the ``group`` of a set is never among it.

    Paths (of a mask) are relative to ``data``.

    Example: ``{"votes": [4, 0, ...], "expression_shares": {"neutral": 0.4, ...}}``.
    """
    labels: dict[str, Any] = {}
    if row.votes is not None:
        labels["votes"] = list(row.votes)
        counted = row.votes[: len(EXPRESSIONS)]
        if total := sum(counted):
            shares = [round(votes / total, 4) for votes in counted]
            labels["expression_shares"] = dict(zip(EXPRESSIONS, shares, strict=True))
    if row.subject is not None:
        labels["subject"] = subject_digest(row)
    for name in _LABELS:
        value = getattr(row, name)
        if value is not None:
            labels[name] = json_ready(value, data)
    return labels


def subject_digest(row: FaceRow) -> str:
    """Who is the same person, without saying who: some sets name people."""
    text = f"{row.source}/{row.subject}"
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def json_ready(value: Any, data: Path) -> Any:
    """A label as JSON gives it back: keys are text, tuples are lists, paths start from ``data``."""
    if isinstance(value, dict):
        return {str(key): json_ready(inner, data) for key, inner in value.items()}
    if isinstance(value, str):
        return value.removeprefix(f"{data}{os.sep}")
    return [json_ready(inner, data) for inner in value] if isinstance(value, tuple) else value


def image_ref(draft: Draft, source: SourceConfig, data: Path) -> ImageRef:
    """How a record names its picture: ``ferplus.parquet#fer2013/12``, ``raf/test_0001.jpg``."""
    row, moment = draft.row, draft.notes.get("moment", "")
    if row.path is None:
        return ImageRef(f"{source.path}#{row.key}", row.picture if source.embed else None)
    path = row.path
    if path.is_relative_to(data):
        path = path.relative_to(data)
    data_bytes = None
    if source.embed:
        assert draft.picture is not None
        data_bytes = png(draft.picture) if moment else row.load()
    return ImageRef(path.as_posix() + moment, data_bytes)


def png(pixels: NDArray[np.uint8]) -> bytes:
    """The decoded frame of a clip, (H, W, 3), as PNG."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()
