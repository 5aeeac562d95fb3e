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
FEW = 5  # figures of one kind that are named one by one
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
        "agreement": task.data.agreement,
    }


def told(record: dict[str, object]) -> str:
    """A task for people."""
    asked, metrics = record["asked"], record["metrics"]
    assert isinstance(asked, list)
    assert isinstance(metrics, list)
    data = f"{record['source']} ({record['size']}): {record['layout']}"
    found = record["found"] or f"not here; get it from {record['where']}"
    if record["agreement"]:
        found = f"{found}; {record['agreement']}: say --agreed {record['source']}"
    return (
        f"{record['name']} (version {record['version']}): {record['title']}\n"
        f"  asked by {', '.join(asked)}; figures: {', '.join(folded(metrics))}\n"
        f"  data {data}; terms: {record['terms']}\n"
        f"  {found}"
    )


def folded(metrics: list[str]) -> list[str]:
    """Names, many of one kind as one: ``accuracy of Bald ... Young (32)``."""
    kinds = [name.partition(" of ")[0] for name in metrics]
    told: dict[str, str] = {}
    for name, kind in zip(metrics, kinds, strict=True):
        many = kinds.count(kind)
        if " of " in name and many > FEW:
            first = told.get(kind, name).partition(" ... ")[0]
            told[kind] = f"{first} ... {name.partition(' of ')[2]} ({many})"
        else:
            told[name] = name
    return list(told.values())
