"""``facellm build forge SOURCE... -o OUT``: forgeries of real faces, with exact masks.

Of every real face it takes, it writes a forgery, its mask and an untouched copy in the same
encoding; records say which family of forgeries the method stands for, which regions of the face to
name, the seed, the rows it was made from and their split. What could not be used stands in
``rejected.jsonl`` with its reason. The same command goes on where an earlier one stopped.

Example::

    $ facellm build forge ferplus=ferplus.parquet -o forged/ --n 2000
    1,962 forgeries and 1,962 real pictures in forged (rejected: no face 38)
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import facellm
from facellm.cli import new_parser
from facellm.errors import FaceLLMError

from .families import families_dict
from .forging import METHODS, PART, Forger, Plan
from .points import Locator
from .sources import Options, Sources, open_sources
from .store import Store

EXAMPLES = """\
  facellm build forge utkface=utkface.parquet -o forged/      a set by its reader
  facellm build forge .cache/default/utkface -o forged/       a prepared set, with its landmarks
  facellm build forge photos/ --people -o forged/             pictures, a folder a person
  facellm build forge clips/ -o forged/ --methods frozen_identity,clip_seam
  facellm build forge shots/ --frames 25 -o forged/           the folder is one clip
"""
LANDMARKS = "landmarks.safetensors"


def new_forge_parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = new_parser("build forge", "Forge real faces, with exact masks.", EXAMPLES)
    parser.add_argument(
        "sources", metavar="SOURCE", nargs="+", help="READER=PATH, a prepared set, pictures, clips"
    )
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="folder")
    parser.add_argument(
        "--n", type=int, default=1000, metavar="N", help="forgeries to try (default: 1000)"
    )
    parser.add_argument(
        "--methods",
        default=",".join(METHODS),
        metavar="A,B",
        help=f"of {', '.join(METHODS)} (default: all)",
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: 0)")
    parser.add_argument(
        "--no-real", action="store_true", help="write no untouched copies beside the forgeries"
    )
    parser.add_argument("--people", action="store_true", help="every sub-folder is one person")
    parser.add_argument(
        "--frames",
        type=float,
        metavar="RATE",
        help="a folder is one clip, RATE a second",
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the command; raises ``FaceLLMError`` for input that gives no folder."""
    args = new_forge_parser().parse_intermixed_args(argv)
    methods = chosen_methods(args.methods)
    if args.n < 1:
        raise FaceLLMError(f"--n {args.n}: must be at least 1")
    weights = (args.model or Path(facellm.__file__).parent / "weights") / LANDMARKS
    if not weights.is_file():
        raise FaceLLMError(f"{weights}: no such file; the landmark network finds the faces")
    sources = open_sources(args.sources, Options(args.frames, args.people))
    plan = Plan(sources.faces, args.n, methods, args.seed, not args.no_real)
    manifest = forge(
        plan, Locator(weights), args.out, run_of(plan, args.sources, weights), not args.quiet
    )
    print(told(manifest, sources, args.out))
    return 0


def chosen_methods(text: str) -> tuple[str, ...]:
    """Names of methods, in the order typed."""
    names = tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))
    for name in names:
        if name not in METHODS:
            raise FaceLLMError(f"--methods: no method {name!r}; legal: {', '.join(METHODS)}")
    if not names:
        raise FaceLLMError(f"--methods {text!r}: names no method; legal: {', '.join(METHODS)}")
    return names


def run_of(plan: Plan, typed: list[str], weights: Path) -> dict[str, Any]:
    """What must be the same for all parts of a folder."""
    keys = "\n".join(f"{face.key} {face.split}" for face in plan.faces)
    return {
        "kind": "forged",
        "facellm": version("facellm"),
        "sources": typed,
        "rows": len(plan.faces),
        "rows_sha256": hashlib.sha256(keys.encode()).hexdigest()[:16],
        "landmarks_sha256": hashlib.sha256(weights.read_bytes()).hexdigest()[:16],
        "n": plan.n,
        "methods": list(plan.methods),
        "seed": plan.seed,
        "real": plan.real,
    }


def forge(
    plan: Plan, locator: Locator, out: Path, run: dict[str, Any], say: bool = False
) -> dict[str, Any]:
    """Make the missing parts of a folder and finish it; the manifest."""
    with Store(out, run, plan.n_parts) as store:
        forger = Forger(plan, locator, out)
        for part in store.missing():
            forger.make_part(part)
            if say:
                print(f"{min((part + 1) * PART, plan.n)}/{plan.n}", end="\r", file=sys.stderr)
        return store.complete({"counts": store.join(), "families": families_dict()})


def told(manifest: dict[str, Any], sources: Sources, out: Path) -> str:
    """The last line: what was made and what was not."""
    counts = manifest["counts"]
    real = counts["by_family"].get("real", 0)
    line = f"{counts['records'] - real:,} forgeries and {real:,} real pictures in {out}"
    lost = {**counts["by_reason"], **{f"left out, {why}": n for why, n in sources.left_out.items()}}
    return line + (f" ({', '.join(f'{why} {n:,}' for why, n in lost.items())})" if lost else "")
