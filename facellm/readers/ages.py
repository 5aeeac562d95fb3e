"""Sets with ages: UTKFace, MORPH II and FairFace.

UTKFace: ``25_0_3_20170116174525125.jpg`` = age, gender (0 male, 1 female), race, time; a few names
of the set lack a part and are rejections. MORPH II: ``MORPH_Album2_*.csv`` with ``id_num``,
``race``, ``gender``, ``age``, ``photo``. FairFace: ``fairface_label_train.csv`` and ``_val.csv``,
``file,age,gender,race,service_test``, ages as groups (``age_range``).

Race codes go to ``group``, which no answer uses. MORPH II is split by person. UTKFace names no
person, so the same one may stand in two splits. FairFace's validation pictures are its benchmark:
``test`` here. Checked: column names against public readers of MORPH II and FairFace, the codes of
UTKFace against its published description; not checked: the sets' own files.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from facellm.errors import FaceLLMError
from facellm.labels import MAX_AGE, split_of
from facellm.readers import parquet_sets
from facellm.readers.outcome import (
    BAD_LABEL,
    BAD_VALUE,
    PICTURES,
    BadRow,
    NamedFile,
    Read,
    existing,
    given_or_valid,
    listed,
    outcomes,
    required,
)
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import Line, csv_lines

UTK_NAME = re.compile(r"(\d+)_([01])_([0-4])_(\d+)\.jpg(\.chip\.jpg)?", re.IGNORECASE)
UTK_GROUPS = ("white", "black", "asian", "indian", "other")
MORPH_GENDERS = {"M": True, "F": False}
FAIRFACE_GENDERS = {"Male": True, "Female": False}
FAIRFACE_FILES = {"fairface_label_train.csv": "train", "fairface_label_val.csv": "test"}


def utk_row(picture: NamedFile) -> FaceRow:
    """Row of a UTKFace picture by its name."""
    name = picture.path.name
    match = UTK_NAME.fullmatch(name)
    if match is None:
        raise BadRow(BAD_LABEL, f"{name!r} is not age_gender_race_date.jpg")
    age = int(match[1])
    if age > MAX_AGE:
        raise BadRow(BAD_VALUE, f"age {age} is not in 0..{MAX_AGE}")
    return FaceRow(
        source="utkface",
        key=f"utkface/{name}",
        split=split_of(f"utkface/{name}"),
        path=picture.path,
        licence=SOURCES["utkface"].terms,
        where=picture.where,
        age=age,
        male=match[2] == "0",
        group=UTK_GROUPS[int(match[3])],
    )


def read_utkface(path: Path) -> Iterator[Read]:
    """UTKFace.

    Args:
        path: Folder of the pictures, or of ``part1`` to ``part3``, or the one parquet file.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        yield from parquet_sets.read_utkface(path)
        return
    parts = sorted(folder for folder in path.glob("part*") if folder.is_dir()) or [path]
    for part in parts:
        yield from outcomes("utkface", map(NamedFile, listed(part, PICTURES)), utk_row)


def read_morph(path: Path, *, photos: str = "") -> Iterator[Read]:
    """MORPH II.

    Args:
        path: Its CSV file, or a folder with a single ``MORPH*.csv``.
        photos: Folder that the column ``photo`` is relative to; that of the file if empty.
    """
    path = Path(path)
    files = sorted(path.glob("MORPH*.csv")) if path.is_dir() else [path]
    if len(files) != 1:
        raise FaceLLMError(f"{path}: holds {len(files)} files MORPH*.csv; name one")
    file = files[0]
    root = Path(photos) if photos else file.parent

    def parse(line: Line) -> FaceRow:
        subject, photo = line.text("id_num").lstrip("0"), line.text("photo").replace("\\", "/")
        return FaceRow(
            source="morph",
            key=f"morph/{photo}",
            split=split_of(f"morph/{subject}"),
            path=existing(root / photo),
            licence=SOURCES["morph"].terms,
            where=line.where,
            subject=subject,
            age=line.whole("age", 0, MAX_AGE),
            male=MORPH_GENDERS[line.one_of("gender", MORPH_GENDERS)],
            group=line.values.get("race") or None,
        )

    return outcomes("morph", csv_lines(file, ("id_num", "gender", "age", "photo")), parse)


def age_range(text: str) -> tuple[int, int]:
    """``3-9`` -> (3, 9), ``more than 70`` -> (70, 116).

    Raises:
        BadRow: If it is neither.
    """
    if match := re.fullmatch(r"(\d+)-(\d+)", text):
        return int(match[1]), int(match[2])
    if match := re.fullmatch(r"more than (\d+)", text):
        return int(match[1]), MAX_AGE
    raise BadRow(BAD_LABEL, f"age {text!r} is no group of years")


def read_fairface(path: Path) -> Iterator[Read]:
    """FairFace.

    Args:
        path: Folder of the label files and of ``train/`` and ``val/``.
    """
    path = Path(path)
    files = [path / name for name in FAIRFACE_FILES if (path / name).is_file()]
    for file in files or [required(path / "fairface_label_train.csv")]:
        split = FAIRFACE_FILES[file.name]

        def parse(line: Line, split: str = split) -> FaceRow:
            name = line.text("file")
            return FaceRow(
                source="fairface",
                key=f"fairface/{name}",
                split=given_or_valid(split, f"fairface/{name}"),
                path=existing(path / name),
                licence=SOURCES["fairface"].terms,
                where=line.where,
                male=FAIRFACE_GENDERS[line.one_of("gender", FAIRFACE_GENDERS)],
                group=line.values.get("race") or None,
                age_range=age_range(line.text("age")),
            )

        yield from outcomes("fairface", csv_lines(file, ("file", "age", "gender")), parse)
