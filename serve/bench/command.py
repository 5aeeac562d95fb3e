"""What serving costs here: ``python -m facellm.serve.bench [--parts guard gateway ...]``.

    guard    the picture guard on a usual photograph, and on the largest that are taken
    gateway  what a request costs beside the engine: one that answers at once stands behind it
    engines  vLLM and the local engine, some requests at once: first token, further tokens, requests
             a second; a second question about the same photograph; readings a second; cold starts

The engines take turns, with the same weights, prompts and lengths; without vLLM there is a line
that says so. Every server is the real command, asked over HTTP.

Example line: ``| 8 at once: vllm over local, requests | 2.10 x | >= 2 x | yes |``.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import torch

from facellm.bench_lines import Line, machine, table

from .engines import engine_lines
from .gateway import gateway_lines
from .guard import guard_lines

PARTS = ("guard", "gateway", "engines")


def new_parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--model", type=Path, help="folder of weights (default: those shipped)")
    parser.add_argument("--runs", type=int, default=3, help="turns of every way (default: 3)")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=PARTS, metavar="PART")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--out", type=Path, help="also write the lines as JSON")
    return parser


def main(argv: list[str] | None = None) -> None:
    """Measure, print, write."""
    args = new_parser().parse_args(argv)
    torch.set_num_threads(args.threads)
    before = machine(args.threads)
    with tempfile.TemporaryDirectory() as folder:
        ways: dict[str, Callable[[], list[Line]]] = {
            "guard": lambda: guard_lines(args.runs),
            "gateway": lambda: gateway_lines(args.model, 10 * args.runs),
            "engines": lambda: engine_lines(args.model, args.runs, Path(folder)),
        }
        lines = [line for part in args.parts for line in ways[part]()]
    after = machine(args.threads)
    print(f"{before['cores']} cores, {args.threads} threads, medians of {args.runs} turns")
    print(f"load average {before['load_average']} before, {after['load_average']} after")
    print(table(lines))
    if args.out:
        record = {"before": before, "after": after, "lines": [asdict(line) for line in lines]}
        args.out.write_text(json.dumps(record, indent=1) + "\n")
