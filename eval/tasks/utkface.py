"""UTKFace: apparent age, mean absolute error in years."""

from __future__ import annotations

from facellm.readers.row import FaceRow

from ..harness.measures import mean_error
from ..harness.media import ALIGNED, Media
from ..harness.sample import FREE, READING, Sample
from ..harness.scorers import age_scorer
from ..harness.task import Data, Published, Task
from .rows import samples_of

QUESTION = "How old does this person look? Answer with one number of years."
BANDS = (3, 10, 20, 30, 40, 50, 60, 70)


def age_band(age: int) -> str:
    """The band of an age: ``20-29``, ``70 and over``."""
    low = max((bound for bound in (0, *BANDS) if bound <= age), default=0)
    higher = [bound for bound in BANDS if bound > age]
    return f"{low}-{higher[0] - 1}" if higher else f"{low} and over"


def sample(row: FaceRow) -> Sample | None:
    """A face with its age."""
    if row.age is None:
        return None
    columns = {"group": row.group, "male": row.male, "age_band": age_band(row.age)}
    return Sample(row.key, (Media.of(row, ALIGNED),), QUESTION, target=row.age, columns=columns)


def utkface_age() -> Task:
    """UTKFace age."""
    table = "arXiv 2504.07198, result tables"
    return Task(
        name="utkface_age",
        version=1,
        title="UTKFace: apparent age, mean absolute error",
        data=Data(
            "utkface",
            "https://susanqq.github.io/UTKFace/",
            ("utkface.parquet", "UTKFace", "utkface"),
            size="about 23,000 pictures",
        ),
        samples=samples_of("utkface", sample),
        score=age_scorer(),
        metrics=(mean_error("MAE", "years"),),
        ways=(READING, FREE),
        published=(
            Published("Face-LLaVA-7B, zero-shot", 4.89, "MAE", table, "another test split"),
            Published("Face-LLaVA-7B, fine-tuned", 4.06, "MAE", table, "another test split"),
            Published("GPT-4o-mini", 5.04, "MAE", table, "another test split"),
            Published("Gemini-1.5-Flash", 6.13, "MAE", table, "another test split"),
        ),
        columns=("group", "male", "age_band"),
        plots=("groups",),
    )
