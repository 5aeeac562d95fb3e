"""``facellm build synth --rig DIR -o OUT``: renders of a face rig with exact labels.

Action units and their intensities, landmarks, pose, gaze, light and skin of every face are known
exactly; a caption says the units in words. Renders are marked as made, family ``rendered_avatar``.
The same command goes on where an earlier one stopped; the number of workers changes nothing in the
result.

Example::

    $ facellm build synth --rig data/ict_facekit -o synth/ --n 2000 --aus "6:0.8,12:0.2-1"
    2,000 renders of 2,000 people in synth (412 s, 206 ms a face); no two with equal labels
    skin (ITA): very light 333, light 333, intermediate 334, tan 334, brown 333, dark 333
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import time
from collections import Counter
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from facellm.cli import Parser
from facellm.errors import FaceLLMError

from .codebook import parse_expressions, parse_units
from .families import families_dict
from .rendering import PART, Studio, Wanted, load_rig
from .skin import ITA_BINS
from .store import Store
from .workers import Maker, make_parts

EXAMPLES = """\
examples:
  facellm build synth --rig data/ict_facekit -o synth/ --n 2000
  facellm build synth --rig data/ict_facekit -o smiles/ --aus "6:0.8,12:0.2-1.0"
  facellm build synth --rig data/ict_facekit -o posed/ --expression all
"""
SMALLEST, LARGEST = 32, 1024  # pixels


def new_synth_parser() -> argparse.ArgumentParser:
    """Arguments of the command."""
    parser = Parser(
        prog="facellm build synth",
        description="Render faces of a rig with exact labels.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--rig", type=Path, required=True, metavar="DIR", help="ICT-FaceKit light")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="OUT", help="folder")
    parser.add_argument("--n", type=int, default=2000, metavar="N", help="faces (default: 2000)")
    parser.add_argument(
        "--size", type=int, default=160, metavar="N", help="pixels a side (default: 160)"
    )
    parser.add_argument("--people", type=int, metavar="N", help="persons (default: one a face)")
    units = parser.add_mutually_exclusive_group()
    units.add_argument(
        "--aus", metavar="LIST", help="units every face shows: 6:0.8,12:0.2-1.0 (AU25 is measured)"
    )
    units.add_argument(
        "--expression", metavar="A,B", help="posed by the FACS codebook, in turn; all is every one"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="(default: 0)")
    parser.add_argument(
        "--workers", type=int, default=os.cpu_count() or 1, metavar="N",
        help="processes (default: one a core)",
    )  # fmt: skip
    parser.add_argument("--quiet", action="store_true", help="nothing on stderr but errors")
    return parser


def main(argv: list[str]) -> int:
    """Run the command; raises ``FaceLLMError`` for input that gives no folder."""
    args = new_synth_parser().parse_args(argv)
    for name, value, bounds in (
        ("--n", args.n, (1, 10_000_000)),
        ("--size", args.size, (SMALLEST, LARGEST)),
        ("--people", args.people or 1, (1, 1_000_000)),
        ("--workers", args.workers, (1, 256)),
        ("--seed", args.seed, (0, 2**31 - 1)),
    ):
        if not bounds[0] <= value <= bounds[1]:
            raise FaceLLMError(f"{name} {value}: must be from {bounds[0]} to {bounds[1]}")
    if args.people == 0:
        raise FaceLLMError("--people 0: must be at least 1")
    wanted = Wanted(
        rig=args.rig,
        n=args.n,
        size=args.size,
        people=args.people or args.n,
        seed=args.seed,
        units=None if args.aus is None else parse_units(args.aus),
        expressions=() if args.expression is None else parse_expressions(args.expression),
    )
    started = time.perf_counter()
    manifest, made = synth(wanted, args.out, args.workers, not args.quiet)
    print(told(manifest, wanted, args.out, (made, time.perf_counter() - started)))
    return 0


def run_of(wanted: Wanted) -> dict[str, Any]:
    """What must be the same for all parts of a folder."""
    rig = load_rig(wanted.rig)
    return {
        "kind": "synth",
        "facellm": version("facellm"),
        "rig_sha256": hashlib.sha256(rig.expression_shapes.tobytes()).hexdigest()[:16],
        "n": wanted.n,
        "size": wanted.size,
        "people": wanted.people,
        "seed": wanted.seed,
        "units": None
        if wanted.units is None
        else {str(unit): list(ends) for unit, ends in wanted.units.items()},
        "expressions": list(wanted.expressions),
    }


def start(wanted: Wanted, out: Path) -> Maker:
    """What makes the parts of a set, in a process of its own."""
    studio = Studio(wanted)
    return partial(studio.make_part, out=out)


def synth(wanted: Wanted, out: Path, workers: int, say: bool = False) -> tuple[dict[str, Any], int]:
    """Render the missing parts of a folder and finish it; the manifest and the faces made now."""
    with Store(out, run_of(wanted), wanted.n_parts) as store:
        missing = store.missing()
        for count, _ in enumerate(make_parts(partial(start, wanted, out), missing, workers), 1):
            if say:
                print(f"{count}/{len(missing)} parts", end="\r", file=sys.stderr)
        report = Report()
        counts = store.join(report.add)
        made = sum(min(PART, wanted.n - part * PART) for part in missing)
        entries = {"counts": counts, "faces": report.to_dict(), "families": families_dict()}
        return store.complete(entries), made


class Report:
    """Skins by bin, people, and how many faces have the labels of another."""

    def __init__(self) -> None:
        self.bins: Counter[str] = Counter()
        self.people: set[str] = set()
        self.labels: Counter[str] = Counter()

    def add(self, record: dict[str, Any]) -> None:
        """Count a face."""
        self.bins[record["skin"]["bin"]] += 1
        self.people.add(record["subject"])
        self.labels[label_digest(record)] += 1

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "skin": {name: self.bins[name] for name in ITA_BINS},
            "people": len(self.people),
            "equal": self.labels.total() - len(self.labels),
        }


def label_digest(record: dict[str, Any]) -> str:
    """A short name of everything exact about a face but who and which number it is."""
    exact = [record[name] for name in ("units", "landmarks", "pose", "gaze", "skin", "look")]
    return hashlib.sha256(repr(exact).encode()).hexdigest()[:24]


def told(manifest: dict[str, Any], wanted: Wanted, out: Path, pace: tuple[int, float]) -> str:
    """The last lines: what was made, how fast, and over which skins."""
    faces = manifest["faces"]
    made, seconds = pace
    took = (
        f"{seconds:.0f} s, {1000 * seconds / made:.0f} ms a face" if made else "nothing was missing"
    )
    equal = (
        f"{faces['equal']} with labels of another" if faces["equal"] else "no two with equal labels"
    )
    skins = ", ".join(f"{name} {count:,}" for name, count in faces["skin"].items())
    return (
        f"{wanted.n:,} renders of {faces['people']:,} people in {out} ({took}); {equal}\n"
        f"skin (ITA): {skins}"
    )
