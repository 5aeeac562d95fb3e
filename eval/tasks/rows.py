"""Rows of the core's readers -> samples: what every task built on one shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from facellm.labels import MAX_AGE
from facellm.readers import open_set
from facellm.readers.row import FaceRow, Rejection

from ..harness.bands import band_of
from ..harness.sample import Sample
from ..harness.task import Samples

NO_TARGET = "no label of this task"
STARTS = (0, 3, 10, 20, 30, 40, 50, 60, 70)  # first years of the bands results are sliced by
PERSON = ("group", "gender", "age_band", "group & gender")  # columns of ``person``


def samples_of(
    reader: str, build: Callable[[FaceRow], Sample | None], **options: object
) -> Samples:
    """A task's ``samples``: rows of one split of a set, in the order of its files.

    Args:
        reader: In ``facellm.readers.READERS``.
        build: Row -> sample; None for a row without a label of this task, which is counted.
        **options: Of the reader.
    """

    def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
        for row in open_set(reader, path, options):
            if isinstance(row, Rejection):
                yield row
            elif row.split == split:
                sample = build(row)
                missing = Rejection(row.source, row.key, "task", NO_TARGET, "", row.where)
                yield missing if sample is None else sample

    return samples


def person(row: FaceRow) -> dict[str, Any]:
    """Columns that results are sliced by, those the set labels; None where a row lacks one."""
    return {"group": row.group, "gender": gender(row.male), "age_band": age_band(row)}


def gender(male: bool | None) -> str | None:
    """``male``, ``female`` or None."""
    return None if male is None else "male" if male else "female"


def age_band(row: FaceRow) -> str | None:
    """The apparent age group: the set's own where it labels groups, else the band of the age."""
    if row.age_range is not None:
        low, high = row.age_range
        return f"{low} and over" if high == MAX_AGE else f"{low}-{high}"
    return None if row.age is None else band_of(row.age, STARTS)


def among(shares: Mapping[str, float], options: Sequence[str]) -> dict[str, float]:
    """Shares of some labels, given that it is one of them."""
    total = sum(shares[option] for option in options)
    return {option: shares[option] / total if total else 0.0 for option in options}
