"""Near duplicates: a pass before the builder's that takes fingerprints, and who is dropped.

Whether a row is a near duplicate depends on every other row, so it cannot be said while shards are
built. The first pass writes ``index/fingerprints-00007.npz`` (rows as in shard 7), by as many
processes as one likes; when all are there, anyone makes ``index/drops.json`` of them, always the
same; the builder's pass rejects what stands in it.

Memory: fingerprints lie on disk while they are searched (``joined``), so about 0.14 KB a row of
keys and hashes is what grows (measured from 10^4 to 10^6 rows), beside pages of the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from facellm.atomic import atomic_file, read_json, told_in_words, write_json
from facellm.errors import FaceLLMError
from facellm.readers.row import Rejection

from .decode import pixels_of
from .folder import CorpusFolder
from .joined import joined, repeated
from .plugins import DEDUPERS, new_plugin
from .record import Draft, Outcome, reject
from .rows import Item, Job, RowStream


class Dedupe(Protocol):
    """Who says what a near duplicate is."""

    def fingerprint(self, picture: NDArray[np.uint8]) -> NDArray[Any]:
        """(H, W, 3) uint8 RGB -> (K,) of one length and integer type."""
        ...

    def duplicate_drops(
        self, fingerprints: NDArray[Any], splits: Sequence[str], keys: Sequence[str]
    ) -> dict[str, str]:
        """Rows to drop, and in words as what: N fingerprints (N, K), splits, keys -> key: why."""
        ...


class Duplicates:
    """The step that rejects what ``drops.json`` names."""

    name = "dedupe"

    def __init__(self, drops: dict[str, str]) -> None:
        self.drops = drops

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """The drafts, or ``near duplicate``."""
        return [
            reject(draft, self.name, "near duplicate", self.drops[key])
            if (key := f"{draft.row.source}/{draft.row.key}") in self.drops
            else draft
            for draft in drafts
        ]


def make_index(job: Job) -> None:
    """Write the fingerprints of a part's shards; those that are there stay.

    Raises:
        FaceLLMError: As ``CorpusFolder.open``; if the config looks for no duplicates.
    """
    folder, dedupe = CorpusFolder(job.out), new_dedupe(job)
    folder.open(job.config)
    with told_in_words(folder.index):
        folder.index.mkdir(exist_ok=True)
    stream = RowStream(job.config, job.data)
    for shard, items in stream.shards():
        file = folder.index / f"fingerprints-{shard:05d}.npz"
        if shard in job.part and not file.is_file():
            with folder.locked(shard), atomic_file(file) as out:
                np.savez(out, **fingerprints_of(items, dedupe))  # type: ignore[arg-type]
    folder.tell_rows(stream.totals())


def new_dedupe(job: Job) -> Dedupe:
    """Who looks for duplicates in this config."""
    if job.config.dedupe is None:
        raise FaceLLMError("the config has no 'dedupe': there is no index to make")
    return new_plugin(DEDUPERS, job.config.dedupe, "dedupe")


def fingerprints_of(items: Iterable[Item], dedupe: Dedupe) -> dict[str, NDArray[Any]]:
    """``fingerprints`` (N, K), ``splits`` (N,) and ``keys`` (N,) of the rows that have pixels."""
    prints, splits, keys = [], [], []
    for item in items:
        row = item.row
        try:
            if isinstance(row, Rejection) or row.media == "dialogue":
                continue
            pixels, _ = pixels_of(row)
        except FaceLLMError:
            continue  # the builder's pass rejects it with this very reason
        prints.append(dedupe.fingerprint(pixels))
        splits.append(row.split)
        keys.append(f"{row.source}/{row.key}")
    return {
        "fingerprints": np.stack(prints) if prints else np.zeros((0, 0), np.uint64),
        "splits": np.array(splits, dtype=np.str_),
        "keys": np.array(keys, dtype=np.str_),
    }


def drops_of(job: Job) -> dict[str, str]:
    """Keys of the rows to drop, and why; made of the fingerprints where it is not yet there.

    Raises:
        FaceLLMError: If fingerprints are missing; the command that makes them is named.
    """
    folder = CorpusFolder(job.out)
    file = folder.index / "drops.json"
    if file.is_file():
        return read_json(file)
    files = sorted(folder.index.glob("fingerprints-*.npz"))
    shards = read_json(folder.rows_file)["shards"] if folder.rows_file.is_file() else None
    if shards != len(files):
        raise FaceLLMError(
            f"{folder.index}: fingerprints of {len(files)} of {shards or 'unknown many'} shards; "
            f"make them first: facellm build index CONFIG.yaml -o {job.out} [--shard i/n]"
        )
    drops = find_drops(files, new_dedupe(job))
    write_json(file, drops)
    return drops


def find_drops(files: Sequence[Path], dedupe: Dedupe) -> dict[str, str]:
    """Drops of all fingerprints together.

    Raises:
        FaceLLMError: If two rows have one key.
    """
    with joined(files) as everything:
        if (twice := repeated(everything.keys)) is not None:
            raise FaceLLMError(f"two rows have the key {twice!r}")
        if not len(everything.keys):
            return {}
        return dedupe.duplicate_drops(everything.prints, everything.splits, everything.keys)
