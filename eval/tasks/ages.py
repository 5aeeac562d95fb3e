"""Apparent age: UTKFace and MORPH II in years, FairFace in its nine groups.

Race labels of the sets are a column that figures are sliced by (``group``); nobody is asked them.
"""

from __future__ import annotations

from facellm.readers.row import FaceRow

from ..harness.bands import band_scorer, bands_of, near_accuracy
from ..harness.measures import accuracy, average_recall, mean_error
from ..harness.media import ALIGNED, FIND, Media
from ..harness.sample import FREE, READING, Sample
from ..harness.scorers import age_scorer
from ..harness.task import Data, Task
from . import published
from .rows import PERSON, STARTS, age_band, person, samples_of
from .sets import FAIRFACE, UTKFACE

QUESTION = "How old does this person look? Answer with one number of years."
WHICH_BAND = "How old does this person look, in years?"
BANDS = bands_of(STARTS)  # FairFace's own nine


def years_of(row: FaceRow, face: str) -> Sample | None:
    """A face with its age."""
    if row.age is None:
        return None
    media = (Media.of(row, face),)
    held = {"target": row.age, "columns": person(row), "cluster": row.subject}
    return Sample(row.key, media, QUESTION, **held)


def band_of_row(row: FaceRow) -> Sample | None:
    """A face with its age group."""
    band = age_band(row)
    if band not in BANDS:
        return None
    return Sample(row.key, (Media.of(row, ALIGNED),), WHICH_BAND, BANDS, band, person(row))


def utkface_age() -> Task:
    """UTKFace age."""
    return Task(
        name="utkface_age",
        version=1,
        title="UTKFace: apparent age, mean absolute error",
        data=UTKFACE,
        samples=samples_of("utkface", lambda row: years_of(row, ALIGNED)),
        score=age_scorer(),
        metrics=(mean_error("MAE", "years"),),
        ways=(READING, FREE),
        published=published.UTKFACE,
        columns=PERSON,
        plots=("groups",),
    )


def morph_age() -> Task:
    """MORPH II age."""
    return Task(
        name="morph_age",
        version=1,
        title="MORPH II: age, mean absolute error, split by person",
        data=Data(
            "morph",
            "https://uncw.edu/myuncw/research/innovation-commercialization/technology-portfolio"
            "/morph (by agreement)",
            ("MORPH", "morph"),
            size="55,134 pictures of about 13,600 people",
        ),
        samples=samples_of("morph", lambda row: years_of(row, FIND)),
        score=age_scorer(),
        metrics=(mean_error("MAE", "years"),),
        ways=(READING, FREE),
        published=published.MORPH,
        columns=PERSON,
        plots=("groups",),
    )


def fairface_age() -> Task:
    """FairFace age groups."""
    return Task(
        name="fairface_age",
        version=1,
        title="FairFace: apparent age group, 9 labels",
        data=FAIRFACE,
        samples=samples_of("fairface", band_of_row),
        score=band_scorer(STARTS),
        metrics=(accuracy(), average_recall(), near_accuracy(STARTS)),
        columns=PERSON,
        plots=("confusion", "groups"),
    )
