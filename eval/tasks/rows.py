"""Rows of the core's readers -> samples: what every task built on one shares."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from facellm.readers import open_set
from facellm.readers.row import FaceRow, Rejection

from ..harness.sample import Sample
from ..harness.task import Samples

NO_TARGET = "no label of this task"


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
