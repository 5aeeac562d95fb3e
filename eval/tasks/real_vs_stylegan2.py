"""FFHQ photographs against StyleGAN2 faces: is the picture generated?

One generator, 256 px, so it says nothing about other forgeries; a linear model on a 12 px thumbnail
reaches AUC .76 on these rows, from content alone.
"""

from __future__ import annotations

from facellm.readers.row import FaceRow
from facellm.reading import Reading

from ..harness.measures import area_under_curve, average_recall, equal_error
from ..harness.media import ALIGNED, Media
from ..harness.sample import Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Task
from ..scoring.lexicon import family
from .rows import samples_of

QUESTION = "Is this picture a real photograph of a face, or is it fake?"
REAL, FAKE = "real", "fake"


def sample(row: FaceRow) -> Sample | None:
    """A picture and whether it is generated."""
    label = FAKE if row.fake else REAL
    return Sample(row.key, (Media.of(row, ALIGNED),), QUESTION, (REAL, FAKE), label)


def shares(reading: Reading) -> dict[str, float]:
    """Probability of both labels."""
    return {REAL: 1 - reading.generated, FAKE: reading.generated}


def real_vs_stylegan2() -> Task:
    """Real or generated."""
    return Task(
        name="real_vs_stylegan2",
        version=1,
        title="FFHQ photographs against StyleGAN2 faces: AUC, balanced accuracy",
        data=Data(
            "real_vs_stylegan2",
            "FFHQ and StyleGAN2 samples of https://github.com/NVlabs, one parquet file",
            ("real_vs_stylegan2.parquet",),
            size="1,442 pictures",
        ),
        samples=samples_of("real_vs_stylegan2", sample),
        score=label_scorer(
            lambda r: {REAL: 1 - r.generated, FAKE: r.generated}, family("authenticity")
        ),
        metrics=(area_under_curve(FAKE), equal_error(FAKE), average_recall("balanced accuracy")),
        plots=("roc", "reliability"),
    )
