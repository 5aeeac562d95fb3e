"""Pairs of near duplicates among any number of fingerprints, without comparing all with all.

    fingerprints -> hash tables -> rows of one key -> hashes alike? -> thumbnails alike? -> pair

Memory is bounded by the block: nothing is held per candidate beyond it, only the pairs found.

Example: ``near_pairs(Fingerprints.of(pictures))`` -> pairs ``first [0, 3]``, ``second [7, 4]``,
``mirrored [False, True]``, ``likeness [.99, .93]``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from facellm.near_duplicates.alignment import likeness
from facellm.near_duplicates.fingerprints import SIDE, Fingerprints, Thumbs, let_go
from facellm.near_duplicates.hashing import (
    BITS,
    ODD,
    OFFSETS,
    PROBED,
    TABLES,
    HashTables,
    frequencies,
    key_places,
    keys_of,
    packed,
)

BLOCK = 128  # rows asked for at once
MOST_BITS = 14  # of 64 in which hashes of near duplicates may differ
LEAST_LIKENESS = 0.915
MOST_IN_KEY = 1000  # rows of one key that are looked at
EQUAL_BLOCK = 4096
PIXELS = SIDE * SIDE
MOST_AT_ONCE = 1 << 21  # candidates held at once
PIECE = 512  # pairs of thumbnails read at once: on disk each may lie in pages of its own
Rows = NDArray[np.int64]

_PROBES = np.arange(1 << PROBED)[:, None] >> np.arange(PROBED) & 1  # which bits to turn


@dataclass(eq=False)
class Pairs:
    """Pairs of rows, first < second.

    Attributes:
        first: (M,) rows.
        second: (M,) rows.
        mirrored: (M,) the second is like the mirrored first.
        likeness: (M,) correlation at the best shift.
        compared: How many pairs of thumbnails were compared.
        skipped: Rows of over-full keys that were not looked at.
    """

    first: Rows
    second: Rows
    mirrored: NDArray[np.bool_]
    likeness: NDArray[np.float32]
    compared: int = 0
    skipped: int = 0

    def __len__(self) -> int:
        return len(self.first)

    def __add__(self, other: Pairs) -> Pairs:
        """These and those of another search."""
        return Pairs(
            np.concatenate([self.first, other.first]),
            np.concatenate([self.second, other.second]),
            np.concatenate([self.mirrored, other.mirrored]),
            np.concatenate([self.likeness, other.likeness]),
            self.compared + other.compared,
            self.skipped + other.skipped,
        )


@dataclass
class _Tally:
    compared: int = 0
    skipped: int = 0
    found: list[NDArray[np.float64]] = field(default_factory=list)


def near_pairs(
    prints: Fingerprints, least: float = LEAST_LIKENESS, among: Rows | None = None
) -> Pairs:
    """All pairs of near duplicates that the tables bring together.

    Args:
        prints: Fingerprints of N pictures.
        least: Likeness from which a pair counts.
        among: Only between these rows; between all without it.

    Returns:
        Pairs in order of their rows. Pictures whose thumbnails are equal bit for bit are paired
        with the first of them only.
    """
    rows = np.arange(len(prints)) if among is None else among
    originals, equal = _first_of_equals(prints.thumbs, rows)
    tables = HashTables.of(prints.thumbs, originals)
    tally = _Tally()
    for start in range(0, len(originals), BLOCK):
        near = _candidates(prints.thumbs[originals[start : start + BLOCK]], tables, tally)
        let_go(prints.thumbs)
        near[:, 0] += start
        near = near[near[:, 0] != near[:, 1]]
        for piece in range(0, len(near), PIECE):
            _compare(prints.thumbs, originals, near[piece : piece + PIECE], least, tally)
            let_go(prints.thumbs)
    copies = np.zeros((len(equal), 4))
    copies[:, :2], copies[:, 3] = equal, 1
    return _sorted(np.concatenate([copies, *tally.found]), tally)


def _sorted(found: NDArray[np.float64], tally: _Tally) -> Pairs:
    """(M, 4) rows, mirrored, likeness -> pairs, each with its best likeness."""
    order = np.lexsort((-found[:, 3], found[:, 1], found[:, 0]))
    found = found[order]
    new = np.ones(len(found), bool)
    new[1:] = (np.diff(found[:, :2], axis=0) != 0).any(axis=1)
    found = found[new]
    first, second = found[:, 0].astype(np.int64), found[:, 1].astype(np.int64)
    alike = found[:, 3].astype(np.float32)
    return Pairs(first, second, found[:, 2] > 0, alike, tally.compared, tally.skipped)


def _first_of_equals(thumbs: Thumbs, rows: Rows) -> tuple[Rows, Rows]:
    """Rows to search among, and (M, 2) pairs (first, copy) of those left out as equal.

    Pictures without texture are in neither: nothing says that two of them are copies.
    """
    weights = np.random.default_rng(0).integers(0, 1 << 63, PIXELS // 8, np.uint64)
    digests, textured = np.zeros(len(rows), np.uint64), np.zeros(len(rows), bool)
    for start in range(0, len(rows), EQUAL_BLOCK):
        block = thumbs[rows[start : start + EQUAL_BLOCK]].reshape(-1, PIXELS)
        sums = (block.view("<u8") * (2 * weights + 1)).sum(axis=1)
        digests[start : start + EQUAL_BLOCK] = sums
        textured[start : start + EQUAL_BLOCK] = (block != block[:, :1]).any(axis=1)
        let_go(thumbs)
    rows = rows[textured]
    _, places, back = np.unique(digests[textured], return_index=True, return_inverse=True)
    first = rows[places[back]]
    same = (
        a != b and np.array_equal(thumbs[a], thumbs[b]) for a, b in zip(first, rows, strict=True)
    )
    equal = np.fromiter(same, bool, len(rows))
    return rows[~equal], np.column_stack([first, rows])[equal]


def _candidates(thumbs: Thumbs, tables: HashTables, tally: _Tally) -> Rows:
    """Pairs with like hashes, once, (C, 3): row of the block, place in the tables, mirrored."""
    waves = frequencies(thumbs)
    asked = np.concatenate([waves, np.where(ODD, -1, 1) * waves], axis=1)
    margins = (asked - tables.thresholds).reshape(-1, BITS)
    hashes, count = packed(margins > 0), len(tables.hashes)
    codes = [np.zeros(0, np.int64)]
    for table in range(TABLES):
        keys = keys_of(hashes, table, tables.width)
        unsure = np.abs(margins[:, key_places(table, tables.width)]).argpartition(PROBED, axis=1)
        turns = (_PROBES[None] << unsure[:, None, :PROBED]).sum(axis=2)
        for asker, place in _share_key((keys[:, None] ^ turns).ravel(), table, tables, tally):
            query = asker >> PROBED
            apart = np.bitwise_count(tables.hashes[place] ^ hashes[query])
            near = apart <= MOST_BITS
            row, number = np.divmod(query[near], asked.shape[1])
            codes.append(np.unique(2 * (row * count + place[near]) + (number >= len(OFFSETS))))
    pairs, mirrored = np.divmod(np.unique(np.concatenate(codes)), 2)
    return np.column_stack([*np.divmod(pairs, max(count, 1)), mirrored])


def _share_key(
    keys: Rows, table: int, tables: HashTables, tally: _Tally
) -> Iterator[tuple[Rows, Rows]]:
    """Every (index into ``keys``, place in the tables) with that key, in bounded pieces."""
    starts = tables.starts[table][keys].astype(np.int64)
    counts = tables.starts[table][keys + 1] - starts
    tally.skipped += int(np.maximum(counts - MOST_IN_KEY, 0).sum())
    counts = np.minimum(counts, MOST_IN_KEY)
    piece = np.cumsum(counts) // MOST_AT_ONCE
    for number in np.unique(piece[counts > 0]):
        those = np.flatnonzero((piece == number) & (counts > 0))
        lengths = counts[those]
        asker = np.repeat(those, lengths)
        before = np.repeat(np.cumsum(lengths) - lengths, lengths)
        within = np.arange(len(asker)) - before
        yield asker, tables.order[table][starts[asker] + within].astype(np.int64)


def _compare(thumbs: Thumbs, rows: Rows, near: Rows, least: float, tally: _Tally) -> None:
    """Hold thumbnails of candidates against each other and keep the pairs that are alike."""
    first, second, mirrored = rows[near[:, 0]], rows[near[:, 1]], near[:, 2] > 0
    other = thumbs[second]
    other[mirrored] = other[mirrored][:, :, ::-1]
    alike = likeness(thumbs[first], other)
    tally.compared += len(near)
    columns = (np.minimum(first, second), np.maximum(first, second), mirrored, alike)
    pairs = np.column_stack([column.astype(np.float64) for column in columns])
    tally.found.append(pairs[alike >= least])
