"""Readers of the labelled sets as single parquet files, in the Hugging Face convention.

Column ``image`` = struct {bytes, path} plus the label columns named in each reader.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from facellm.errors import FaceLLMError
from facellm.labels import EXPRESSIONS, MAX_AGE, split_of

from ..row import FaceRow

VOTE_COLUMNS = (*(f"votes_{name}" for name in EXPRESSIONS), "votes_unknown", "votes_NF")


def read_frame(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Open a parquet file and check its columns.

    Raises:
        FaceLLMError: If the file or a column is missing; the message names both.
    """
    if not path.is_file():
        raise FaceLLMError(f"{path}: no such file")
    frame = pd.read_parquet(path)
    missing = [name for name in ("image", *columns) if name not in frame]
    if missing:
        raise FaceLLMError(f"{path}: columns {missing} are missing; found {list(frame.columns)}")
    return frame


def given_or_valid(split: str, key: str) -> str:
    """A given test split stays; a tenth of a given train split becomes validation by hash."""
    return "valid" if split == "train" and split_of(key) == "valid" else split


def read_ferplus(path: Path) -> Iterator[FaceRow]:
    """FER+ (48x48 grey); training rows that also stand in an evaluation split are left out."""
    frame = read_frame(path, (*VOTE_COLUMNS, "split", "fer2013_row", "duplicate_of_eval"))
    for record in frame.to_dict("records"):
        if record["split"] != "test" and record["duplicate_of_eval"]:
            continue
        yield FaceRow(
            source="ferplus",
            key=f"fer2013/{record['fer2013_row']}",
            split=record["split"],
            picture=record["image"]["bytes"],
            votes=tuple(int(record[name]) for name in VOTE_COLUMNS),
        )


def read_utkface(path: Path) -> Iterator[FaceRow]:
    """UTKFace (200x200 colour, aligned and cropped)."""
    frame = read_frame(path, ("age", "gender", "group", "split"))
    for index, record in enumerate(frame.to_dict("records")):
        if not 0 <= record["age"] <= MAX_AGE:
            raise FaceLLMError(f"{path}, row {index}: age {record['age']} is not in 0..{MAX_AGE}")
        key = f"utkface/{index}"
        yield FaceRow(
            source="utkface",
            key=key,
            split=given_or_valid(record["split"], key),
            picture=record["image"]["bytes"],
            age=int(record["age"]),
            male=record["gender"] == "male",
            group=record["group"],
        )


def read_real_vs_stylegan2(path: Path) -> Iterator[FaceRow]:
    """496 FFHQ photographs and 946 StyleGAN2 faces; split by hash of the group."""
    frame = read_frame(path, ("fake", "group"))
    for record in frame.to_dict("records"):
        key = f"real_vs_stylegan2/{record['group']}"
        yield FaceRow(
            source="real_vs_stylegan2",
            key=key,
            split=split_of(key),
            picture=record["image"]["bytes"],
            fake=bool(record["fake"]),
        )


def read_face_mask(path: Path) -> Iterator[FaceRow]:
    """Faces with and without a mask (<= 160 px); split by hash of the row."""
    frame = read_frame(path, ("label",))
    for index, record in enumerate(frame.to_dict("records")):
        key = f"face_mask/{index}"
        yield FaceRow(
            source="face_mask",
            key=key,
            split=split_of(key),
            picture=record["image"]["bytes"],
            mask=record["label"] == "with_mask",
        )


def read_ytf(path: Path) -> Iterator[FaceRow]:
    """Video frames with 68 published landmarks; validation is carved by subject."""
    frame = read_frame(path, ("landmarks_68_xy", "subject", "split"))
    for index, record in enumerate(frame.to_dict("records")):
        yield FaceRow(
            source="ytf_landmarks",
            key=f"ytf/{index}",
            split=given_or_valid(record["split"], f"ytf/{record['subject']}"),
            picture=record["image"]["bytes"],
            landmarks=np.asarray(record["landmarks_68_xy"], np.float32).reshape(68, 2),
        )
