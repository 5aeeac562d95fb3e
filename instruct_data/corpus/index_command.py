"""``facellm build index CONFIG -o corpus/ --shard i/n``: fingerprints before a build in parts."""

from __future__ import annotations

import argparse
import sys

from .build_parser import add_job_arguments, job_of, new_subverb_parser

EXAMPLES = """\
  facellm build index corpus.yaml -o corpus-in-parts/ --shard 1/2
  facellm build index corpus.yaml -o corpus-in-parts/ --shard 2/2
"""


def new_index_parser() -> argparse.ArgumentParser:
    """Arguments of the verb."""
    words = "Take the fingerprints that find near duplicates, where several processes build."
    parser = new_subverb_parser("index", words, EXAMPLES)
    add_job_arguments(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the verb."""
    args = new_index_parser().parse_intermixed_args(argv)
    job = job_of(args)
    from .build import in_processes
    from .index import make_index

    in_processes(make_index, job.split(args.workers))
    if not args.quiet:
        print(f"fingerprints: {job.out}", file=sys.stderr)
    return 0
