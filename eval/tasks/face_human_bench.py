"""Face-Human-Bench: multiple choice about faces and people in pictures; recognition is not asked.

Layout: ``{dev,test}/json/en/TYPE.json``, each ``{"data": [{"type", "QA": {"question", "options",
"answer"}, "image": {"image_paths": {"original", "cropped", "boxed"}}}]}``, with the pictures under
``eval_data/``. ``dev`` is our ``valid``. In the files the right option is always the first: options
are shuffled, by the sample's key. One question is asked once for every version of its picture.

The headline is the authors' own: the mean over versions, then over sub-abilities, then abilities,
then over faces and people, here without the abilities that are not asked (face recognition,
re-identification of people).

Checked on the published repository: names of all files, the fields of two, the table of levels in
the authors' scorer. Not checked: where the pictures lie once they were fetched, so ``eval_data`` is
looked for in the folder itself and in that of the split.

Source: Face-Human-Bench, arXiv 2501.01243; https://github.com/Face-Human-Bench/face-human-bench.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from facellm.atomic import read_json
from facellm.errors import FaceLLMError
from facellm.readers.row import Rejection

from ..harness.media import ALIGNED, FIND, Media
from ..harness.sample import CLOSED, Row, Sample
from ..harness.scorers import label_scorer
from ..harness.task import TEST, TRAIN, Data, Metric, Task
from ..statistics import Floats, Statistic
from .choices import (
    Choice,
    as_published,
    choice_metrics,
    choice_sample,
    first_existing,
    shuffled,
)
from .not_asked import RECOGNITION, not_asked

NAME = "face_human_bench"
# Type of a question -> area, ability, sub-ability, in the authors' levels.
LEVELS = {
    "face_attribute_compound": ("face", "attribute", "compound"),
    "face_age_basic_5": ("face", "age", "5 years"),
    "face_age_basic_10": ("face", "age", "10 years"),
    "face_age_basic_15": ("face", "age", "15 years"),
    "face_expression_basic": ("face", "expression", "basic"),
    "face_expression_compound": ("face", "expression", "compound"),
    "face_attack_digital_expression_swap": ("face", "attack", "digital"),
    "face_attack_digital_identity_swap": ("face", "attack", "digital"),
    "face_attack_physical_paper": ("face", "attack", "physical"),
    "face_attack_physical_replay": ("face", "attack", "physical"),
    "human_attribute_compound": ("human", "human attribute", "compound"),
    "human_attribute_compound_cropped": ("human", "human attribute", "compound"),
    "human_action_basic": ("human", "action", "basic"),
    "human_spatial_relation_count_10": ("human", "spatial relation", "count"),
    "human_spatial_relation_count_100": ("human", "spatial relation", "count"),
    "human_spatial_relation_count_100plus": ("human", "spatial relation", "count"),
    "human_spatial_relation_location": ("human", "spatial relation", "location"),
    "human_social_relation_occupation": ("human", "social relation", "occupation"),
    "human_social_relation_relationship": ("human", "social relation", "relationship"),
}
LEFT_OUT = re.compile("face_recognition|human_reid")
ABILITIES = tuple(dict.fromkeys(ability for _, ability, _ in LEVELS.values()))


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Questions of a split, a sample for every version of their picture."""
    if split == TRAIN:
        return
    place = path / ("test" if split == TEST else "dev")
    files = sorted((place / "json" / "en").glob("*.json"))
    if not files:
        raise FaceLLMError(f"{place}/json/en: holds no file of Face-Human-Bench")
    for file in files:
        record = read_json(file)
        with as_published(str(file), "Face-Human-Bench"):
            rows = list(enumerate(record["data"]))
        for number, row in rows:
            with as_published(f"{file}, item {number}", "Face-Human-Bench"):
                key, versions = f"{file.stem}/{number}", row["image"]["image_paths"]
                found = [question(row, version, key, place) for version in versions]
            yield from found


def question(row: dict[str, Any], version: str, key: str, place: Path) -> Sample | Rejection:
    """One question about one version of its picture."""
    kind, where = row["type"], f"{place.name}/{key}"
    if LEFT_OUT.match(kind):
        return not_asked(NAME, f"{key}/{version}", RECOGNITION, where)
    if kind not in LEVELS:
        told = f"{kind} is none of {', '.join(LEVELS)}"
        return Rejection(NAME, key, "task", "unknown type of question", told, where)
    options = [str(option) for option in row["QA"]["options"]]
    order = shuffled(options, key)  # the same for all versions of the picture
    shown = tuple(options[one] for one in order)
    right = order.index(int(row["QA"]["answer"]))
    file = row["image"]["image_paths"][version]
    picture = first_existing(place / file, place.parent / file)
    face = ALIGNED if version == "cropped" and kind.startswith("face_") else FIND
    area, ability, part = LEVELS[kind]
    columns = {"area": area, "ability": ability, "part": part, "kind": f"{kind}, {version}"}
    told = (row["QA"]["question"], shown, right, (Media(path=picture, face=face),), where)
    return choice_sample(Choice(NAME, f"{key}/{version}", *told, columns, cluster=key))


def mean_over_levels(name: str = "mean over abilities") -> Metric:
    """The authors' score: shares of right answers averaged level by level."""

    def of(rows: Sequence[Row]) -> Statistic:
        levels = ("area", "ability", "part", "kind")
        return level_statistic(
            [float(row.score.value or 0.0) for row in rows],
            [tuple(row.columns[level] for level in levels) for row in rows],
        )

    return Metric(name, of)


def level_statistic(values: Sequence[float], places: Sequence[tuple[str, ...]]) -> Statistic:
    """Weights (B, n) -> (B,): means of the leaves, then of those of one parent, up to the root.

    A leaf that a resample draws no row of is left out of its parent's mean.
    """
    array = np.asarray(values, np.float64)
    members: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for row, place in enumerate(places):
        members[place].append(row)

    def statistic(weights: Floats) -> Floats:
        level = {}
        for place, rows in members.items():
            total = weights[:, rows].sum(1)
            sums = weights[:, rows] @ array[rows]
            level[place] = np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0)
        while () not in level:
            above: dict[tuple[str, ...], list[Floats]] = defaultdict(list)
            for place, found in level.items():
                above[place[:-1]].append(found)
            level = {place: mean_of_known(np.stack(found)) for place, found in above.items()}
        return level[()]

    return statistic


def mean_of_known(columns: Floats) -> Floats:
    """(K, B) -> (B,): mean of what is no NaN; NaN where nothing is."""
    known = np.isfinite(columns)
    sums = np.where(known, columns, 0.0).sum(0)
    return np.divide(sums, known.sum(0), out=np.full_like(sums, np.nan), where=known.any(0))


def face_human_bench() -> Task:
    """Face-Human-Bench."""
    return Task(
        name=NAME,
        version=1,
        title="Face-Human-Bench: multiple choice on faces and people, English",
        data=Data(
            NAME,
            "https://github.com/Face-Human-Bench/face-human-bench, huggingface InQ2025/...",
            (NAME,),
            layout="{dev,test}/json/en/*.json and eval_data/",
            terms="of the sets it is made from, each its own",
            size="1,800 test and 900 dev questions by its paper, 1,500 and 1,500 in its files",
        ),
        samples=samples,
        score=label_scorer(),
        metrics=(mean_over_levels(), *choice_metrics("ability", ABILITIES)),
        ways=(CLOSED,),
        columns=("ability", "kind"),
        plots=("groups",),
    )
