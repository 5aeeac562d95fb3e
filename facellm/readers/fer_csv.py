"""FER2013 and FER+ in their original layout: pictures as text in a CSV file.

``fer2013.csv``: ``emotion,pixels,Usage``, 2,304 grey levels of a 48x48 picture parted by blanks;
Usage Training, PublicTest (validation) or PrivateTest (test). ``fer2013new.csv``: ``Usage,Image
name,neutral,...,contempt,unknown,NF``, line for line beside it; a row without an image name shows
no face (NF = votes for "no face").

Checked: column names and codes against public readers of both sets, row numbers against the parquet
file of the same pictures. Parquet files go to ``parquet_sets.read_ferplus``.
"""

from __future__ import annotations

import io
import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from facellm.labels import EXPRESSIONS
from facellm.readers import parquet_sets
from facellm.readers.emotion_codes import FER2013
from facellm.readers.outcome import (
    BAD_VALUE,
    NO_LABEL,
    NOT_A_FACE,
    BadRow,
    Read,
    outcomes,
    required,
)
from facellm.readers.row import FaceRow
from facellm.readers.sources import SOURCES
from facellm.readers.text_files import Line, csv_lines, side_by_side

SIDE = 48  # pixels
USAGE = {"Training": "train", "PublicTest": "valid", "PrivateTest": "test"}
VOTES = (*EXPRESSIONS, "unknown", "NF")
TAGGERS = 10


def picture_of(line: Line) -> bytes:
    """PNG of a line's pixels.

    Raises:
        BadRow: If there are not 48 x 48 numbers in 0..255.
    """
    words = line.text("pixels").split()
    try:
        levels = bytes(map(int, words))
    except ValueError:
        raise BadRow(BAD_VALUE, "pixels hold something other than numbers in 0..255") from None
    if len(levels) != SIDE * SIDE:
        raise BadRow(BAD_VALUE, f"{len(levels)} pixels instead of {SIDE * SIDE}")
    out = io.BytesIO()
    Image.fromarray(np.frombuffer(levels, np.uint8).reshape(SIDE, SIDE)).save(out, "PNG")
    return out.getvalue()


def read_fer2013(path: Path) -> Iterator[Read]:
    """FER2013: one of seven expressions a picture.

    Args:
        path: ``fer2013.csv``, or the folder it lies in.
    """
    path = Path(path)
    file = required(path / "fer2013.csv") if path.is_dir() else path
    count = itertools.count()

    def parse(line: Line) -> FaceRow:
        number = next(count)
        return FaceRow(
            source="fer2013",
            key=f"fer2013/{number}",
            split=USAGE[line.one_of("Usage", USAGE)],
            picture=picture_of(line),
            licence=SOURCES["fer2013"].terms,
            where=line.where,
            expression=FER2013[line.one_of("emotion", FER2013)],
        )

    return outcomes("fer2013", csv_lines(file, ("emotion", "pixels", "Usage")), parse)


def votes_of(line: Line) -> tuple[int, ...]:
    """Votes in the order of ``VOTES``.

    Raises:
        BadRow: If one is not in 0..10, or nobody voted.
    """
    votes = tuple(line.whole(name, 0, TAGGERS) for name in VOTES)
    if not sum(votes):
        raise BadRow(NO_LABEL, "all votes are 0")
    return votes


def read_ferplus(path: Path) -> Iterator[Read]:
    """FER+: votes of ten taggers a picture.

    Args:
        path: Folder with both CSV files, or the one parquet file.
    """
    path = Path(path)
    if path.suffix == ".parquet":
        return parquet_sets.read_ferplus(path)
    pixels = csv_lines(required(path / "fer2013.csv"), ("pixels", "Usage"))
    votes = csv_lines(required(path / "fer2013new.csv"), ("Usage", "Image name", *VOTES))
    count = itertools.count()

    def parse(line: Line) -> FaceRow:
        number = next(count)
        if line.is_empty("Image name"):
            raise BadRow(NOT_A_FACE, f"no image name, NF {line.values.get('NF')} of {TAGGERS}")
        return FaceRow(
            source="ferplus",
            key=f"fer2013/{number}",
            split=USAGE[line.one_of("Usage", USAGE)],
            picture=picture_of(line),
            licence=SOURCES["ferplus"].terms,
            where=line.where,
            votes=votes_of(line),
        )

    return outcomes("ferplus", side_by_side(votes, pixels, "Usage"), parse)
