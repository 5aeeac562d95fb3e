"""The folder of a corpus: whose it is, what is finished, who is at work in it.

    manifest.json             config and its digest: one folder, one config
    shard-00007-train.parquet records of rows 14,000 to 15,999, one file a split
    rejected-00007.jsonl      their rejections, one a line
    counts/00007.json         written last: without it shard 7 does not count as there
    counts/spent-00007.jsonl  what endpoints were asked for shard 7, killed runs too (``spending``)
    counts/rows.json          rows and shards of the whole, once a process has read all sources
    index/                    fingerprints, where near duplicates are looked for
    counts.json README.md     written when every shard is there

Shards are locked by byte ranges of the file ``.lock`` while they are built; the system lets go of a
lock when its process ends, however it ends.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facellm.atomic import PART, read_json, told_in_words, write_json
from facellm.differences import differences, flat
from facellm.errors import FaceLLMError

from .config import CorpusConfig

FORMAT = 1  # of the folder; a change makes older folders another corpus
_LOCK = ".lock"
_MANIFEST_BYTE = 1 << 40  # beyond every shard's


class CorpusFolder:
    """The folder of one corpus."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest_file = path / "manifest.json"
        self.rows_file = path / "counts" / "rows.json"
        self.counts_file, self.card_file = path / "counts.json", path / "README.md"
        self.index = path / "index"

    def open(self, config: CorpusConfig) -> None:
        """Make the folder this config's, or find that it already is.

        Raises:
            FaceLLMError: If it belongs to another config (the differences are listed), holds other
                files or cannot be made.
        """
        manifest = manifest_of(config)
        if self.path.is_file():
            raise FaceLLMError(f"{self.path}: is a file, not a folder")
        with told_in_words(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
        with self._range_locked(_MANIFEST_BYTE, wait=True):  # of two configs one comes first
            if not self.manifest_file.is_file():
                self._claim(manifest)
        self._check(read_json(self.manifest_file), manifest)
        with told_in_words(self.path):
            self.rows_file.parent.mkdir(exist_ok=True)

    def _claim(self, manifest: dict[str, Any]) -> None:
        names = [path.name for path in self.path.glob("*")]
        strange = sorted(name for name in names if name != _LOCK and not name.endswith(PART))
        if strange:
            raise FaceLLMError(
                f"{self.path}: is not empty and no corpus ({', '.join(strange[:3])})"
            )
        write_json(self.manifest_file, manifest)

    def _check(self, there: dict[str, Any], mine: dict[str, Any]) -> None:
        if there.get("sha256") == mine["sha256"]:
            return
        old, new = flat(there.get("config", {})), flat(mine["config"])
        different = differences(old, new) or differences(
            {"format": there.get("format")}, {"format": FORMAT}
        )
        raise FaceLLMError(
            f"{self.path}: holds the corpus of another config: {'; '.join(different)}; "
            "take another folder"
        )

    def counts_of(self, shard: int) -> Path:
        """The file that says shard ``shard`` is finished."""
        return self.path / "counts" / f"{shard:05d}.json"

    def is_finished(self, shard: int) -> bool:
        """Whether a shard is there with all its files."""
        file = self.counts_of(shard)
        if not file.is_file():
            return False
        sizes = read_json(file)["files"]
        return all(
            (self.path / name).is_file() and (self.path / name).stat().st_size == facts["bytes"]
            for name, facts in sizes.items()
        )

    def finished(self) -> list[int]:
        """Numbers of the shards that are there."""
        numbers = sorted(int(p.stem) for p in self.path.glob("counts/[0-9]*.json"))
        return [number for number in numbers if self.is_finished(number)]

    def tell_rows(self, rows: dict[str, Any]) -> None:
        """Note how many rows and shards the sources hold, or find the same noted.

        Raises:
            FaceLLMError: If another number is noted: the data has changed in between.
        """
        if not self.rows_file.is_file():
            write_json(self.rows_file, rows)
        elif (noted := read_json(self.rows_file)) != rows:
            raise FaceLLMError(
                f"{self.path}: the data has changed since the corpus was begun: it had "
                f"{noted.get('rows')} rows, now {rows['rows']}; take another folder"
            )

    @contextmanager
    def locked(self, shard: int) -> Iterator[None]:
        """Be the only process that builds a shard.

        Raises:
            FaceLLMError: If another process is building it.
        """
        try:
            with self._range_locked(shard, wait=False):
                self._sweep(shard)
                yield
        except BlockingIOError as error:
            raise FaceLLMError(
                f"{self.path}: another process is building shard {shard} at this moment"
            ) from error

    def _sweep(self, shard: int) -> None:
        """Remove what a killed process has left of a shard."""
        for pattern in (f"shard-{shard:05d}*", f"rejected-{shard:05d}*", f"*/*{shard:05d}.*"):
            for part in self.path.glob(pattern + PART):
                part.unlink(missing_ok=True)

    @contextmanager
    def _range_locked(self, byte: int, *, wait: bool) -> Iterator[None]:
        """Hold one byte of the lock file; raises ``BlockingIOError`` where another does."""
        import fcntl  # POSIX: the builder runs on Linux and macOS

        with told_in_words(self.path):
            handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB), 1, byte)
            yield
        finally:
            os.close(handle)


def manifest_of(config: CorpusConfig) -> dict[str, Any]:
    """Config, format and the digest of both, JSON-ready."""
    content = json.loads(json.dumps({"format": FORMAT, "config": config.to_dict()}))
    digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
    return content | {"sha256": digest}
