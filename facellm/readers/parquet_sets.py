"""Readers of the labelled sets as single parquet files, in the Hugging Face convention.

Column ``image`` = struct {bytes, path} plus the label columns named in each reader. A file is read
in batches of rows, so memory does not grow with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from facellm.errors import FaceLLMError
from facellm.labels import EXPRESSIONS, MAX_AGE, split_of
from facellm.readers.outcome import (
    BAD_LABEL,
    BAD_VALUE,
    IN_EVALUATION,
    NO_PICTURE,
    NO_VALUE,
    BadRow,
    Read,
    given_or_valid,
    outcomes,
)
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import check_columns

VOTE_COLUMNS = (*(f"votes_{name}" for name in EXPRESSIONS), "votes_unknown", "votes_NF")
BATCH = 128  # rows held at once
GIVEN_SPLITS = ("train", "valid", "test")


@dataclass(frozen=True)
class ParquetRow:
    """One row of a parquet file, by column; counted from 0."""

    values: dict[str, Any]
    path: Path
    index: int

    @property
    def where(self) -> str:
        """File and row, in words."""
        return f"{self.path}, row {self.index}"

    @property
    def key(self) -> str:
        """Key of a rejected row."""
        return f"{self.path.name}:{self.index}"

    def value(self, column: str) -> Any:
        """A value that must be there.

        Raises:
            BadRow: If it is null or NaN.
        """
        value = self.values[column]
        if value is None or value != value:
            raise BadRow(NO_VALUE, f"{column} is empty")
        return value

    def one_of(self, column: str, known: tuple[str, ...]) -> str:
        """A label of a closed set.

        Raises:
            BadRow: If it is none of them.
        """
        value = self.value(column)
        if value not in known:
            raise BadRow(BAD_LABEL, f"{column} {value!r} is none of {', '.join(known)}")
        return value

    def picture(self) -> bytes:
        """The embedded picture.

        Raises:
            BadRow: If the row has none.
        """
        image = self.values["image"]
        if not image or not image.get("bytes"):
            raise BadRow(NO_PICTURE, "image holds no bytes")
        return image["bytes"]


def parquet_columns(path: Path) -> list[str]:
    """Names of the columns of a parquet file.

    Raises:
        FaceLLMError: If it is not a parquet file.
    """
    try:
        return pq.read_schema(path).names
    except (pa.ArrowInvalid, OSError) as error:
        raise FaceLLMError(f"{path}: not a readable parquet file ({error})") from error


def parquet_rows(
    path: Path, columns: Iterable[str], *, size: int = BATCH, without: str = ""
) -> Iterator[ParquetRow]:
    """Rows of some columns of a parquet file, read batch by batch.

    Args:
        path: The file.
        columns: Those to read, which must be there.
        size: Rows held at once.
        without: Name of a field inside of the columns that is not read at all.

    Raises:
        FaceLLMError: If the file or a column is missing, or it is not a parquet file.
    """
    if not path.is_file():
        raise FaceLLMError(f"{path}: no such file")
    wanted = list(columns)
    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            check_columns(path, file.schema_arrow.names, wanted)
            leaves = [file.schema.column(i).path for i in range(len(file.schema))]
            kept = [leaf for leaf in leaves if leaf.split(".")[0] in wanted]
            kept = [leaf for leaf in kept if without not in leaf.split(".")[1:]]
            index = 0
            for batch in file.iter_batches(batch_size=size, columns=kept):
                for values in batch.to_pylist():
                    yield ParquetRow(values, path, index)
                    index += 1
    except (pa.ArrowInvalid, OSError) as error:
        raise FaceLLMError(f"{path}: not a readable parquet file ({error})") from error


def read_ferplus(path: Path) -> Iterator[Read]:
    """FER+ (48x48 grey); training rows that also stand in an evaluation split are rejections."""
    columns = ("image", *VOTE_COLUMNS, "split", "fer2013_row", "duplicate_of_eval")

    def parse(row: ParquetRow) -> FaceRow:
        split = row.one_of("split", GIVEN_SPLITS)
        number = row.value("fer2013_row")
        if split != "test" and row.value("duplicate_of_eval"):
            raise BadRow(IN_EVALUATION, f"fer2013 row {number} of {split}")
        return FaceRow(
            source="ferplus",
            key=f"fer2013/{number}",
            split=split,
            picture=row.picture(),
            licence=SOURCES["ferplus"].terms,
            where=row.where,
            votes=tuple(int(row.value(name)) for name in VOTE_COLUMNS),
        )

    return outcomes("ferplus", parquet_rows(path, columns), parse)


def read_utkface(path: Path) -> Iterator[Read]:
    """UTKFace (200x200 colour, aligned and cropped)."""
    columns = ("image", "age", "gender", "group", "split")

    def parse(row: ParquetRow) -> FaceRow:
        key, age = f"utkface/{row.index}", int(row.value("age"))
        if not 0 <= age <= MAX_AGE:
            raise BadRow(BAD_VALUE, f"age {age} is not in 0..{MAX_AGE}")
        return FaceRow(
            source="utkface",
            key=key,
            split=given_or_valid(row.one_of("split", GIVEN_SPLITS), key),
            picture=row.picture(),
            licence=SOURCES["utkface"].terms,
            where=row.where,
            age=age,
            male=row.one_of("gender", ("male", "female")) == "male",
            group=row.values["group"],
        )

    return outcomes("utkface", parquet_rows(path, columns), parse)


def read_real_vs_stylegan2(path: Path) -> Iterator[Read]:
    """496 FFHQ photographs and 946 StyleGAN2 faces; split by hash of the group."""

    def parse(row: ParquetRow) -> FaceRow:
        key = f"real_vs_stylegan2/{row.value('group')}"
        return FaceRow(
            source="real_vs_stylegan2",
            key=key,
            split=split_of(key),
            picture=row.picture(),
            licence=SOURCES["real_vs_stylegan2"].terms,
            where=row.where,
            fake=bool(row.value("fake")),
        )

    return outcomes("real_vs_stylegan2", parquet_rows(path, ("image", "fake", "group")), parse)


def read_face_mask(path: Path) -> Iterator[Read]:
    """Faces with and without a mask (<= 160 px); split by hash of the row."""

    def parse(row: ParquetRow) -> FaceRow:
        key = f"face_mask/{row.index}"
        return FaceRow(
            source="face_mask",
            key=key,
            split=split_of(key),
            picture=row.picture(),
            licence=SOURCES["face_mask"].terms,
            where=row.where,
            mask=row.one_of("label", ("with_mask", "without_mask")) == "with_mask",
        )

    return outcomes("face_mask", parquet_rows(path, ("image", "label")), parse)


def read_ytf(path: Path) -> Iterator[Read]:
    """Video frames with 68 published landmarks; validation is carved by subject."""
    columns = ("image", "landmarks_68_xy", "subject", "split")

    def parse(row: ParquetRow) -> FaceRow:
        subject, points = row.value("subject"), row.values["landmarks_68_xy"] or []
        if len(points) != 136:
            raise BadRow(BAD_VALUE, f"{len(points)} coordinates instead of 136")
        return FaceRow(
            source="ytf_landmarks",
            key=f"ytf/{row.index}",
            split=given_or_valid(row.one_of("split", GIVEN_SPLITS), f"ytf/{subject}"),
            picture=row.picture(),
            licence=SOURCES["ytf_landmarks"].terms,
            where=row.where,
            subject=str(subject),
            landmarks=np.asarray(points, np.float32).reshape(68, 2),
        )

    return outcomes("ytf_landmarks", parquet_rows(path, columns), parse)
