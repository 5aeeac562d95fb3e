"""Hashes of fingerprints, and tables in which pictures with a like hash are found.

A hash holds 64 bits: is each of the 64 lowest frequencies (discrete cosine transform) of the
thumbnail's middle 20 x 20 pixels above its median over the set? (pHash asks the same of one median
a picture; faces are so alike that most of its bits then say "a face".) A shifted copy is found by
asking with the hashes of shifted windows too, a mirrored one with the signs of the odd frequencies
turned.

Tables: the hash is cut into four keys of 16 bits or more; near duplicates agree in one of them, up
to the few bits that lay closest to their median, and those are tried both ways (Norouzi et al.,
"Fast search in Hamming space with multi-index hashing", arXiv 1307.2982; Lv et al., "Multi-probe
LSH", VLDB 2007).

Shapes: N fingerprints, W windows (shifts), 64 frequencies, T = 4 tables.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.fft import dct

from facellm.near_duplicates.fingerprints import MIDDLE, SIDE, Thumbs, let_go

BITS = 64
TABLES = 4
REACH = 2  # pixels of the thumbnail a window may be shifted: 8 % of the picture
WINDOW = SIDE - 2 * REACH
NARROWEST, WIDEST = 16, 24  # bits of a key
PROBED = 4  # least certain bits of a key that are tried both ways
SAMPLE = 20_000  # rows the medians are taken of
FEW = 100  # rows at which a median counts half, see ``medians``
BLOCK = 1024
Floats = NDArray[np.float32]

OFFSETS = tuple(
    (dy, dx) for dy in range(-REACH, REACH + 1) for dx in range(-REACH, REACH + 1)
)  # of the windows, (down, right)
CENTRE = OFFSETS.index((0, 0))


def _frequencies() -> list[tuple[int, int]]:
    """The lowest (vertical, horizontal) frequencies without the mean, lowest first."""
    pairs = [(v, h) for v in range(WINDOW) for h in range(WINDOW) if v + h]
    return sorted(pairs, key=lambda pair: (pair[0] ** 2 + pair[1] ** 2, pair))[:BITS]


FREQUENCIES = _frequencies()
ODD = np.array([h % 2 == 1 for _, h in FREQUENCIES])  # change sign in a mirrored picture


def _projection() -> Floats:
    """(576, W * 64): thumbnail -> frequencies of every window."""
    waves = np.asarray(dct(np.eye(WINDOW), axis=0, norm="ortho"))
    out = np.zeros((len(OFFSETS), BITS, SIDE, SIDE), np.float32)
    for window, (dy, dx) in enumerate(OFFSETS):
        top, left = REACH + dy, REACH + dx
        for bit, (v, h) in enumerate(FREQUENCIES):
            wave = np.outer(waves[v], waves[h])
            out[window, bit, top : top + WINDOW, left : left + WINDOW] = wave
    return np.ascontiguousarray(out.reshape(len(OFFSETS) * BITS, SIDE * SIDE).T)


PROJECTION = _projection()


def frequencies(thumbs: Thumbs, windows: slice = slice(None)) -> Floats:
    """(N, 24, 24) fingerprints -> (N, W, 64) frequencies of the windows."""
    flat = thumbs.reshape(len(thumbs), -1).astype(np.float32) - MIDDLE
    columns = PROJECTION.reshape(-1, len(OFFSETS), BITS)[:, windows]
    return (flat @ columns.reshape(len(columns), -1)).reshape(len(thumbs), -1, BITS)


def centre_frequencies(thumbs: Thumbs) -> Floats:
    """(N, 24, 24) fingerprints -> (N, 64) frequencies of the middle window."""
    return frequencies(thumbs, slice(CENTRE, CENTRE + 1))[:, 0]


def medians(thumbs: Thumbs, rows: NDArray[np.int64]) -> Floats:
    """(64,) what each frequency is held against.

    The median over (an evenly spaced sample of) the rows; 0 where mirroring changes the sign, so
    that a mirrored hash is asked with the same. In a small set it is drawn towards 0: the median of
    a picture and its copy lies between the two and would part them.
    """
    places = np.linspace(0, len(rows) - 1, min(len(rows), SAMPLE)).astype(np.int64)
    if not len(places):
        return np.zeros(BITS, np.float32)
    waves = np.zeros((len(places), BITS), np.float32)
    for start in range(0, len(places), BLOCK):
        part = slice(start, start + BLOCK)
        waves[part] = centre_frequencies(thumbs[rows[places[part]]])
        let_go(thumbs)
    found = np.median(waves, axis=0)
    return np.where(ODD, 0, found * (len(places) / (len(places) + FEW))).astype(np.float32)


def packed(bits: NDArray[np.bool_]) -> NDArray[np.uint64]:
    """(..., 64) bits -> (...) hashes; bit i of the hash is frequency i."""
    return np.packbits(bits, axis=-1, bitorder="little").view("<u8")[..., 0]


def key_places(table: int, width: int) -> NDArray[np.int64]:
    """(width,) which bits of the hash a table's key holds, lowest bit of the key first."""
    return (table * (BITS // TABLES) + np.arange(width)) % BITS


def key_bits(count: int) -> int:
    """Bits of a table's key for a set of ``count`` pictures: about as many keys as pictures."""
    return int(np.clip(np.ceil(np.log2(max(count, 2))), NARROWEST, WIDEST))


def keys_of(hashes: NDArray[np.uint64], table: int, width: int) -> NDArray[np.int64]:
    """Keys of one table: ``width`` bits of the hash from bit 16 * table on, the end joined on."""
    start = np.uint64(table * (BITS // TABLES))
    around = (hashes >> start) | (hashes << ((np.uint64(BITS) - start) % np.uint64(BITS)))
    return (around & np.uint64((1 << width) - 1)).astype(np.int64)


@dataclass(frozen=True, eq=False)
class HashTables:
    """Hashes of a set, sorted by each table's key.

    Attributes:
        hashes: (N,) uint64.
        thresholds: (64,) medians behind them.
        width: Bits of a key.
        order: Per table (N,) int32, rows sorted by key (rows of one key in their order).
        starts: Per table (2**width + 1,) int32, where a key's rows begin in ``order``.
    """

    hashes: NDArray[np.uint64]
    thresholds: Floats
    width: int
    order: tuple[NDArray[np.int32], ...]
    starts: tuple[NDArray[np.int32], ...]

    @classmethod
    def of(cls, thumbs: Thumbs, rows: NDArray[np.int64]) -> HashTables:
        """Tables of some rows of a set, read block by block."""
        thresholds, width = medians(thumbs, rows), key_bits(len(rows))
        hashes = np.zeros(len(rows), np.uint64)
        for start in range(0, len(rows), BLOCK):
            block = centre_frequencies(thumbs[rows[start : start + BLOCK]])
            hashes[start : start + BLOCK] = packed(block > thresholds)
            let_go(thumbs)
        order, starts = [], []
        for table in range(TABLES):
            keys = keys_of(hashes, table, width)
            order.append(np.argsort(keys, kind="stable").astype(np.int32))
            counts = np.bincount(keys, minlength=1 << width)
            starts.append(np.concatenate([[0], np.cumsum(counts)]).astype(np.int32))
        return cls(hashes, thresholds, width, tuple(order), tuple(starts))
