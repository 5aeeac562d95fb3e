"""A task's headline figure by the values of a column (``facellm.eval.metrics.groups``), for JSON.

Example: ``sliced(metric, rows, "group")`` -> one figure a group, the groups that are too small, the
difference and ratio of the largest and the smallest, and whether the gap is more than chance.
``"group & gender"`` crosses columns: a row lies in a group where both are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from facellm.errors import FaceLLMError

from ..metrics.groups import by_group
from .files import estimate_record, metric_record
from .sample import Row, Sample
from .task import Metric

CROSS = "&"


def parts_of(column: str) -> list[str]:
    """The columns of ``"group & gender"``."""
    return [name.strip() for name in column.split(CROSS)]


def crossed(row: Row, names: Sequence[str]) -> Any:
    """A row's value of a column, or of several together; None where one is unknown."""
    values = [row.columns.get(name) for name in names]
    if len(values) == 1:
        return values[0]
    return None if any(value in (None, "") for value in values) else ", ".join(map(str, values))


def check_columns(task: str, columns: Sequence[str], samples: Sequence[Sample]) -> None:
    """Refuse to slice by what no sample has.

    Raises:
        FaceLLMError: Then; the message names the columns there are.
    """
    there = sorted({name for sample in samples for name in sample.columns})
    for column in columns:
        for name in parts_of(column):
            if name not in there:
                held = ", ".join(there) or "none"
                raise FaceLLMError(f"task {task}: no column {name!r} to slice by; it has {held}")


def sliced(metric: Metric, rows: Sequence[Row], column: str) -> dict[str, Any]:
    """A metric by group, JSON-ready."""
    taken = metric.rows(rows)
    found: dict[str, Any] = {"column": column, "metric": metric.name, "groups": []}
    found |= {"too_small": {}, "unknown": 0, "flagged": False, "p_value": None}
    found |= {"difference": None, "ratio": None, "pair": None}
    if not taken:
        return found
    values = [crossed(row, parts_of(column)) for row in taken]
    report = by_group(metric.of(taken), values, metric.drawn(taken))
    for group in report.groups:
        if group.estimate is None:
            found["too_small"][group.name] = group.n
        else:
            record = metric_record(metric, group.estimate)
            found["groups"].append({"group": group.name, **record})
    found |= {"unknown": report.unknown, "flagged": report.flagged, "p_value": report.p_value}
    if report.difference is not None and report.ratio is not None:
        found["difference"] = estimate_record(report.difference)
        found["ratio"] = estimate_record(report.ratio)
    if report.pair is not None:
        gap = estimate_record(report.pair.gap)
        found["pair"] = {"better": report.pair.better, "worse": report.pair.worse, **gap}
    return found
