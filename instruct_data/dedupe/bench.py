"""Speed of the search for near duplicates on made-up fingerprints, for the bench.

Example: ``dedupe_speed(100_000)`` -> rows a second, and pairs a second (all pairs among the rows,
each of which the search decides about; few of them are ever touched).
"""

from __future__ import annotations

import statistics
import time
from dataclasses import dataclass

import cv2
import numpy as np

from facellm.near_duplicates.fingerprints import SIDE, Fingerprints, fingerprint
from facellm.near_duplicates.search import near_pairs

DOUBLED = 0.05  # share of rows that are copies
NOISE = 4.0  # grey levels, standard deviation


@dataclass(frozen=True)
class Speed:
    """Median over runs.

    Attributes:
        rows: How many fingerprints.
        rows_per_second: Search from fingerprints to pairs.
        pairs_per_second: N (N - 1) / 2 over the same time.
        found: Share of the planted copies that were paired.
        runs: Of the median.
    """

    rows: int
    rows_per_second: float
    pairs_per_second: float
    found: float
    runs: int


def made_up(count: int, seed: int = 0) -> Fingerprints:
    """Fingerprints of smooth noise; the last 5 % are noisy copies of the first."""
    rng = np.random.default_rng(seed)
    copies = int(count * DOUBLED)
    thumbs = np.zeros((count, SIDE, SIDE), np.uint8)
    for row in range(count - copies):
        smooth = cv2.GaussianBlur(rng.normal(0, 1, (SIDE, SIDE)), (0, 0), 1.5)
        thumbs[row] = fingerprint(np.clip(128 + 200 * smooth, 0, 255).astype(np.uint8))
    first = thumbs[:copies].astype(np.float32)
    thumbs[count - copies :] = np.clip(first + rng.normal(0, NOISE, first.shape), 0, 255)
    return Fingerprints(thumbs)


def dedupe_speed(count: int = 20_000, runs: int = 3) -> Speed:
    """Median of some runs over ``count`` made-up fingerprints."""
    prints, copies = made_up(count), int(count * DOUBLED)
    seconds, pairs = [], near_pairs(prints)
    for _ in range(runs):
        start = time.perf_counter()
        pairs = near_pairs(prints)
        seconds.append(time.perf_counter() - start)
    each = statistics.median(seconds)
    right = float((pairs.second == pairs.first + count - copies).sum())
    return Speed(count, count / each, count * (count - 1) / 2 / each, right / max(copies, 1), runs)
