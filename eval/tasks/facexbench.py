"""FaceXBench: 5,000 questions of four options about one or several pictures, in six categories.

Layout: ``benchmark/*.json`` (one file a part: ``category``, ``sub-category``, ``context``,
``questions`` -> number -> ``image_paths``, ``question_text``, ``options``, ``answer``,
``correct_answer_option``) and ``benchmark/images/PART/question_N_K.png``.

Checked on the published repository: the fields of three of the 48 files, the names of categories,
that options are sometimes numbers, that the software questions show a black picture. Not checked:
the other files. Race, face recognition and naming celebrities are not asked of anybody.

Source: FaceXBench, arXiv 2501.10360; https://github.com/Kartik-3004/facexbench.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facellm.atomic import read_json
from facellm.errors import FaceLLMError
from facellm.readers.row import Rejection

from ..harness.media import Media
from ..harness.sample import CLOSED, Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Published, Task
from .choices import Choice, as_published, choice_metrics, choice_sample, in_split
from .not_asked import IDENTITY, RACE, RECOGNITION, not_asked

NAME = "facexbench"
TOOLS = "tools_use"
ASKED = ("bias_fairness", "attributes_expression", "face_localization", "fas_deepfakes", TOOLS)
LEFT_OUT = {
    "race": RACE,
    "hr_fr": RECOGNITION,
    "lr_fr": RECOGNITION,
    "celebrity_identification": IDENTITY,
}


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Questions of all parts, in the order of their files' names."""
    folder = path / "benchmark" if (path / "benchmark").is_dir() else path
    files = sorted(folder.glob("*.json"))
    if not files:
        raise FaceLLMError(f"{folder}: holds no part of FaceXBench (benchmark/*.json)")
    for file in files:
        part = read_json(file)
        for number, one in questions_of(part, file):
            key = f"{file.stem}/{number}"
            if in_split(split, key):
                with as_published(f"{file}, question {number}", "FaceXBench"):
                    found = question(part, one, key, folder)
                yield found


def questions_of(part: Any, file: Path) -> list[tuple[str, dict[str, Any]]]:
    """(number, question) of a part; ``FaceLLMError`` where it is none."""
    try:
        return list(part["questions"].items())
    except (TypeError, KeyError, AttributeError):
        raise FaceLLMError(f"{file}: no part of FaceXBench (an object with questions)") from None


def question(
    part: dict[str, Any], one: dict[str, Any], key: str, folder: Path
) -> Sample | Rejection:
    """One question."""
    where = f"{folder / key.partition('/')[0]}.json, question {key.rpartition('/')[2]}"
    category, kind = part.get("category", ""), part.get("sub-category", "")
    if kind in LEFT_OUT or category == "face_recognition":
        return not_asked(NAME, key, LEFT_OUT.get(kind, RECOGNITION), where)
    options = tuple(str(option) for option in one.get("options", ()))
    right = "ABCDEFGH".find(str(one.get("correct_answer_option") or "?"))
    told = str(one.get("question_text", ""))
    told = f"{part.get('context', '')}\n{told}" if category == TOOLS else told
    pictures = tuple(Media(path=folder / place) for place in one.get("image_paths", ()))
    columns = {"category": category, "kind": kind, "images": str(part.get("num_images", ""))}
    return choice_sample(
        Choice(NAME, key, told, options, right, pictures, where, columns, category != TOOLS)
    )


def facexbench() -> Task:
    """FaceXBench."""
    source, whole = "FaceXBench, result table", "over all 5,000 questions, race and recognition too"
    return Task(
        name=NAME,
        version=1,
        title="FaceXBench: four options, one or several pictures, accuracy",
        data=Data(
            NAME,
            "https://github.com/Kartik-3004/facexbench",
            (NAME,),
            layout="benchmark/*.json and benchmark/images/",
            terms="of 25 sets it is made from, each its own; ask its authors",
            size="5,000 questions about 10,441 pictures",
        ),
        samples=samples,
        score=label_scorer(),
        metrics=choice_metrics("category", ASKED),
        ways=(CLOSED,),
        published=(
            Published("guessing", 0.2510, "accuracy", source, whole),
            Published("people", 0.7028, "accuracy", source, whole),
            Published("FaceLLM-38B", 0.6052, "accuracy", source, whole),
            Published("GPT-4o", 0.5050, "accuracy", source, whole),
            Published("LLaVA-1.5-7B", 0.3622, "accuracy", source, whole),
            Published("FaceLLM-8B", 0.3438, "accuracy, fas_deepfakes", source),
            Published("FaceLLM-38B", 0.3797, "accuracy, fas_deepfakes", source),
            Published("FaceLLM-8B", 0.6325, "accuracy, attributes_expression", source),
            Published("FaceLLM-38B", 0.6512, "accuracy, attributes_expression", source),
            Published("FaceLLM-8B", 0.4818, "accuracy, face_localization", source),
            Published("FaceLLM-38B", 0.5373, "accuracy, face_localization", source),
            Published("FaceLLM-8B", 0.52, "accuracy, tools_use", source),
            Published("FaceLLM-38B", 0.48, "accuracy, tools_use", source),
        ),
        columns=("category", "kind", "images"),
        plots=("groups",),
    )
