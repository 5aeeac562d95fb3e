"""FaceBench: yes/no and single-choice questions about more than 210 attributes of faces.

Layout: ``test.jsonl`` (``question_id``, ``question_type``, ``image_id``, ``text``, ``options``,
``gt_answer``, ``metadata``: ``image_source``, ``view``, ``attribute_level``) and ``images/``.

``TFQ`` and ``SCQ`` are asked, exactly as multiple choice. ``MCQ`` (several right options) and
``OEQ`` (open, normalised by GPT-4o in the paper) are counted as not scored here. Of the view
``Identity`` only age and gender are asked, as they look.

Checked on the published repository: the example file (ten questions of one picture), the authors'
scorer. Not checked: the questions of the full file, its other views, and where pictures lie: they
are looked for in ``images/`` and beside the file.

Source: FaceBench, arXiv 2503.21457; https://github.com/CVI-SZU/FaceBench.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facellm.readers.outcome import BAD_VALUE, required
from facellm.readers.row import Rejection

from ..harness.media import FIND, Media
from ..harness.sample import CLOSED, Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Published, Task
from .choices import (
    Choice,
    as_published,
    choice_metrics,
    choice_sample,
    first_existing,
    in_split,
)
from .not_asked import IDENTITY, not_asked

NAME = "facebench"
VIEWS = ("appearance", "accessories", "surrounding", "psychology", "identity")
CHOSEN = ("TFQ", "SCQ")
AS_IT_LOOKS = ("age", "gender")  # attributes of the view Identity that are asked


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Questions, in the order of the file."""
    file = path if path.is_file() else required(path / "test.jsonl")
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        where = f"{file}, line {number}"
        with as_published(where, "FaceBench"):
            row = json.loads(line)
            key = f"{row['image_id']}/{row['question_id']}"
            found = question(row, key, file.parent, where) if in_split(split, key) else None
        if found is not None:
            yield found


def question(row: dict[str, Any], key: str, folder: Path, where: str) -> Sample | Rejection:
    """One question."""
    view = str(row.get("metadata", {}).get("view", "")).lower()
    attribute = str(row["question_id"]).rpartition("_q")[0]
    if view == "identity" and attribute not in AS_IT_LOOKS:
        return not_asked(NAME, key, IDENTITY, where)
    kind = row.get("question_type")
    if kind not in CHOSEN:
        return Rejection(NAME, key, "task", f"{kind} questions are not scored", "", where)
    options, right = tuple(row["options"]), row["gt_answer"]
    if right not in options:
        told = f"answer {right!r} is none of {list(options)}"
        return Rejection(NAME, key, "task", BAD_VALUE, told, where)
    picture = first_existing(folder / "images" / row["image_id"], folder / row["image_id"])
    columns = {"view": view, "attribute": attribute, "kind": kind}
    told = (row["text"], options, options.index(right), (Media(path=picture, face=FIND),), where)
    return choice_sample(Choice(NAME, key, *told, columns, cluster=row["image_id"]))


def facebench() -> Task:
    """FaceBench, its closed questions."""
    return Task(
        name=NAME,
        version=1,
        title="FaceBench: yes/no and single choice on attributes of faces",
        data=Data(
            NAME,
            "https://github.com/CVI-SZU/FaceBench, huggingface wxqlab/FaceBench",
            (NAME,),
            layout="test.jsonl and images/",
            terms="CC BY 4.0 by its card; pictures of the sets it is made from",
            size="49,919 questions, the open and several-choice ones among them",
        ),
        samples=samples,
        score=label_scorer(),
        metrics=choice_metrics("view", VIEWS),
        ways=(CLOSED,),
        published=(
            Published(
                "GPT-4o",
                0.6321,
                "accuracy",
                "arXiv 2503.21457",
                "all 49,919 questions of four kinds, answers normalised by GPT-4o",
            ),
        ),
        columns=("view", "kind"),
        plots=("groups",),
    )
