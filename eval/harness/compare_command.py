"""``facellm eval compare A.json B.json``: what differs between two runs, and whether by chance."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from .compare import compared, table
from .eval_parser import new_subverb_parser

EXAMPLES = """\
  facellm eval compare measured/results.json later/results.json
  facellm eval compare measured/results.json later/results.json --json
"""
DESCRIPTION = """\
Differences between two runs, first minus second, with 95 % intervals; paired on the same samples
where the samples of both lie beside their results. A star: the interval excludes 0.
"""


def new_compare_parser() -> argparse.ArgumentParser:
    """Arguments of the sub-verb."""
    parser = new_subverb_parser("compare", DESCRIPTION, EXAMPLES)
    parser.add_argument("first", metavar="FILE", type=Path, help="results.json of a run")
    parser.add_argument("second", metavar="OTHER", type=Path, help="results.json of another")
    parser.add_argument("--json", action="store_true", help="as JSON")
    return parser


def main(argv: list[str]) -> int:
    """Run the sub-verb."""
    args = new_compare_parser().parse_args(argv)
    records = compared(args.first, args.second)
    print(json.dumps(records, indent=1) if args.json else table(records))
    return 0
