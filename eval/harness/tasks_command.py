"""``facellm eval tasks``: what there is to measure, and whether its data is found here."""

from __future__ import annotations

import argparse
import json

from ..tasks import TASKS, task_named
from .eval_parser import add_data_argument, data_paths, new_subverb_parser
from .gather import found_data
from .task import Task

EXAMPLES = """\
  facellm eval tasks
  facellm eval tasks --json
  facellm eval tasks --data utkface=sets/UTKFace
"""
DESCRIPTION = "List every task: its data, how it is asked, its figures, where to get the data."


def new_tasks_parser() -> argparse.ArgumentParser:
    """Arguments of the sub-verb."""
    parser = new_subverb_parser("tasks", DESCRIPTION, EXAMPLES)
    parser.add_argument("--json", action="store_true", help="as JSON")
    add_data_argument(parser)
    return parser


def main(argv: list[str]) -> int:
    """Run the sub-verb."""
    args = new_tasks_parser().parse_args(argv)
    given = data_paths(args.data)
    records = []
    for name in TASKS:
        task = task_named(name)
        path = found_data(task, given)
        records.append(described(task) | {"found": None if path is None else str(path)})
    print(json.dumps(records, indent=1) if args.json else "\n".join(map(told, records)))
    return 0


def described(task: Task) -> dict[str, object]:
    """What there is to say about a task."""
    layout, terms = task.data.described()
    return {
        "name": task.name,
        "version": task.version,
        "title": task.title,
        "asked": list(task.ways),
        "metrics": [metric.name for metric in task.metrics],
        "source": task.data.source,
        "size": task.data.size,
        "layout": layout,
        "terms": terms,
        "where": task.data.where,
    }


def told(record: dict[str, object]) -> str:
    """A task for people."""
    asked, metrics = record["asked"], record["metrics"]
    assert isinstance(asked, list)
    assert isinstance(metrics, list)
    data = f"{record['source']} ({record['size']}): {record['layout']}"
    found = record["found"] or f"not here; get it from {record['where']}"
    return (
        f"{record['name']} (version {record['version']}): {record['title']}\n"
        f"  asked by {', '.join(asked)}; figures: {', '.join(metrics)}\n"
        f"  data {data}; terms: {record['terms']}\n"
        f"  {found}"
    )
