"""What training costs here, beside others on the same data: ``python -m facellm.train.bench``.

    batching  real tokens a second of packed rows, padded rows and transformers.Trainer, with their
              padding; the share of the machine's matrix products; cached features
    ranks     one rank and two, by DeepSpeed over gloo, one thread each
    memory    a step on a base in bf16 and in nf4
    gpu       tokens a second and utilisation at a 0.5B and a 7B shape, where there is a GPU

All ways take turns. Figures are medians with quartiles; a ratio is taken turn by turn. Where the
load says that others were at work, there is no headline.

Example line: ``| real tokens/s: packed over padded | 1.52 x (1.49 to 1.57) | | |``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from facellm.bench_lines import Line, machine, shown, table

from ..train_command import quiet_transformers
from .setting import CORPUS, PRESET, QUICK, Setting, Sizes, build_corpus

PARTS = ("batching", "ranks", "memory", "gpu")
TRAINING = {"batching", "ranks"}  # those that need a corpus
PACKAGES = ("facellm", "torch", "transformers", "accelerate", "deepspeed", "peft", "bitsandbytes")
MOST_LOAD = 2.5  # of two cores: above it somebody else is at work
HEADLINES = (
    "real tokens/s: packed over padded",
    "real tokens/s: packed over transformers.Trainer",
    "steps/s: features cached over computed",
    "real tokens/s: 2 ranks over 1",
    "peak memory of a step without imports: bf16 over nf4",
)
FORMULA = """\
Model operations of a step, two a multiplication with its addition: a token takes 4 a frozen weight
of the language model's maps, 6 a trained one and 6 an adapter's; a sample of L tokens takes
12 L^2 times the attention's width a layer; a learned token takes 4 (6) a weight of the output
table; a face what torch counts. Padding, masked parts of rows and recomputation count nothing."""


def measure(sizes: Sizes, parts: tuple[str, ...], start: str) -> list[Line]:
    """Lines of the parts asked for, in order; made-up data in a folder that goes away."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if set(parts) & TRAINING:
            build_corpus(folder / "data", sizes.pictures)
        return lines_of(parts, Setting(sizes, folder / "data" / CORPUS, start), folder)


def lines_of(parts: tuple[str, ...], setting: Setting, folder: Path) -> list[Line]:
    """Lines of parts, some of ``PARTS``; runs lie in a folder."""
    from .batching import batching_lines
    from .gpu import gpu_lines
    from .memory import memory_lines
    from .ranks import rank_lines

    ways: dict[str, Callable[[], list[Line]]] = {
        "batching": lambda: batching_lines(setting, folder / "batching"),
        "ranks": lambda: rank_lines(setting, folder / "ranks"),
        "memory": lambda: memory_lines(setting.sizes),
        "gpu": lambda: gpu_lines(setting.sizes),
    }
    return [line for part in parts for line in ways[part]()]


def headline(lines: list[Line], loads: tuple[float, float]) -> str:
    """The ratios in a line, or why there is none.

    Args:
        lines: Measured.
        loads: Load average of a minute before and after.
    """
    if max(loads) > MOST_LOAD:
        return (
            f"no headline: load {loads[0]:.2f} before and {loads[1]:.2f} after, above {MOST_LOAD}: "
            "others were at work"
        )
    told = [f"{line.name} {shown(line)}" for line in lines if line.name in HEADLINES]
    return "; ".join(told) or "no headline: no ratio was measured"


def versions() -> dict[str, str]:
    """Of the packages the figures depend on."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "missing"
    return found


def new_parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--runs", type=int, help=f"turns of every way (default {Sizes.runs})")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--start", default="shipped", help="model.start of the runs")
    parser.add_argument("--quick", action="store_true", help="few, small turns: does it work?")
    parser.add_argument("--out", type=Path, help="also write the lines as JSON")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    args = new_parser().parse_args(argv)
    quiet_transformers()
    torch.set_num_threads(args.threads)
    sizes = QUICK if args.quick else Sizes()
    sizes = sizes if args.runs is None else replace(sizes, runs=args.runs)
    before = machine(args.threads)
    lines = measure(sizes, tuple(args.parts), args.start)
    after = machine(args.threads)
    loads = before["load_average"][0], after["load_average"][0]
    record: dict[str, Any] = {
        "before": before,
        "after": after,
        "versions": versions(),
        "sizes": asdict(sizes),
        "headline": headline(lines, loads),
        "lines": [asdict(line) for line in lines],
    }
    tell(record, lines)
    if args.out:
        args.out.write_text(json.dumps(record, indent=1) + "\n")


def tell(record: dict[str, Any], lines: list[Line]) -> None:
    """Print what was measured."""
    before, sizes = record["before"], record["sizes"]
    print(
        f"{before['cores']} cores, {before['threads']} threads, medians of {sizes['runs']} turns, "
        f"preset {PRESET}, {sizes['rows']} packed rows of {sizes['length']} tokens a step"
    )
    print(", ".join(f"{name} {value}" for name, value in record["versions"].items()))
    loads = before["load_average"], record["after"]["load_average"]
    print(f"load average {loads[0]} before, {loads[1]} after")
    print(table(lines))
    print(FORMULA)
    print(record["headline"])
