"""How fast the builder is, and whether its memory grows: figures as JSON.

``rates``: rows and records a second from pictures to shards, by how faces are found (``none``,
``crops``, ``detect``), median of repeats. ``writing``: the same records written by our writer and
by ``datasets``, records a second and their ratio. ``memory``: peak resident memory of a process
that builds N and 10 N rows, MB, and its growth per row.

Command: ``python -m facellm.instruct_data.corpus.bench --data ../shared/data -o bench.json``
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from facellm.folders import default_data

from ..row import FaceRow
from .build import build, one_thread
from .build_parser import CONFIGS
from .config import (
    CorpusConfig,
    FacesMode,
    PictureBounds,
    PluginConfig,
    QuestionsConfig,
    SourceConfig,
    load_config,
)
from .folder import CorpusFolder
from .record import Draft, Exchange, Record
from .shards import ShardWriter, read_shards
from .tables import to_table

MODES: tuple[FacesMode, ...] = ("none", "crops", "detect")
SIDE = 48  # pixels of a synthetic picture
_HERE = "facellm.instruct_data.corpus.bench"


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


def rate(config: CorpusConfig, data: Path, mode: FacesMode, repeats: int) -> dict[str, float]:
    """Rows and records a second of one way to find faces, after a build that is not counted."""
    optional = replace(config.pictures, landmarks="optional", several_faces="keep")
    config = replace(
        config,
        sources=tuple(replace(source, faces=mode) for source in config.sources),
        pictures=optional,
        dedupe=None,
    )
    counts: dict[str, Any] = {}

    def run(out: Path) -> None:
        counts.update(build(config, out, data=data) or {})

    seconds(run)
    taken = median(seconds(run) for _ in range(repeats))
    return {
        "rows": counts["rows"],
        "rows_per_second": round(counts["rows"] / taken, 1),
        "records_per_second": round(counts["records"] / taken, 1),
    }


def writing(records: Sequence[Record], repeats: int) -> dict[str, float]:
    """Records a second of our writer and of ``datasets``, given the same records in memory."""
    import datasets

    datasets.disable_progress_bars()
    lines = to_table(records).to_pylist()

    def ours(out: Path) -> None:
        (out / "counts").mkdir(parents=True)
        with ShardWriter(CorpusFolder(out), 0) as writer:
            for record in records:
                writer.write_records([record])

    def theirs(out: Path) -> None:
        out.mkdir()
        cache = str(out / "cache")
        made = datasets.Dataset.from_generator(lambda: iter(lines), cache_dir=cache)
        made.to_parquet(out / "data.parquet")

    # By turns, so that both meet the same machine.
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    mine, other = median(pair[0] for pair in pairs), median(pair[1] for pair in pairs)
    return {
        "records": len(records),
        "ours_per_second": round(len(records) / mine),
        "datasets_per_second": round(len(records) / other),
        "ratio": round(median(b / a for a, b in pairs), 2),
    }


def memory(rows: int) -> dict[str, float]:
    """Peak resident memory at ``rows`` and ten times as many, each in a process of its own."""
    peaks = {count: child_peak(count) for count in (rows, 10 * rows)}
    low, high = peaks.values()
    return {
        **{f"peak_mb_at_{count}": round(peak / 1024, 1) for count, peak in peaks.items()},
        "growth_bytes_per_row": round(1024 * (high - low) / (9 * rows), 2),
    }


def child_peak(rows: int) -> int:
    """Peak resident memory in KB of a process that builds synthetic rows."""
    command = [sys.executable, "-m", _HERE, "--child", str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def child(rows: int) -> int:
    """Build synthetic rows; the peak in KB."""
    seconds(lambda out: build(synthetic_config(rows), out, data=Path()))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak // 1024 if sys.platform == "darwin" else peak  # macOS counts bytes


def main(argv: list[str] | None = None) -> None:
    """Print the figures, or write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--config", type=Path, default=CONFIGS / "local.yaml")
    parser.add_argument("--rows", type=int, default=300, help="of every source")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--synthetic", type=int, default=10_000, help="rows; memory at ten times")
    parser.add_argument("-o", "--out", type=Path)
    parser.add_argument("--child", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args(argv)
    if args.child is not None:
        print(child(args.child))
        return
    config = load_config(args.config)
    limited = [replace(source, limit=args.rows) for source in config.sources]
    config = replace(config, sources=tuple(limited))
    with one_thread(), tempfile.TemporaryDirectory() as folder:
        rates = {mode: rate(config, args.data, mode, args.repeats) for mode in MODES}
        build(config, Path(folder) / "out", data=args.data)
        records = list(read_shards(CorpusFolder(Path(folder) / "out")))
        figures = {
            "rates": rates,
            "writing": writing(records, args.repeats),
            "memory": memory(args.synthetic),
        }
    text = json.dumps(figures, indent=1) + "\n"
    print(text, end="") if args.out is None else args.out.write_text(text)


if __name__ == "__main__":
    main()
