"""Apparent gender: UTKFace and FairFace, the two labels these sets have."""

from __future__ import annotations

from facellm.readers.row import FaceRow

from ..harness.measures import accuracy, average_recall
from ..harness.media import ALIGNED, Media
from ..harness.sample import Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Task
from ..scoring.lexicon import family
from .rows import PERSON, gender, person, samples_of
from .sets import FAIRFACE, UTKFACE

QUESTION = "Does the person in this picture appear female or male?"
LABELS = ("female", "male")


def sample(row: FaceRow) -> Sample | None:
    """A face with its apparent gender."""
    if row.male is None:
        return None
    media = (Media.of(row, ALIGNED),)
    return Sample(row.key, media, QUESTION, LABELS, gender(row.male), person(row))


def gender_task(data: Data, title: str) -> Task:
    """What both tasks share."""
    return Task(
        name=f"{data.source}_gender",
        version=1,
        title=title,
        data=data,
        samples=samples_of(data.source, sample),
        score=label_scorer(lambda reading: reading.gender, family("gender")),
        metrics=(accuracy(), average_recall("balanced accuracy")),
        columns=PERSON,
        plots=("confusion", "reliability", "groups"),
    )


def utkface_gender() -> Task:
    """UTKFace gender."""
    return gender_task(UTKFACE, "UTKFace: apparent gender, 2 labels")


def fairface_gender() -> Task:
    """FairFace gender."""
    return gender_task(FAIRFACE, "FairFace: apparent gender, 2 labels")
