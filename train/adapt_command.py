"""``facellm adapt CSV -o FOLDER``: a user's own labelled faces in, an adapter and its report out.

Example::

    $ facellm adapt hair.csv -o adapter/
    hair: helps: accuracy over the base rate is beyond the base rate, interval and all
    adapter/report.md
    $ facellm read photos/ --adapter adapter/ -o faces.csv
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from facellm.cli import check_model_folder, load_assistant, new_parser
from facellm.engine_names import TORCH
from facellm.errors import FaceLLMError
from facellm.folders import default_cache

DESCRIPTION = """\
Teach labels of your own, or correct our readings, with 100 to 1,000 labelled
faces. CSV has a column image (paths from its own folder), and label columns:
expression, age, gender, AU12 ..., mask, mouth_open, eyes_closed and generated
correct our readings, every other column is a label set of your own. Columns
face, box, subject and split are optional. What no face shows (who somebody is,
their origin, traits, health, honesty) is refused."""
EXAMPLES = """\
  facellm adapt hair.csv -o adapter/           every label column
  facellm adapt hair.csv -o adapter/ --label hair --seed 1
  facellm adapt hair.csv -o adapter/ --crops   the pictures already are face crops
"""
REPORT = "report.md"


def new_adapt_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_parser("adapt", DESCRIPTION, EXAMPLES)
    parser.add_argument("table", type=Path, metavar="CSV", help="a line a face, with a heading")
    parser.add_argument(
        "-o",
        "--out",
        type=Path,
        required=True,
        metavar="FOLDER",
        help="an adapter there is replaced",
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        dest="labels",
        metavar="COLUMN",
        help="a label column to take, several times (default: all)",
    )
    parser.add_argument(
        "--crops", action="store_true", help="every picture is one face crop: no detection"
    )
    parser.add_argument("--seed", type=int, default=0, help="of all that is drawn (default: 0)")
    return parser


def main(argv: list[str]) -> int:
    """Run the verb; raises ``FaceLLMError`` for faces that cannot be learned from."""
    args = new_adapt_parser().parse_intermixed_args(argv)
    check_out(args.out)
    check_model_folder(args.model)
    if args.seed < 0:
        raise FaceLLMError(f"--seed {args.seed}: must be at least 0")
    from .adaptation.table import read_table

    table = read_table(args.table, args.labels)
    assistant = load_assistant(args.model, TORCH)
    from .adaptation.adapt import AdaptRun, adapt

    def tell(line: str) -> None:
        if not args.quiet:
            print(line, file=sys.stderr)

    cache = default_cache() if "FACELLM_CACHE" in os.environ or default_cache().is_dir() else None
    run = AdaptRun(table, args.out.resolve(), args.crops, args.seed, cache, args.quiet, tell)
    report = adapt(assistant, run)
    for where, reason in table.problems:
        tell(f"left out: {where}: {reason}")
    for name, record in report["labels"].items():
        tell(f"{name}: {record['verdict']}")
    if not args.quiet:
        print(args.out / REPORT)
    return 0


def check_out(path: Path) -> None:
    """Refuse a folder that could not be written, or that holds something else than an adapter."""
    from facellm.adapter_labels import LABELS

    if path.exists() and not path.is_dir():
        raise FaceLLMError(f"{path}: is a file; an adapter is a folder")
    if path.is_dir() and any(path.iterdir()) and not (path / LABELS).is_file():
        raise FaceLLMError(f"{path}: holds other files than an adapter; give a new folder")
    if not path.resolve().parent.is_dir():
        raise FaceLLMError(f"{path}: the folder {path.resolve().parent} does not exist")
