"""A run's folder: what is in it, and how it comes back.

    run.json            what was asked for: a resumed run must ask for the same
    answers.sqlite      every answer as it came
    results.json        figures, versions, digests: the same whether the run was cut off or not
    samples/TASK.parquet   one row a sample: target, what was said, outcome, columns
    report.md report.html  the same for people
    timing.json         seconds and pictures a second; not part of the results

Example: ``read_rows(folder / "samples" / "ferplus.parquet")`` -> the rows metrics are taken of.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from facellm.atomic import atomic_file, read_json, told_in_words, write_json
from facellm.errors import FaceLLMError

from ..statistics import Estimate
from .sample import Answer, Row, Score
from .task import Metric

RUN, RESULTS, TIMING, SAMPLES = "run.json", "results.json", "timing.json", "samples"
ANSWERS = "answers.sqlite"
REPORT_MD, REPORT_HTML = "report.md", "report.html"
FORMAT = 1
OWN = (
    *("id", "cluster", "pair", "outcome", "value"),
    *("said", "target", "shares", "way", "text", "detail"),
)


def begin(folder: Path, asked: dict[str, Any], command: str, *, resume: bool) -> str:
    """Make a run's folder, or go on in it; the command the run was begun with.

    Raises:
        FaceLLMError: If it holds a run and ``resume`` is not given, or a run that asked for
            something else; the message names what differs.
    """
    file = folder / RUN
    if not file.is_file():
        with told_in_words(folder):
            folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise FaceLLMError(f"{folder}: holds files, but no run; name another folder")
        write_json(file, {"format": FORMAT, "asked": asked, "command": command})
        return command
    held = read_json(file)
    if not resume:
        raise FaceLLMError(f"{folder}: holds a run already; --resume goes on with it")
    before = held.get("asked", {})
    differing = [name for name in sorted({*asked, *before}) if asked.get(name) != before.get(name)]
    if differing:
        name = differing[0]
        raise FaceLLMError(
            f"{folder}: was begun with {name} {before.get(name)!r}, now it is {asked.get(name)!r}"
        )
    return held["command"]


def estimate_record(found: Estimate) -> dict[str, Any]:
    """A value with its interval and n as JSON; what is not finite is null."""
    return {name: value if math.isfinite(value) else None for name, value in asdict(found).items()}


def metric_record(metric: Metric, found: Estimate) -> dict[str, Any]:
    """A figure as JSON."""
    told = {"unit": metric.unit, "more_is_better": metric.more_is_better}
    return {"name": metric.name, **estimate_record(found), **told}


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """Write rows as Parquet: own columns, then those of the samples as ``column.NAME``."""
    records = [row_record(row) for row in rows]
    names = list(dict.fromkeys(name for record in records for name in record))
    columns = {name: [record.get(name) for record in records] for name in names}
    arrays = {name: pa.array(values, type_of(name, values)) for name, values in columns.items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_file(path) as file:
        pq.write_table(pa.table(arrays), file, compression="zstd")


def type_of(name: str, values: Sequence[Any]) -> pa.DataType:
    """Type of a Parquet column; one of mixed values is text."""
    if name == "value":
        return pa.float64()
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pa.bool_()
    if kinds == {int}:
        return pa.int64()
    return pa.float64() if kinds and kinds <= {int, float} else pa.string()


def row_record(row: Row) -> dict[str, Any]:
    """A row as it is written."""
    score, answer = row.score, row.answer
    own = (row.id, row.cluster, row.pair, score.outcome, score.value)
    told = (as_json(score.said), as_json(row.target), as_json(score.shares))
    words = (answer.way, answer.text or None, answer.detail or None)
    record = dict(zip(OWN, (*own, *told, *words), strict=True))
    return record | {f"column.{name}": value for name, value in row.columns.items()}


def as_json(value: Any) -> str | None:
    """JSON of a value; None stays None."""
    return None if value is None else json.dumps(value, ensure_ascii=False)


def read_rows(path: Path) -> list[Row]:
    """Rows of a file of ``write_rows``; their answers hold the way and the words only.

    Raises:
        FaceLLMError: If it is no such file.
    """
    try:
        records = pq.read_table(path).to_pylist()
        return [row_of(record) for record in records]
    except (OSError, pa.ArrowInvalid, KeyError, ValueError) as error:
        raise FaceLLMError(f"{path}: not a file of scored samples ({error})") from error


def row_of(record: dict[str, Any]) -> Row:
    """Inverse of ``row_record``."""
    said, target, shares = (
        None if record[name] is None else json.loads(record[name])
        for name in ("said", "target", "shares")
    )
    columns = {
        name.removeprefix("column."): value
        for name, value in record.items()
        if name.startswith("column.")
    }
    score = Score(record["outcome"], said, record["value"], shares)
    answer = Answer(record["way"], record["text"] or "", detail=record["detail"] or "")
    held = (record["id"], target, columns, record["cluster"], record["pair"])
    return Row(*held, answer, score)
