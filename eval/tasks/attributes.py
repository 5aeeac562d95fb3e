"""CelebA: yes or no to one attribute of a picture at a time; mean accuracy over the attributes.

Eight of the forty judge taste, body or skin (``facellm.readers.celeba.JUDGEMENTS``); nobody is
asked those here, so the mean is over 32 and published ones, over 40, stand beside it with a note.
Samples come attribute by attribute, so ``--limit`` keeps the attributes even.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facellm.readers import open_set
from facellm.readers.celeba import ATTRIBUTES, JUDGEMENTS
from facellm.readers.row import FaceRow, Rejection

from ..harness.measures import accuracy
from ..harness.media import ALIGNED, Media
from ..harness.part_measures import mean_accuracy, mean_balanced
from ..harness.sample import CLOSED, FREE, Row, Sample
from ..harness.scorers import label_of, label_scorer
from ..harness.task import Data, Metric, Task
from ..scoring.free_text import read_yes_no
from . import published
from .rows import gender

ASKED = tuple(name for name in ATTRIBUTES if name not in JUDGEMENTS)
YES, NO = "yes", "no"
OPTIONS = (YES, NO)
ATTRIBUTE = "attribute"


def question(attribute: str) -> str:
    """``Does "wearing hat" describe the face in this picture?``."""
    words = attribute.replace("_", " ").lower().replace("5 o clock", "5 o'clock")
    return f'Does "{words}" describe the face in this picture?'


def sample(row: FaceRow, attribute: str) -> Sample:
    """One attribute of one picture."""
    known = row.attributes or {}
    columns = {
        ATTRIBUTE: attribute,
        "gender": gender(row.male),
        "age_band": "young" if known["Young"] else "not young",
    }
    return Sample(
        f"{row.key}#{attribute}",
        (Media.of(row, ALIGNED),),
        question(attribute),
        OPTIONS,
        YES if known[attribute] else NO,
        columns,
        cluster=row.subject or row.key,
    )


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """All pictures about the first attribute, then all about the next."""
    rows = []
    for row in open_set("celeba", path):
        if isinstance(row, Rejection):
            yield row
        elif row.split == split:
            rows.append(row)
    for attribute in ASKED:
        yield from (sample(row, attribute) for row in rows)


def accuracy_of(attribute: str) -> Metric:
    """Accuracy of one attribute."""

    def truth(row: Row) -> str | None:
        return label_of(row.target) if row.columns[ATTRIBUTE] == attribute else None

    return accuracy(f"accuracy of {attribute}", truth)


def celeba() -> Task:
    """CelebA, 32 attributes."""
    return Task(
        name="celeba",
        version=1,
        title="CelebA: 32 of its 40 attributes, asked one by one (8 judgements are not asked)",
        data=Data(
            "celeba",
            "https://mmlab.ie.cuhk.edu.hk/projects/CelebA.html",
            ("CelebA", "celeba"),
            size="202,599 pictures, 19,962 of them test; 32 questions each",
        ),
        samples=samples,
        score=label_scorer(read_words=read_yes_no),
        metrics=(
            *(mean_accuracy(ATTRIBUTE), mean_balanced(ATTRIBUTE)),
            *(accuracy_of(attribute) for attribute in ASKED),
        ),
        ways=(CLOSED, FREE),
        published=published.CELEBA,
        columns=("gender", "age_band"),
        plots=("groups",),
    )
