"""Two runs against each other: paired on the same samples where their files are there.

``A.json`` and ``B.json`` are results of ``facellm eval run``; the samples lie beside them. Where
both are there and of the same data, each metric's difference is drawn with the same rows for both,
and right-or-wrong figures get McNemar's exact test. Without them only the two figures stand side by
side: intervals of two figures say little about their difference, so none is made up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

from ..metrics.paired import Comparison, compare_statistics, mcnemar, same_samples
from ..tasks import TASKS
from .files import SAMPLES, estimate_record, read_rows
from .results import read_results, shown_metric, shown_value
from .sample import Row
from .task import Metric, Task

Named = Callable[[str], Task]


def compared(first: Path, second: Path, named: Named | None = None) -> list[dict[str, Any]]:
    """A record for each metric of each task that both runs hold.

    Args:
        first: A results.json.
        second: Another one.
        named: Task by name; the registry without it.

    Raises:
        FaceLLMError: If they hold no task in common, or one in two versions.
    """
    a, b = read_results(first), read_results(second)
    names = [name for name in a["tasks"] if name in b["tasks"]]
    if not names:
        raise FaceLLMError(f"{first} and {second} hold no task in common")
    found = []
    for name in names:
        of_a, of_b = a["tasks"][name], b["tasks"][name]
        for what in ("version", "split"):
            if of_a[what] != of_b[what]:
                raise FaceLLMError(
                    f"task {name}: {what} {of_a[what]} in {first}, {of_b[what]} in {second}"
                )
        files = [path.parent / SAMPLES / f"{name}.parquet" for path in (first, second)]
        same = of_a["data"]["digest"] == of_b["data"]["digest"]
        known = named or (lambda name: TASKS[name]()) if named or name in TASKS else None
        if known and same and all(file.is_file() for file in files):
            pairs = paired(known(name), *(read_rows(file) for file in files))
        else:
            pairs = {}
        found += [side_by_side(name, m, of_b["metrics"], pairs) for m in of_a["metrics"]]
    return found


def side_by_side(
    task: str,
    metric: dict[str, Any],
    others: Sequence[dict[str, Any]],
    pairs: dict[str, Comparison],
) -> dict[str, Any]:
    """One line of the table."""
    other = next((m for m in others if m["name"] == metric["name"]), None)
    found = pairs.get(metric["name"])
    record: dict[str, Any] = {"task": task, "metric": metric["name"], "unit": metric["unit"]}
    record |= {"first": metric, "second": other, "paired": found is not None}
    record |= {"difference": None, "p_value": None, "differs": None}
    if found is not None:
        difference = estimate_record(found.difference)
        record |= {"difference": difference, "p_value": found.p_value, "differs": found.differs}
    return record


def paired(task: Task, first: Sequence[Row], second: Sequence[Row]) -> dict[str, Comparison]:
    """Metric -> comparison on the rows that count for both models.

    Raises:
        FaceLLMError: If the samples are not the same.
    """
    a, b = ({row.id: row for row in rows} for rows in (first, second))
    names = same_samples(a, b)
    found = {}
    for metric in task.metrics:
        counted = [n for n in names if metric.counts(a[n]) and metric.counts(b[n])]
        if counted:
            rows = ([a[name] for name in counted], [b[name] for name in counted])
            found[metric.name] = of_metric(metric, *rows)
    return found


def of_metric(metric: Metric, first: list[Row], second: list[Row]) -> Comparison:
    """First minus second, drawn with the same rows; a test where rows are right or wrong."""
    how = metric.drawn(first)
    both = compare_statistics(metric.of(first), metric.of(second), len(first), how)
    if not metric.share or how.groups is not None:
        return both
    pairs = list(zip(first, second, strict=True))
    won = sum((a.score.value or 0) > (b.score.value or 0) for a, b in pairs)
    lost = sum((a.score.value or 0) < (b.score.value or 0) for a, b in pairs)
    return Comparison(both.first, both.second, both.difference, mcnemar(won, lost), won, lost)


def table(records: Sequence[dict[str, Any]]) -> str:
    """The comparison as a Markdown table."""
    lines = ["| task | figure | first | second | first - second | p |", "|---|---|---|---|---|---|"]
    for record in records:
        second = "-" if record["second"] is None else shown_metric(record["second"])
        gap = record["difference"]
        cells = [record["task"], record["metric"], shown_metric(record["first"]), second]
        cells.append("not paired" if gap is None else shown_gap(gap, record["unit"]))
        cells.append("" if record["p_value"] is None else f"{record['p_value']:.3g}")
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def shown_gap(gap: dict[str, Any], unit: str) -> str:
    """A difference with its interval; a star where that excludes 0."""
    value, low, high = (shown_value(gap[name], unit) for name in ("value", "low", "high"))
    apart = gap["low"] is not None and (gap["low"] > 0 or gap["high"] < 0)
    return f"{value} [{low}, {high}], n {gap['n']:,}{' *' if apart else ''}"
