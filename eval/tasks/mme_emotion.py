"""MME-Emotion: which emotion, sentiment or intent does a clip show, and why?

Layout: ``TASK/question/TASK.json`` for eight tasks, a list of ``{"video_id", "label",
"label_set"}``; clips as ``TASK/VIDEO_ID`` or ``VIDEO_ID`` under the folder. A label of several
(``anger,disgust``) is right where all are said and no other.

One question, answered in free words: the label is read out of them, the reasons are rated by judges
against the label. ``IR``, the intent of a speaker, needs the words of a conversation that frames do
not hold; it is asked all the same, and stands in its own row of the table.

Checked on the published repository: the names of all eight files, the fields and first rows of
three. Not checked: the other five files, where the clips lie. The authors' recognition score is
made by a judge; ours is read by words, so their best figure is beside it with that note.

Source: MME-Emotion; https://github.com/FunAudioLLM/MME-Emotion.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from facellm.atomic import read_json
from facellm.errors import FaceLLMError
from facellm.readers.outcome import BAD_LABEL, NO_PICTURE
from facellm.readers.row import Rejection

from ..harness.judging import judged_accuracy, judged_scorer, rated_against, rated_axes
from ..harness.media import FIND, Media
from ..harness.sample import ANSWERED, FREE, Answer, Sample, Score
from ..harness.scorers import outcome_of, own_words
from ..harness.task import Data, Published, Task
from ..scoring.answer_text import answer_part
from ..scoring.claims import claims_of
from ..scoring.free_text import read_label
from .choices import as_published, first_existing, in_split

NAME = "mme_emotion"
JOINT = "+"  # joins labels of a clip that has several


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Clips of all tasks."""
    files = sorted(path.glob("*/question/*.json"))
    if not files:
        raise FaceLLMError(f"{path}: holds no TASK/question/TASK.json of MME-Emotion")
    for file in files:
        rows = read_json(file)
        if not isinstance(rows, list):
            raise FaceLLMError(f"{file}: not a list of questions")
        for number, row in enumerate(rows):
            where = f"{file}, item {number}"
            with as_published(where, "MME-Emotion"):
                key = f"{file.parents[1].name}/{row['video_id']}"
                found = sample(row, key, file.parents[1], where) if in_split(split, key) else None
            if found is not None:
                yield found


def sample(row: dict[str, Any], key: str, folder: Path, where: str) -> Sample | Rejection:
    """One clip; ``folder`` is that of its task."""
    labels = tuple(str(label).strip().lower() for label in row["label_set"])
    right = sorted(one.strip().lower() for one in re.split(",", str(row["label"])) if one.strip())
    if not right or not set(right) <= set(labels):
        told = f"{row['label']!r} is not of {', '.join(labels)}"
        return Rejection(NAME, key, "task", BAD_LABEL, told, where)
    clip = first_existing(folder / row["video_id"], folder.parent / row["video_id"])
    if not clip.is_file():
        return Rejection(NAME, key, "task", NO_PICTURE, f"{clip}: no such file", where)
    several = "Which of these does" if len(right) == 1 else "Which of these (one or more) does"
    asked = f"{several} the person in this clip show: {', '.join(labels)}? Say why."
    media, columns = (Media(path=clip, kind="clip", face=FIND),), {"part": folder.name}
    return Sample(key, media, asked, labels, {"label": JOINT.join(right)}, columns)


def score(sample: Sample, answer: Answer) -> Score:
    """One label, or all labels claimed where the clip has several."""
    if answer.failure:
        return Score(answer.failure, None, 0.0)
    words = own_words(sample.options)
    parsed = read_label(answer.text, words, sample.options)
    said = parsed.label
    if JOINT in sample.target["label"] and parsed.kind in ("label", "several"):
        claims = claims_of(answer_part(answer.text), words)
        said = JOINT.join(sorted({label for claim in claims for label in claim.labels}))
    if said is None:
        return Score(outcome_of(parsed, answer), None, 0.0)
    return Score(ANSWERED, said, float(said == sample.target["label"]))


def reference(sample: Sample) -> str:
    """What a judge holds the answer against."""
    return f"The person shows {sample.target['label'].replace(JOINT, ' and ')}."


def mme_emotion() -> Task:
    """MME-Emotion."""
    note = "recognition rated by a judge, with sound and words"
    return Task(
        name=NAME,
        version=1,
        title="MME-Emotion: emotion, sentiment or intent of a clip, and why; rated by judges",
        data=Data(
            NAME,
            "https://github.com/FunAudioLLM/MME-Emotion; clips of the sets it names",
            (NAME, "MME-Emotion-Dataset"),
            layout="TASK/question/TASK.json and the clips",
            terms="of the sets the clips are of, each its own",
            size="6,500 clips",
        ),
        samples=samples,
        score=judged_scorer(score),
        metrics=(judged_accuracy(), *rated_axes()),
        ways=(FREE,),
        published=(
            Published("best of its table", 0.393, "accuracy", "MME-Emotion, result table", note),
        ),
        columns=("part",),
        judge=rated_against(reference),
        plots=("groups",),
    )
