"""``facellm eval export``: the tasks as lmms-eval reads them with ``--include_path``."""

from __future__ import annotations

import argparse
from pathlib import Path

from ..tasks import TASKS, task_named
from .eval_parser import add_data_argument, data_paths, new_subverb_parser, whole_number
from .gather import check_agreed, found_data, gather
from .lmms_export import export
from .seal import split_to_use

EXAMPLES = """\
  facellm eval export --tasks ferplus --limit 4 -o lmms/
  facellm eval export -o lmms/ --limit 2
"""
DESCRIPTION = """\
Write tasks for `lmms_eval --include_path FOLDER --tasks facellm_NAME`: definition, functions, and,
where the data are found here, the samples of the validation split (or --split; test needs --final).
"""


def new_export_parser() -> argparse.ArgumentParser:
    """Arguments of the sub-verb."""
    parser = new_subverb_parser("export", DESCRIPTION, EXAMPLES)
    parser.add_argument("--tasks", metavar="T1,T2", help="all without it")
    parser.add_argument("--limit", type=whole_number, metavar="N", help="samples a task")
    parser.add_argument("--split", metavar="SPLIT", help="train, valid (default) or test")
    parser.add_argument("--final", action="store_true", help="open the sealed test split")
    parser.add_argument("-o", "--out", metavar="FOLDER", type=Path, required=True)
    add_data_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the sub-verb."""
    args = new_export_parser().parse_args(argv)
    split = split_to_use(args.split, final=args.final)
    given = data_paths(args.data)
    for name in args.tasks.split(",") if args.tasks else TASKS:
        task = task_named(name.strip())
        if task.judge is not None and not args.tasks:
            print(f"{task.name}: needs a judge, which lmms-eval has none of; not exported")
            continue
        path = found_data(task, given)
        if path:
            check_agreed(task, args.agreed)
        samples = gather(task, path, split, args.limit).samples if path else ()
        count = export(task, samples, split, args.out)
        told = f"{count} samples" if path else f"no samples: data {task.data.source} not found"
        print(f"{task.name}: {told}")
    return 0
