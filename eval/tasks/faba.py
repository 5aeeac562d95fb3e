"""FABA-Bench: a face described in free words, scored for what it recognises and how it is told.

Layout: ``eval/eval_emotion_anno.json`` and ``eval/eval_au_anno.json``, lists of ``{"source",
"image", "id", "conversations" or "gpt4", "label", "landmark"}``; ``image`` begins with
``FABAInstruct/``, the name of the folder. The authors' own scorer reads ``label`` (a number or name
of seven emotions; ``1, 4, 25`` of units) and takes the reference text of ``gpt4``; their published
example holds the text as the last turn of ``conversations`` and no label. Both forms are read:
units without a label are those the reference text names (AU12), as their scorer reads answers; an
emotion without a label is a row without one.

Words are read by our lexicon, not by the authors' parser, which takes "angry" for happiness, so
recognition is comparable with their table only where answers use nouns. The question is our own
wording too. Checked: their scorer, the published example. Not checked: the files themselves, which
are given out on request.

Source: EmoLA, arXiv 2404.05052; https://github.com/JackYFL/EmoLA.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from facellm.atomic import read_json
from facellm.errors import FaceLLMError
from facellm.readers.outcome import BAD_LABEL, NO_LABEL, BadRow, existing, required
from facellm.readers.row import Rejection
from facellm.readers.sources import AGREEMENT

from ..harness.media import ALIGNED, Media
from ..harness.sample import ANSWERED, FREE, Answer, Sample, Score
from ..harness.scorers import label_scorer, outcome_of
from ..harness.task import Data, Published, Task
from ..harness.text_measures import rege_metrics
from ..metrics.reasoning import FABA_UNITS
from ..scoring.lexicon import family
from ..scoring.unit_text import read_units
from .choices import as_published, in_split

# In the order of the numbers of the authors' labels.
EMOTIONS = ("happiness", "sadness", "surprise", "anger", "neutral", "disgust", "fear")
EMOTION = "Which emotion does this face show? Describe what in the face shows it."
UNITS = "Which action units (AUs) does this face show? Describe each movement."
FOLDER = "FABAInstruct/"  # what ``image`` begins with, whatever your folder is called
_UNIT = re.compile(r"AU(\d+)")
DATA = Data(
    "faba",
    "https://github.com/JackYFL/EmoLA (FABAInstruct; pictures of AffectNet)",
    ("FABAInstruct", "faba"),
    layout="eval/eval_emotion_anno.json, eval/eval_au_anno.json and eval/images/",
    terms=AGREEMENT,
    size="403 faces with emotions, 325 with action units",
)


def samples(
    file: str, build: Callable[[dict[str, Any], str], dict[str, Any]], path: Path, split: str
) -> Iterator[Sample | Rejection]:
    """Rows of an annotation file."""
    place = required(path / "eval" / file, path / file)
    rows = read_json(place)
    if not isinstance(rows, list):
        raise FaceLLMError(f"{place}: not a list of annotations")
    for number, row in enumerate(rows):
        where = f"{place}, item {number}"
        with as_published(where, "FABA-Bench"):
            key = str(row.get("id") or row["image"])
            ours = in_split(split, key)
            try:
                found = sample(row, key, build, path) if ours else None
            except BadRow as bad:
                found = Rejection("faba", key, "task", bad.reason, bad.detail, where)
        if found is not None:
            yield found


def sample(
    row: dict[str, Any],
    key: str,
    build: Callable[[dict[str, Any], str], dict[str, Any]],
    path: Path,
) -> Sample:
    """One face; ``BadRow`` where it lacks its text, label or picture."""
    text = reference_of(row)
    target = build(row, text) | {"references": [text]}
    file = str(row["image"])
    picture = existing(path / file.removeprefix(FOLDER), path / file, path.parent / file)
    question, options = (UNITS, ()) if "units" in target else (EMOTION, EMOTIONS)
    media = (Media(path=picture, face=ALIGNED),)
    return Sample(key, media, question, options, target, {"source": str(row.get("source", ""))})


def reference_of(row: dict[str, Any]) -> str:
    """The reference description."""
    text = row.get("gpt4")
    if text is None:
        turns = [turn["value"] for turn in row.get("conversations", ()) if turn["from"] == "gpt"]
        text = turns[-1] if turns else ""
    if not text.strip():
        raise BadRow(NO_LABEL, "no reference text")
    return text


def emotion_target(row: dict[str, Any], text: str) -> dict[str, Any]:
    """The emotion, by number or name."""
    label = row.get("label")
    if label is None:
        raise BadRow(NO_LABEL, "no label; the reference text is no label")
    given = str(label).strip().lower()
    name = EMOTIONS[int(given)] if given.isdigit() and int(given) < len(EMOTIONS) else given
    if name not in EMOTIONS:
        raise BadRow(BAD_LABEL, f"{label!r} is none of {', '.join(EMOTIONS)}")
    return {"label": name}


def units_target(row: dict[str, Any], text: str) -> dict[str, Any]:
    """Which of the twelve units that count are active."""
    given = row.get("label")
    found = _UNIT.findall(text) if given is None else re.findall(r"\d+", str(given))
    active = {int(number) for number in found}
    return {"units": {f"AU{unit}": unit in active for unit in FABA_UNITS}}


def score_units(sample: Sample, answer: Answer) -> Score:
    """Units of an answer; the value is the share of the twelve that are said rightly."""
    if answer.failure:
        return Score(answer.failure, None, 0.0)
    parsed = read_units(answer.text)
    if parsed.kind != "label":
        return Score(outcome_of(parsed, answer), None, 0.0)
    truth = sample.target["units"]
    said = [name for name in parsed.labels if name in truth]
    right = sum((name in said) == active for name, active in truth.items())
    return Score(ANSWERED, said, right / len(truth))


def published(emotion: bool) -> tuple[Published, ...]:
    """The authors' figures of their own model, trained on the set."""
    figures = (96.2, 64.5, 31.7) if emotion else (91.5, 56.3, 35.2)
    names, note = ("REGE", "recognition", "generation"), "trained on FABA-Instruct; its own parser"
    source = "README of github.com/JackYFL/EmoLA"
    rows = zip(names, figures, strict=True)
    return tuple(Published("EmoLA-7B", value, name, source, note) for name, value in rows)


def faba_emotion() -> Task:
    """FABA-Bench, emotions."""
    return Task(
        name="faba_emotion",
        version=1,
        title="FABA-Bench: emotion in free words, REGE",
        data=DATA,
        samples=partial(samples, "eval_emotion_anno.json", emotion_target),
        score=label_scorer(words=family("expression")),
        metrics=rege_metrics("label"),
        ways=(FREE,),
        published=published(True),
        trained_on=("faba", "affectnet"),
        plots=("confusion",),
    )


def faba_units() -> Task:
    """FABA-Bench, action units."""
    return Task(
        name="faba_units",
        version=1,
        title="FABA-Bench: action units in free words, REGE",
        data=DATA,
        samples=partial(samples, "eval_au_anno.json", units_target),
        score=score_units,
        metrics=rege_metrics("units"),
        ways=(FREE,),
        published=published(False),
        trained_on=("faba", "affectnet"),
    )
