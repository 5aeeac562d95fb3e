"""``facellm build import FILE --format llava -o corpus/``: another layout as a corpus."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from .build_parser import new_subverb_parser
from .export_command import NAMES

EXAMPLES = """\
  facellm build import llava/ --format llava -o again/
  facellm build import trl/train.parquet --format trl -o again-trl/
  facellm build import factory/ --format llamafactory -o again-factory/
"""


def new_import_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    parser = new_subverb_parser("import", "Turn another layout into a corpus.", EXAMPLES)
    parser.add_argument("path", metavar="PATH", type=Path, help="a file, or a folder of them")
    parser.add_argument("--format", choices=NAMES, required=True, help=", ".join(NAMES))
    parser.add_argument(
        "-o", "--out", metavar="FOLDER", type=Path, required=True, help="a new or empty folder"
    )
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_import_parser().parse_intermixed_args(argv)
    from .importing import import_records

    counts = import_records(args.path, args.format, args.out)
    if not args.quiet:
        print(f"{counts['records']} records, {counts['turns']} questions", file=sys.stderr)
    return 0
