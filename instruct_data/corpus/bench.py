"""How fast the builder is, what it leaves out, and whether its memory grows: figures as JSON.

    rates         rows and records a second from pictures to shards, by how faces are found: as the
                  config says, ``none``, ``crops``, ``detect`` everywhere; median of repeats
    left_out      share of the rows that the config leaves out, by reason
    writing       the same records written by our writer and by ``datasets``: records a second
    memory        peak of a process that builds N and 10 N rows, MB, and its growth per row
    dedupe        pairs a second of the search for near duplicates
    audit         flips planted on FER+ faces the model was not trained on: AUC, precision at 20 %
    index_memory  as ``memory``, of the search for near duplicates; some minutes, so on request only
    blur          what the bound on blur rejects of blurred faces; on request

Command: ``python -m facellm.instruct_data.corpus.bench --data ../shared/data --parts rates audit``
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, Literal

from facellm.folders import default_data

from ..dedupe.audit_bench import audit_figures
from ..dedupe.bench import dedupe_speed
from . import bench_synthetic
from .bench_blur import blur_figures
from .bench_synthetic import seconds
from .build import build, one_thread
from .build_parser import CONFIGS
from .config import CorpusConfig, FacesMode, load_config
from .folder import CorpusFolder
from .record import Record
from .shards import ShardWriter, read_shards
from .tables import to_table

MODES: tuple[FacesMode | Literal["config"], ...] = ("config", "none", "crops", "detect")
USUAL = ("rates", "left_out", "writing", "memory", "dedupe", "audit")
PARTS = (*USUAL, "index_memory", "blur")
WARM = 2  # rows of every source
WRITTEN = 20_000  # records that both writers write at most


def rate(
    config: CorpusConfig, data: Path, mode: FacesMode | Literal["config"], repeats: int
) -> dict[str, float]:
    """Rows and records a second of one way to find faces, after some rows that are not counted."""
    config = replace(config, dedupe=None)
    if mode != "config":
        config = replace(
            config,
            sources=tuple(replace(source, faces=mode) for source in config.sources),
            pictures=replace(config.pictures, landmarks="optional", several_faces="keep"),
        )
    counts: dict[str, Any] = {}

    def run(out: Path) -> None:
        counts.update(build(config, out, data=data) or {})

    build_first = limited(config, WARM)
    seconds(lambda out: build(build_first, out, data=data))
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


def left_out(counts: dict[str, Any]) -> dict[str, Any]:
    """Share of rows left out by source and reason, of a built corpus."""
    rows = counts["rows"]
    reasons: dict[str, int] = {}
    for by_reason in counts["rejected"].values():
        for reason, number in by_reason.items():
            reasons[reason] = reasons.get(reason, 0) + number
    share = {reason: round(number / rows, 4) for reason, number in sorted(reasons.items())}
    sources = {source: sum(by.values()) for source, by in sorted(counts["rejected"].items())}
    return {
        "rows": rows,
        "records": counts["records"],
        "share": round(sum(reasons.values()) / rows, 4),
        "share_by_reason": share,
        "rows_by_source": sources,
    }


def memory(rows: int) -> dict[str, float]:
    """Peak resident memory at ``rows`` and ten times as many, each in a process of its own."""
    return growth({count: child_peak(count) for count in (rows, 10 * rows)})


def index_memory(rows: int) -> dict[str, float]:
    """The same of the search for near duplicates, on made-up fingerprints."""
    return growth({count: child_peak(count, "search") for count in (rows, 10 * rows)})


def growth(peaks: dict[int, int]) -> dict[str, float]:
    """Two peaks in KB by rows, in MB, and bytes a row between them."""
    (few, low), (many, high) = peaks.items()
    return {
        **{f"peak_mb_at_{count}": round(peak / 1024, 1) for count, peak in peaks.items()},
        "growth_bytes_per_row": round(1024 * (high - low) / (many - few), 2),
    }


def child_peak(rows: int, work: str = "build") -> int:
    """Peak resident memory in KB of a process that builds or searches synthetic rows."""
    command = [sys.executable, "-m", bench_synthetic.__name__, work, str(rows)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout)


def corpus_figures(args: argparse.Namespace, parts: Sequence[str]) -> dict[str, Any]:
    """``left_out`` and ``writing`` of one build of the first rows of every source, or of all."""
    config = limited(load_config(args.config), None if args.whole else args.corpus_rows)
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        counts = build(config, out, data=args.data)
        assert counts is not None  # no shard misses
        figures: dict[str, Any] = {"left_out": left_out(counts)} if "left_out" in parts else {}
        if "writing" in parts:
            records = list(islice(read_shards(CorpusFolder(out)), WRITTEN))
            figures["writing"] = writing(records, args.repeats)
    return figures


def limited(config: CorpusConfig, rows: int | None) -> CorpusConfig:
    """The config with so many rows of every source at most."""
    return replace(config, sources=tuple(replace(s, limit=rows) for s in config.sources))


def measure(args: argparse.Namespace) -> dict[str, Any]:
    """The figures of the parts asked for."""
    parts = {
        "rates": lambda: {
            mode: rate(limited(load_config(args.config), args.rows), args.data, mode, args.repeats)
            for mode in MODES
        },
        "memory": lambda: memory(args.synthetic),
        "dedupe": lambda: asdict(dedupe_speed()),
        "audit": lambda: audit_figures(args.data),
        "index_memory": lambda: index_memory(args.synthetic),
        "blur": lambda: blur_figures(args.data),
    }
    figures: dict[str, Any] = {}
    if corpus := [part for part in ("left_out", "writing") if part in args.parts]:
        figures |= corpus_figures(args, corpus)
    for part in args.parts:
        if part in parts:
            figures[part] = parts[part]()
    return figures


def main(argv: list[str] | None = None) -> None:
    """Print the figures, or write them."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--data", type=Path, default=default_data())
    parser.add_argument("--config", type=Path, default=CONFIGS / "local.yaml")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=USUAL, metavar="PART")
    parser.add_argument("--rows", type=int, default=40, help="of every source, for rates")
    parser.add_argument(
        "--corpus-rows", type=int, default=300, help="of every source, for the rest"
    )
    parser.add_argument("--whole", action="store_true", help="every row instead of --corpus-rows")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--synthetic", type=int, default=10_000, help="rows; memory at ten times")
    parser.add_argument("-o", "--out", type=Path)
    args = parser.parse_args(argv)
    print(f"load average {os.getloadavg()[0]:.1f} before", file=sys.stderr)
    with one_thread():
        figures = measure(args)
    print(f"load average {os.getloadavg()[0]:.1f} after", file=sys.stderr)
    text = json.dumps(figures, indent=1) + "\n"
    print(text, end="") if args.out is None else args.out.write_text(text)


if __name__ == "__main__":
    main()
