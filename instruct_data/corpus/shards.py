"""One shard on disk: Parquet files by split, rejections, and the counts that say it is whole.

The same records give the same bytes: row groups are cut by number and size of records alone,
compression and metadata are fixed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict
from typing import IO, Any

import pyarrow.parquet as pq

from facellm.atomic import atomic_file, read_json, told_in_words, write_json
from facellm.readers.row import Rejection

from .counts import Counts
from .folder import CorpusFolder
from .record import Record
from .tables import SCHEMA, from_table, to_json, to_table

GROUP_RECORDS = 2048  # of one row group
GROUP_BYTES = 32 << 20  # of embedded pictures in one row group


class ShardWriter:
    """Writes one shard; a context. What is not finished leaves nothing that reads as a shard.

    Args:
        folder: Of the corpus.
        number: Of the shard.
    """

    def __init__(self, folder: CorpusFolder, number: int) -> None:
        self.folder, self.number, self.counts = folder, number, Counts()
        self._splits: dict[str, _SplitFile] = {}
        self._stack = ExitStack()

    def __enter__(self) -> ShardWriter:
        self.folder.counts_of(self.number).unlink(missing_ok=True)
        path = self.folder.path / f"rejected-{self.number:05d}.jsonl"
        self._rejected = self._stack.enter_context(atomic_file(path))
        return self

    def write_records(self, records: Sequence[Record]) -> None:
        """Add the records of one row."""
        self.counts.add_records(records)
        for record in records:
            if record.split not in self._splits:
                name = f"shard-{self.number:05d}-{record.split}.parquet"
                file = self._stack.enter_context(atomic_file(self.folder.path / name))
                self._splits[record.split] = _SplitFile(name, file)
            self._splits[record.split].write(record)

    def write_rejection(self, rejection: Rejection) -> None:
        """Add a row that does not go on."""
        self.counts.add_rejection(rejection)
        self._rejected.write((to_json(asdict(rejection)) + "\n").encode())

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool | None:
        if kind is not None:
            return self._stack.__exit__(kind, error, trace)
        with self._stack:  # gives the files their names, or takes them away
            for split in self._splits.values():
                with told_in_words(self.folder.path / split.name):
                    split.close()
        files = {
            split.name: {
                "records": split.records,
                "bytes": (self.folder.path / split.name).stat().st_size,
            }
            for split in self._splits.values()
        }
        counts = self.counts.to_dict() | {"shard": self.number, "files": files}
        write_json(self.folder.counts_of(self.number), counts)
        return None


class _SplitFile:
    """The Parquet file of one split, in row groups."""

    def __init__(self, name: str, file: IO[bytes]) -> None:
        self.name, self.records = name, 0
        self._writer = pq.ParquetWriter(file, SCHEMA, compression="zstd", compression_level=3)
        self._waiting: list[Record] = []
        self._bytes = 0

    def write(self, record: Record) -> None:
        """Add a record; a full row group goes to disk."""
        self._waiting.append(record)
        self._bytes += sum(len(image.data) for image in record.images if image.data)
        if len(self._waiting) >= GROUP_RECORDS or self._bytes >= GROUP_BYTES:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(to_table(self._waiting), row_group_size=GROUP_RECORDS)
            self.records += len(self._waiting)
            self._waiting, self._bytes = [], 0

    def close(self) -> None:
        """Write what waits, and the end of the file."""
        self._flush()
        self._writer.close()


def read_shards(folder: CorpusFolder, split: str | None = None) -> Iterator[Record]:
    """Records of the finished shards, in order, a row group at a time.

    Args:
        folder: Of the corpus.
        split: Only this one.
    """
    for number in folder.finished():
        for name in sorted(read_json(folder.counts_of(number))["files"]):
            if split is None or name.endswith(f"-{split}.parquet"):
                file = pq.ParquetFile(folder.path / name)
                for group in range(file.num_row_groups):
                    yield from from_table(file.read_row_group(group))
