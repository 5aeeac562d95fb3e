"""The rows of a config, numbered: row ``n`` belongs to shard ``n // shard_rows``, wherever it runs.

A process reads every source but goes on only with the rows of its own shards; a reader hands over
encoded bytes or a path, so the others cost next to nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError
from facellm.readers.row import FaceRow

from ..readers import Read
from .config import CorpusConfig, SourceConfig
from .plugins import read_source
from .record import Draft, Outcome, draft_seed


@dataclass(frozen=True)
class Part:
    """What one of several processes builds: every ``count``-th shard, from ``index`` - 1 on.

    Attributes:
        index: 1 to ``count``.
        count: Number of processes.
    """

    index: int = 1
    count: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.index <= self.count:
            raise FaceLLMError(f"shard {self.index}/{self.count}: i/n goes from 1/n to n/n")

    @classmethod
    def parse(cls, text: str) -> Part:
        """``"2/8"``."""
        found = re.fullmatch(r"(\d+)/(\d+)", text)
        if found is None:
            raise FaceLLMError(f"shard {text!r} is not of the form i/n, such as 1/4")
        return cls(int(found[1]), int(found[2]))

    def __contains__(self, shard: int) -> bool:
        return shard % self.count == self.index - 1

    def split(self, workers: int) -> list[Part]:
        """The same shards for several workers."""
        count = self.count * workers
        return [Part(self.index + self.count * worker, count) for worker in range(workers)]


@dataclass(frozen=True)
class Job:
    """One run of the builder.

    Attributes:
        config: What to build.
        data: Folder that the sources' paths start from.
        out: Folder of the corpus.
        part: What this run builds.
        resume: Go on where an earlier run ended.
    """

    config: CorpusConfig
    data: Path
    out: Path
    part: Part = Part()
    resume: bool = False

    def split(self, workers: int) -> list[Job]:
        """The same for several workers."""
        return [replace(self, part=part) for part in self.part.split(workers)]


@dataclass(frozen=True)
class Item:
    """A row, or why it cannot be used, and where it belongs.

    Attributes:
        number: Running number in the corpus.
        source: Number of its source.
        row: As the reader gave it.
    """

    number: int
    source: int
    row: Read


class RowStream:
    """Every row of a config, once, in order; a count of them when the end is reached."""

    def __init__(self, config: CorpusConfig, data: Path) -> None:
        self.config, self.data = config, data
        self._read = [{"rows": 0, "other_splits": 0} for _ in config.sources]

    def shards(self) -> Iterator[tuple[int, Iterator[Item]]]:
        """(number of the shard, its rows); rows that are not taken are skipped."""
        yield from groupby(self._items(), lambda item: item.number // self.config.shard_rows)

    def _items(self) -> Iterator[Item]:
        number = 0
        for index, source in enumerate(self.config.sources):
            for row in self._selected(index, source):
                yield Item(number, index, row)
                number += 1

    def _selected(self, index: int, source: SourceConfig) -> Iterator[Read]:
        read = self._read[index]
        for row in read_source(source, self.data):
            if isinstance(row, FaceRow) and row.split not in source.splits:
                read["other_splits"] += 1
                continue
            read["rows"] += 1
            yield row
            if read["rows"] == source.limit:
                return

    def totals(self) -> dict[str, Any]:
        """Rows and shards, JSON-ready; right once ``shards`` is exhausted.

        Raises:
            FaceLLMError: If there is not a single row.
        """
        rows = sum(read["rows"] for read in self._read)
        if not rows:
            raise FaceLLMError(f"{self.data}: the sources of the config hold no rows")
        sources = [
            {"reader": source.reader, "path": source.path} | read
            for source, read in zip(self.config.sources, self._read, strict=True)
        ]
        return {"rows": rows, "shards": -(-rows // self.config.shard_rows), "sources": sources}


def first_outcome(config: CorpusConfig, item: Item) -> Outcome:
    """The draft of a row before the first step, or the reader's rejection."""
    row = item.row
    if not isinstance(row, FaceRow):
        return row
    return Draft(row, draft_seed(config.seed, row), notes={"source": item.source})
