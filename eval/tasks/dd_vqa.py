"""DD-VQA: does a picture, or a part of the face in it, look real or fake, and why?

Layout: ``DQ_FF++/test_set/METHOD/METHOD.json`` (and ``train_set``): ``METHODID_CLIP[_CLIP]`` ->
number -> ``{"question", "answer": [...]}``. The pictures are frames of FaceForensics++ and are not
given out: yours are looked for as ``DQ_FF++/images/ID.png`` or ``.jpg``, or in the method's folder.

The label of a question is what its annotators say in their first sentence ("looks fake"); where
they do not agree there is none, and only the words count. Questions on the whole picture and on its
parts have a figure each; ROUGE-L is against the best of the annotators' texts. ``valid`` is a tenth
of the clips of ``train_set``, by hash.

Checked on the published repository: the README, two of the twelve files. Not checked: the names
under which the authors kept their frames. Their figures are of another protocol (several text
metrics, their own trained models) and are not printed here.

Source: DD-VQA, arXiv 2402.00126; https://github.com/Reality-Defender/Research-DD-VQA.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from facellm.atomic import read_json
from facellm.errors import FaceLLMError
from facellm.labels import split_of
from facellm.readers.outcome import NO_PICTURE, NO_VALUE
from facellm.readers.row import Rejection
from facellm.readers.sources import AGREEMENT

from ..harness.measures import accuracy, average_recall, target_label
from ..harness.media import ALIGNED, Media
from ..harness.sample import CLOSED, FREE, Row, Sample
from ..harness.scorers import label_scorer
from ..harness.task import TEST, TRAIN, VALID, Data, Metric, Task
from ..harness.text_measures import overlap
from ..scoring.lexicon import family
from .choices import as_published

NAME = "dd_vqa"
REAL, FAKE = "real", "fake"
_VERDICT = re.compile(r"\blooks? (real|fake)\b", re.I)
_PART = re.compile(r"person's (\w+)", re.I)


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Questions, a picture after the other."""
    folder = path / "DQ_FF++" if (path / "DQ_FF++").is_dir() else path
    place = folder / ("test_set" if split == TEST else "train_set")
    files = sorted(place.glob("*/*.json"))
    if not files:
        raise FaceLLMError(f"{place}: holds no METHOD/METHOD.json of DD-VQA")
    for file in files:
        record = read_json(file)
        with as_published(str(file), "DD-VQA"):
            clips = list(record.items())
        for clip, questions in clips:
            if split not in (TEST, split_within(clip)):
                continue
            with as_published(f"{file}, {clip}", "DD-VQA"):
                found = [question(file, clip, number, one) for number, one in questions.items()]
            yield from found


def split_within(clip: str) -> str:
    """``valid`` for a tenth of the published training set, by hash; else ``train``."""
    return VALID if split_of(clip) == VALID else TRAIN


def question(file: Path, clip: str, number: str, one: dict[str, Any]) -> Sample | Rejection:
    """One question about one picture."""
    key, where = f"{file.stem}/{clip}/{number}", f"{file}, {clip}, question {number}"
    answers = [text for text in one.get("answer", ()) if text.strip()]
    if not answers:
        return Rejection(NAME, key, "task", NO_VALUE, "no annotator answered", where)
    root = file.parents[2] / "images"
    places = [f / f"{clip}{end}" for f in (root, file.parent) for end in (".png", ".jpg", ".jpeg")]
    picture = next((place for place in places if place.is_file()), None)
    if picture is None:
        return Rejection(NAME, key, "task", NO_PICTURE, f"{places[0]}: no such file", where)
    part = _PART.search(one["question"])
    target = {"label": verdict_of(answers), "references": answers}
    columns = {"method": file.stem, "about": part[1].lower() if part else "whole picture"}
    asked = f"{plain_question(columns['about'])} Say why."
    media = (Media(path=picture, face=ALIGNED),)
    return Sample(key, media, asked, (REAL, FAKE), target, columns, cluster=clip)


def plain_question(about: str) -> str:
    """The question in our words: those of the set are built from a pattern."""
    if about == "whole picture":
        return "Does this picture of a face look real or fake?"
    verb = "Do" if about.endswith("s") else "Does"
    return f"{verb} the {about} of this person look real or fake?"


def verdict_of(answers: Sequence[str]) -> str | None:
    """What all annotators say in their first sentence; None where they differ or do not say."""
    said = [_VERDICT.search(text.split(".")[0]) for text in answers]
    labels = {match[1].lower() if match else None for match in said}
    return labels.pop() if len(labels) == 1 else None


def about_label(row: Row) -> str | None:
    """The label of a question on the whole picture."""
    return target_label(row) if row.columns["about"] == "whole picture" else None


def about_part(row: Row) -> str | None:
    """The label of a question on a part."""
    return None if row.columns["about"] == "whole picture" else target_label(row)


def dd_vqa() -> Task:
    """DD-VQA."""
    measures: tuple[Metric, ...] = (
        average_recall("balanced accuracy, whole picture", about_label),
        accuracy("accuracy, whole picture", about_label),
        accuracy("accuracy, parts of the face", about_part),
        overlap(),
    )
    return Task(
        name=NAME,
        version=1,
        title="DD-VQA: real or fake, and why, of frames of FaceForensics++",
        data=Data(
            NAME,
            "https://github.com/Reality-Defender/Research-DD-VQA; frames: FaceForensics++",
            (NAME, "DQ_FF++"),
            layout="DQ_FF++/{train_set,test_set}/METHOD/METHOD.json and DQ_FF++/images/ID.png",
            terms=f"pictures {AGREEMENT}",
            size="14,782 questions",
        ),
        samples=samples,
        score=label_scorer(words=family("authenticity")),
        metrics=measures,
        ways=(FREE, CLOSED),
        trained_on=(NAME, "faceforensics"),
        columns=("method", "about"),
        plots=("groups",),
    )
