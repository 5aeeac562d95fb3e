"""VENUS: dialogues of two people with word times and nonverbal features.

One record is a segment of at most ten minutes::

    video_id, segment_id,
    conversation {utterance_id, speaker, text, start_time, end_time,
                  words {word, start_time, end_time}},
    facial_expression {utt_id, frame, features}, body_language {utt_id, frame, features},
    harmful_utterance_id

as structs of lists (parquet of the hub) or lists of structs (JSON of the paper; its keys are
matched without case, blanks as underscores). The features themselves (156 and 179 numbers a frame)
are not read; how many frames have them is. Codes made from them beforehand may stand in
``conversation``: ``face_codes`` and ``body_codes``, for every utterance a list with null for a gap,
code i for frames 8i to 8i + 7 of the utterance; or with ``face_frames`` and ``body_frames``, first
frames of codes.

Utterances of ``harmful_utterance_id`` are rejections of their own; the dialogue goes on without
them. Split by video; files named train* and test* keep their split. A JSON file is held whole; JSON
lines and parquet are read a record at a time. Checked: field names against the authors' loader and
the paper's example; not checked: the published records.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.labels import split_of
from facellm.readers.outcome import (
    BAD_VALUE,
    HARMFUL,
    NO_VALUE,
    STEP,
    BadRow,
    Read,
    given_or_valid,
    required,
)
from facellm.readers.parquet_sets import parquet_columns, parquet_rows
from facellm.readers.row import FaceRow, Rejection
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import lines_of

from ..tracks.interleave import Codes, Utterance, by_time

FIELDS = ("video_id", "segment_id", "conversation")
TRACKS = {"face": "facial_expression", "body": "body_language"}
OPTIONAL = (*TRACKS.values(), "harmful_utterance_id")
SUFFIXES = (".parquet", ".jsonl", ".json")
LONGEST = 3600.0  # seconds of one utterance; the set's segments have 600


@dataclass(frozen=True)
class Entry:
    """One record as it was read."""

    values: Mapping[str, Any]
    where: str

    @property
    def key(self) -> str:
        """Key of a rejected record."""
        return f"venus/{self.values.get('video_id')}/{self.values.get('segment_id')}"


def plain_keys(value: Any) -> Any:
    """Keys in lower case with underscores, all the way down."""
    if isinstance(value, dict):
        return {str(k).lower().replace(" ", "_"): plain_keys(v) for k, v in value.items()}
    return [plain_keys(item) for item in value] if isinstance(value, list) else value


def entries(file: Path) -> Iterator[Entry]:
    """Records of one file.

    Raises:
        FaceLLMError: If it is no JSON or parquet file.
    """
    if file.suffix == ".parquet":
        present = parquet_columns(file)
        names = (*FIELDS, *(name for name in OPTIONAL if name in present))
        for row in parquet_rows(file, names, size=1, without="features"):
            yield Entry(row.values, row.where)
        return
    if file.suffix == ".jsonl":
        texts = ((f"{file}, line {number}", text) for number, text in lines_of(file))
    else:
        texts = iter([(str(file), "\n".join(text for _, text in lines_of(file)))])
    for where, text in texts:
        try:
            content = plain_keys(json.loads(text))
        except ValueError as error:
            raise FaceLLMError(f"{where}: is not JSON ({error})") from error
        for index, record in enumerate(content if isinstance(content, list) else [content]):
            place = f"{where}, record {index}" if isinstance(content, list) else where
            if not isinstance(record, dict):
                raise FaceLLMError(f"{place}: is not a record but {type(record).__name__}")
            yield Entry(record, place)


def items(value: Any, what: str) -> list[dict[str, Any]]:
    """A struct of lists or a list of structs as a list of structs.

    Raises:
        BadRow: If it is neither, or lists differ in length.
    """
    if value is None:
        return []
    if isinstance(value, list) and all(isinstance(item, dict) for item in value):
        return value
    if not isinstance(value, dict):
        raise BadRow(BAD_VALUE, f"{what} is neither a struct of lists nor a list of structs")
    columns = {k: v for k, v in value.items() if v is not None}
    lengths = {name: len(v) if isinstance(v, list) else -1 for name, v in columns.items()}
    if len(set(lengths.values())) > 1 or -1 in lengths.values():
        raise BadRow(BAD_VALUE, f"{what}: lists of lengths {lengths}")
    return [dict(zip(columns, cells, strict=True)) for cells in zip(*columns.values(), strict=True)]


def seconds(item: Mapping[str, Any], name: str, other: float) -> float:
    """A time, or another one where the aligner gave none."""
    value = item.get(name)
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return other
    if not isinstance(value, int | float) or not math.isfinite(value):
        raise BadRow(BAD_VALUE, f"{name} {value!r} is not a number of seconds")
    return float(value)


def words_of(item: Mapping[str, Any], start: float) -> list[list[Any]]:
    """Words with times; one without a time begins where the word before it ended."""
    words, last = [], start
    for word in items(item.get("words"), "words"):
        begin = seconds(word, "start_time", last)
        last = max(begin, seconds(word, "end_time", begin))
        words.append([str(word.get("word") or ""), begin, last])
    return words


def number_of(item: Mapping[str, Any], name: str) -> int:
    """An id.

    Raises:
        BadRow: If it is missing or not a whole number.
    """
    try:
        return int(item[name])
    except (KeyError, TypeError, ValueError):
        raise BadRow(NO_VALUE, f"{name} {item.get(name)!r} is not a whole number") from None


def codes_of(item: Mapping[str, Any], track: str) -> Codes | None:
    """Codes of one track by time, or None where the record brings none.

    Raises:
        BadRow: If they are unusable.
    """
    codes, frames = item.get(f"{track}_codes"), item.get(f"{track}_frames")
    if codes is None:
        return None
    try:
        placed = tuple(codes) if frames is None else by_time(codes, frames)
        return Utterance((), placed, ()).face
    except (FaceLLMError, TypeError) as error:
        number = item.get("utterance_id")
        raise BadRow(BAD_VALUE, f"{track}_codes of utterance {number}: {error}") from None


def utterance_of(item: Mapping[str, Any]) -> dict[str, Any]:
    """One utterance as the tracks read it.

    Raises:
        BadRow: If it has no id or its times are unusable.
    """
    number = number_of(item, "utterance_id")
    start = seconds(item, "start_time", 0.0)
    end = seconds(item, "end_time", start)
    if not 0 <= start <= end <= start + LONGEST:
        raise BadRow(BAD_VALUE, f"utterance {number} lasts from {start:g} to {end:g} seconds")
    return {
        "id": number,
        "speaker": str(item.get("speaker") or ""),
        "text": str(item.get("text") or ""),
        "start": start,
        "end": end,
        "words": words_of(item, start),
        **{f"{track}_codes": codes_of(item, track) for track in TRACKS},
        **{f"{track}_features": 0 for track in TRACKS},
    }


def dialogue_of(entry: Entry) -> tuple[dict[str, Any], list[int]]:
    """The dialogue of a record without its harmful utterances, and which they were.

    Raises:
        BadRow: If a field is missing or unusable.
    """
    for name in FIELDS:
        if entry.values.get(name) is None:
            raise BadRow(NO_VALUE, f"{name} is empty")
    conversation = items(entry.values["conversation"], "conversation")
    utterances = [utterance_of(item) for item in conversation]
    by_id = {one["id"]: one for one in utterances}
    if len(by_id) < len(utterances):
        raise BadRow(BAD_VALUE, "two utterances have one utterance_id")
    for track, name in TRACKS.items():
        for item in items(entry.values.get(name), name):
            utterance = by_id.get(number_of(item, "utt_id"))
            if utterance is not None:
                utterance[f"{track}_features"] += 1
    listed = entry.values.get("harmful_utterance_id") or []
    harmful = {number_of({"harmful_utterance_id": one}, "harmful_utterance_id") for one in listed}
    for position, utterance in enumerate(utterances):
        utterance["position"] = position
    dialogue = {
        "video_id": str(entry.values["video_id"]),
        "segment_id": str(entry.values["segment_id"]),
        "utterances": [one for one in utterances if one["id"] not in harmful],
    }
    return dialogue, sorted(harmful & set(by_id))


def file_rows(file: Path, split: str) -> Iterator[Read]:
    """Rows and rejections of one file."""
    for entry in entries(file):
        try:
            dialogue, harmful = dialogue_of(entry)
        except BadRow as bad:
            yield Rejection("venus", entry.key, STEP, bad.reason, bad.detail, entry.where)
            continue
        for number in harmful:
            detail = f"utterance {number}"
            yield Rejection("venus", f"{entry.key}/{number}", STEP, HARMFUL, detail, entry.where)
        if dialogue["utterances"]:
            group = f"venus/{dialogue['video_id']}"
            yield FaceRow(
                source="venus",
                key=entry.key,
                split=given_or_valid(split, group) if split else split_of(group),
                media="dialogue",
                licence=SOURCES["venus"].terms,
                where=entry.where,
                subject=dialogue["video_id"],
                dialogue=dialogue,
            )


def read_venus(path: Path, *, split: str = "") -> Iterator[Read]:
    """VENUS.

    Args:
        path: A parquet, JSON or JSON lines file, or a folder of them.
        split: Of all records, where names do not say it: ``train`` or ``test``.
    """
    path = required(Path(path))
    files = [path]
    if path.is_dir():
        files = sorted(file for file in path.iterdir() if file.suffix in SUFFIXES)
    if not files:
        raise FaceLLMError(f"{path}: holds no {', '.join(SUFFIXES)}")
    if split not in ("", "train", "test"):
        raise FaceLLMError(f"venus: split {split!r} is none of train, test")
    for file in files:
        if file.suffix not in SUFFIXES:
            raise FaceLLMError(f"{file}: is none of {', '.join(SUFFIXES)}")
        named = next((name for name in ("train", "test") if file.name.startswith(name)), "")
        yield from file_rows(file, split or named)
