"""A task's figures by the values of a column; small groups are named and not shown.

Example: ``sliced(metric, rows, "group")`` -> one figure a group, the gap and the ratio.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from .files import metric_record
from .sample import Row
from .task import Metric

LEAST_ROWS = 30  # of a group that is shown


def sliced(metric: Metric, rows: Sequence[Row], column: str) -> dict[str, Any]:
    """A metric by group, JSON-ready."""
    held: dict[str, list[Row]] = defaultdict(list)
    for row in metric.rows(rows):
        if row.columns.get(column) is not None:
            held[str(row.columns[column])].append(row)
    shown = {name: of for name, of in sorted(held.items()) if len(of) >= LEAST_ROWS}
    groups = [{"group": n, **metric_record(metric, metric.measure(of))} for n, of in shown.items()]
    values = [group["value"] for group in groups if group["value"] is not None]
    found: dict[str, Any] = {"column": column, "metric": metric.name, "groups": groups}
    found["too_small"] = {name: len(of) for name, of in sorted(held.items()) if name not in shown}
    found["gap"] = max(values) - min(values) if len(values) > 1 else None
    found["ratio"] = min(values) / max(values) if len(values) > 1 and max(values) > 0 else None
    return found
