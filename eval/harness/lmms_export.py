"""Tasks as lmms-eval reads them with ``--include_path``: one YAML file and one module a task.

lmms-eval loads data by ``datasets`` and scores by functions of the YAML's folder. So each task
becomes a folder: ``TASK.yaml`` with fields that lmms-eval has and no other, ``utils.py`` whose
functions call this package (which must be installed there), and ``samples.parquet``, written only
where the user's own data lie: pictures stay on the user's disk.

What cannot be carried over is not pretended to be: lmms-eval has no sealed splits and no kept
floor, and prints means without our intervals. Only closed and free questions are exported.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from facellm.atomic import atomic_file, write_text
from facellm.errors import FaceLLMError

from .asking import prompt_of
from .files import as_json
from .sample import CLOSED, FREE, LETTER, Answer, Sample
from .task import Task

PREFIX = "facellm_"  # of the names: lmms-eval has a task called ferplus or not, never ours
LONGEST = {LETTER: 8, FREE: 128}  # tokens of an answer
UTILS = '''"""Functions of the exported task {name}, version {version}; they call facellm."""

from facellm.eval.harness.lmms_export import exported_messages, exported_result, exported_target
from facellm.eval.harness.lmms_export import exported_text, exported_visuals

TASK, WAY = "{name}", "{way}"


def doc_to_visual(doc):
    return exported_visuals(doc)


def doc_to_text(doc, lmms_eval_specific_kwargs=None):
    return exported_text(doc)


def doc_to_messages(doc, lmms_eval_specific_kwargs=None):
    return exported_messages(doc)


def doc_to_target(doc):
    return exported_target(doc)


def process_results(doc, results):
    value = exported_result(TASK, WAY, doc, results[0])
    return {{}} if value is None else {{"{metric}": value}}
'''


def way_of(task: Task) -> str:
    """How the exported task is asked.

    Raises:
        FaceLLMError: If it can be asked by a reading alone, or needs a judge.
    """
    if task.judge is not None:
        raise FaceLLMError(f"task {task.name} needs a judge and is not exported")
    if CLOSED in task.ways:
        return LETTER
    if FREE in task.ways:
        return FREE
    raise FaceLLMError(f"task {task.name} is asked by {task.ways} alone, not exported")


def definition(task: Task, split: str) -> dict[str, Any]:
    """The YAML's fields, all of them lmms-eval's own."""
    way = way_of(task)
    first = task.headline
    return {
        "task": PREFIX + task.name,
        "dataset_path": "parquet",
        "dataset_kwargs": {"data_files": {split: "samples.parquet"}},
        "test_split": split,
        "output_type": "generate_until",
        "doc_to_visual": "!function utils.doc_to_visual",
        "doc_to_text": "!function utils.doc_to_text",
        "doc_to_messages": "!function utils.doc_to_messages",
        "doc_to_target": "!function utils.doc_to_target",
        "process_results": "!function utils.process_results",
        "generation_kwargs": {"max_new_tokens": LONGEST[way], "temperature": 0, "do_sample": False},
        "metric_list": [
            {
                "metric": metric_name(task),
                "aggregation": "mean",
                "higher_is_better": bool(first.more_is_better),
            }
        ],
        "metadata": [{"version": float(task.version)}],
    }


def metric_name(task: Task) -> str:
    """What lmms-eval may call the mean of a task's score values."""
    return "accuracy" if task.headline.more_is_better else "absolute_error"


def export(task: Task, samples: Iterable[Sample], split: str, folder: Path) -> int:
    """Write a task; the number of samples, 0 where none were given.

    Args:
        task: Which.
        samples: Of its split; none writes the definition alone.
        split: Name of it.
        folder: ``folder/TASK`` is written.
    """
    import yaml

    place = folder / (PREFIX + task.name)
    place.mkdir(parents=True, exist_ok=True)
    way = way_of(task)
    fields = definition(task, split)
    fields["dataset_kwargs"]["data_files"][split] = str((place / "samples.parquet").absolute())
    text = yaml.safe_dump(fields, sort_keys=False, allow_unicode=True)
    # A tag, not a text: the dumper would quote it.
    text = text.replace("'!function ", "!function ").replace("_visual'", "_visual")
    for name in ("doc_to_text", "doc_to_messages", "doc_to_target", "process_results"):
        text = text.replace(f"utils.{name}'", f"utils.{name}")
    write_text(place / f"{PREFIX}{task.name}.yaml", text)
    told = {"name": task.name, "version": task.version, "way": way, "metric": metric_name(task)}
    write_text(place / "utils.py", UTILS.format(**told))
    rows = [record(task, sample, way) for sample in samples]
    if rows:
        with atomic_file(place / "samples.parquet") as file:
            pq.write_table(pa.Table.from_pylist(rows), file, compression="zstd")
    return len(rows)


def record(task: Task, sample: Sample, way: str) -> dict[str, Any]:
    """A sample as a row that needs nothing but itself."""
    pictures = [p for medium in sample.media for p in medium.frames(task.frames)]
    return {
        "id": sample.id,
        "images": [png(picture) for picture in pictures],
        "prompt": prompt_of(sample, way),
        "options": list(sample.options),
        "target": as_json(sample.target),
    }


def png(picture: Any) -> bytes:
    """An array as PNG."""
    out = io.BytesIO()
    Image.fromarray(picture).save(out, "PNG")
    return out.getvalue()


def exported_visuals(doc: dict[str, Any]) -> list[Image.Image]:
    """Pictures of a row."""
    return [Image.open(io.BytesIO(data)).convert("RGB") for data in doc["images"]]


def exported_text(doc: dict[str, Any]) -> str:
    """Question of a row."""
    return doc["prompt"]


def exported_messages(doc: dict[str, Any]) -> list[dict[str, Any]]:
    """A row as the chat message of lmms-eval."""
    images = [{"type": "image", "url": picture} for picture in exported_visuals(doc)]
    return [{"role": "user", "content": [*images, {"type": "text", "text": doc["prompt"]}]}]


def exported_target(doc: dict[str, Any]) -> str:
    """What is right, as text."""
    return doc["target"] or ""


def exported_result(name: str, way: str, doc: dict[str, Any], text: str) -> float | None:
    """The value our scorer gives an answer; None where the row does not count."""
    import json

    from ..tasks import task_named

    target = json.loads(doc["target"]) if doc["target"] else None
    sample = Sample(doc["id"], (), doc["prompt"], tuple(doc["options"]), target)
    return task_named(name).score(sample, Answer(way, text)).value
