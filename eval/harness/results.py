"""results.json: every figure of a run with its n and interval, and what it was measured on.

Example (shortened)::

    {"format": 1, "command": "facellm eval run --tasks ferplus", "model": {"name": ..., "digest":
     ..., "training_data": {...}}, "versions": {"facellm": "0.1.0", "torch": ...},
     "tasks": {"ferplus": {"version": 1, "split": "valid", "n": 3532, "seen": "held-out",
       "metrics": [{"name": "accuracy", "value": .81, "low": .8, "high": .82, "n": 3117, ...}],
       "floor": [...], "outcomes": {"answered": 3532}, "published": [...], "groups": [...]}}}

Nothing in it depends on when, where or how fast it was run, or on how often it was interrupted.
"""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

from facellm.atomic import read_json
from facellm.errors import FaceLLMError

from .asking import Model
from .files import FORMAT, metric_record
from .groups import sliced
from .judging import judges_record
from .runner import TaskResult

LIBRARIES = ("facellm", "torch", "transformers", "numpy", "opencv-python-headless", "pillow")


def results_of(model: Model, results: Sequence[TaskResult], command: str) -> dict[str, Any]:
    """The record of a run, JSON-ready."""
    return {
        "format": FORMAT,
        "command": command,
        "model": {
            "name": model.name,
            "digest": model.digest,
            "training_data": model.training_data,
        },
        "versions": {name: version(name) for name in LIBRARIES}
        | {"python": platform.python_version()},
        "tasks": {result.plan.task.name: task_record(result) for result in results},
    }


def task_record(result: TaskResult) -> dict[str, Any]:
    """One task's part of it."""
    plan, task, gathered = result.plan, result.plan.task, result.gathered
    layout, terms = task.data.described()
    floor = result.floor_measured()
    return {
        "title": task.title,
        "version": task.version,
        "split": plan.split,
        "way": result.way,
        "n": len(result.rows),
        "available": gathered.available,
        "limit": plan.limit,
        "seen": result.seen.verdict,
        "seen_because": result.seen.why,
        "data": {
            "source": task.data.source,
            "digest": gathered.digest(),
            "layout": layout,
            "terms": terms,
            "rejected": gathered.rejected,
        },
        "fixed": task.fixed,
        "temperature": result.temperature and result.temperature.record(),
        "metrics": [metric_record(*pair) for pair in result.measured()],
        "floor": None if floor is None else [metric_record(*pair) for pair in floor],
        "outcomes": result.outcomes(),
        "judges": judges_record(result.judges, result.rows) if result.judges else None,
        "published": [asdict(row) for row in task.published],
        "groups": [sliced(task.headline, result.rows, column) for column in plan.columns],
    }


def read_results(path: Any) -> dict[str, Any]:
    """A results.json.

    Raises:
        FaceLLMError: If it is none of this format.
    """
    record = read_json(path)
    if not isinstance(record, dict) or record.get("format") != FORMAT or "tasks" not in record:
        raise FaceLLMError(f"{path}: not a results.json of `facellm eval run`, format {FORMAT}")
    return record


def shown_value(value: float | None, unit: str) -> str:
    """A figure as a person reads it: ``81.8 %``, ``5.21 years``, ``0.893``."""
    if value is None:
        return "-"
    if unit == "%":
        return f"{100 * value:.1f} %"
    return f"{value:.3f}" if not unit else f"{value:.2f} {unit}"


def shown_metric(metric: dict[str, Any]) -> str:
    """``81.8 % [80.4 %, 83.1 %], n 3,153``."""
    value, low, high = (shown_value(metric[k], metric["unit"]) for k in ("value", "low", "high"))
    return f"{value} [{low}, {high}], n {metric['n']:,}"
