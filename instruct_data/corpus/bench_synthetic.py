"""Synthetic rows for the bench, and the memory that building or searching them takes.

A process of its own each: ``python -m facellm.instruct_data.corpus.bench_synthetic build 10000``
prints its peak in KB.
"""

from __future__ import annotations

import resource
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from facellm.readers.row import FaceRow

from ..dedupe.bench import made_up
from ..dedupe.corpus_dedupe import PerceptualDedupe
from .build import build
from .config import CorpusConfig, PictureBounds, PluginConfig, QuestionsConfig, SourceConfig
from .index import find_drops
from .record import Draft, Exchange

_HERE = "facellm.instruct_data.corpus.bench_synthetic"  # run as a script it has another name
SIDE = 48  # pixels of a synthetic picture


def read_synthetic(path: Path, rows: int = 100) -> Iterator[FaceRow]:
    """Noise with an age, as many as one likes."""
    noise = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE), np.uint8)
    picture = cv2.imencode(".png", noise)[1].tobytes()
    for number in range(rows):
        yield FaceRow("synthetic", str(number), "train", picture, age=number % 100)


class AgeAnnotator:
    """Says the label."""

    name = "age"

    def annotate(self, drafts: Sequence[Draft]) -> list[tuple[Exchange, ...]]:
        """One exchange a draft."""
        return [(Exchange("age", "age", f"{draft.row.age} years."),) for draft in drafts]


def synthetic_config(rows: int) -> CorpusConfig:
    """A corpus of noise without faces."""
    source = SourceConfig(f"{_HERE}:read_synthetic", "none", {"rows": rows}, faces="none")
    return CorpusConfig(
        (source,),
        (PluginConfig(f"{_HERE}:AgeAnnotator"),),
        pictures=PictureBounds(least_side=SIDE),
        questions=QuestionsConfig(per_record=1),
    )


def seconds(function: Callable[[Path], Any]) -> float:
    """Wall-clock seconds of a function that writes into a new folder."""
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        function(Path(folder) / "out")
        return time.perf_counter() - start


def child(rows: int, work: str = "build") -> int:
    """Build synthetic rows, or search them for duplicates; the peak in KB."""
    if work == "build":
        seconds(lambda out: build(synthetic_config(rows), out, data=Path()))
    else:
        seconds(lambda out: search_made_up(out, rows))
    return own_peak()


def own_peak() -> int:
    """Peak resident memory of this process in KB.

    Not ``ru_maxrss`` where it can be helped: on Linux a child takes over what its parent held.
    """
    try:
        status = Path("/proc/self/status").read_text()
        return int(next(line for line in status.splitlines() if "VmHWM" in line).split()[1])
    except (OSError, StopIteration):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak // 1024 if sys.platform == "darwin" else peak  # macOS counts bytes


def search_made_up(folder: Path, rows: int) -> None:
    """Fingerprints of synthetic rows as a build leaves them, then the search."""
    folder.mkdir()
    for shard, start in enumerate(range(0, rows, 2000)):
        count = min(2000, rows - start)
        prints = made_up(count, seed=shard).thumbs.reshape(count, -1)
        keys = np.array([f"synthetic/{start + row}" for row in range(count)])
        splits = np.full(count, "train")
        file = folder / f"fingerprints-{shard:05d}.npz"
        np.savez(file, fingerprints=prints, splits=splits, keys=keys)
    find_drops(sorted(folder.glob("*.npz")), PerceptualDedupe())


if __name__ == "__main__":
    print(child(int(sys.argv[2]), sys.argv[1]))
