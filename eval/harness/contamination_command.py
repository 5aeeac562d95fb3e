"""``facellm eval contamination``: does a corpus hold a task's pictures?"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from facellm.folders import default_data

from ..tasks import task_named
from .contamination import Skipped, corpus_prints, overlaps, task_prints
from .eval_parser import add_data_argument, data_paths, new_subverb_parser, whole_number
from .gather import gather, required_data
from .task import SPLITS, TEST

SHOWN = 10  # pairs that are printed
FOUND = 1
EXAMPLES = """\
  facellm eval contamination --task ferplus --corpus faces/ --limit 20
  facellm eval contamination --task ferplus --corpus faces/ --limit 20 --json
"""
DESCRIPTION = """\
Look for pictures of a task's test split (or --split) among those of a corpus, by how they look:
crops, mirrored and re-compressed copies are found. CORPUS is what `facellm build` wrote, or any
folder of pictures or Parquet files. Exit code 1 where some are found.
"""


def new_contamination_parser() -> argparse.ArgumentParser:
    """Arguments of the sub-verb."""
    parser = new_subverb_parser("contamination", DESCRIPTION, EXAMPLES)
    parser.add_argument("--task", metavar="T", required=True, help="see `facellm eval tasks`")
    parser.add_argument("--corpus", metavar="FOLDER", type=Path, required=True)
    parser.add_argument(
        "--pictures", type=Path, help="where pictures lie that it names (default: FACELLM_DATA)"
    )
    parser.add_argument("--split", choices=SPLITS, default=TEST, help="(default: %(default)s)")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="samples of the task")
    parser.add_argument("--json", action="store_true", help="every pair, as JSON")
    add_data_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the sub-verb; 1 where pictures are found in both."""
    args = new_contamination_parser().parse_args(argv)
    task = task_named(args.task)
    path = required_data(task, data_paths(args.data), args.agreed)
    samples = gather(task, path, args.split, args.limit).samples
    skipped = Skipped()
    corpus = corpus_prints(args.corpus, args.pictures or default_data(), skipped)
    shown = task_prints(samples, skipped)
    found = overlaps(corpus, shown) if shown else []
    touched = len({one.sample for one in found})
    if args.json:
        print(json.dumps([asdict(one) for one in found], indent=1))
    else:
        print(
            f"{task.name} {args.split}: {touched:,} of {len(samples):,} samples look like one of "
            f"{len(corpus):,} pictures of {args.corpus}"
        )
        for one in found[:SHOWN]:
            turned = ", mirrored" if one.mirrored else ""
            print(f"  {one.sample} = {one.corpus} ({one.likeness:.3f}{turned})")
        if skipped.count:
            print(f"  {skipped.count:,} pictures could not be looked at, first: {skipped.first}")
    return FOUND if found else 0
