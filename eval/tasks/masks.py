"""Faces with and without a mask.

Negatives are mostly celebrities of one region, and the size of a picture alone gives an AUC of .71
to .73 on this set: a high figure says less than it seems to.
"""

from __future__ import annotations

from facellm.readers.row import FaceRow
from facellm.reading import Reading

from ..harness.measures import accuracy, area_under_curve, average_recall
from ..harness.media import ALIGNED, Media
from ..harness.sample import Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Task
from ..scoring.free_text import read_yes_no
from .rows import samples_of

QUESTION = "Does the person in this picture wear a face mask?"
YES, NO = "yes", "no"


def sample(row: FaceRow) -> Sample | None:
    """A picture and whether a mask is worn."""
    if row.mask is None:
        return None
    label = YES if row.mask else NO
    return Sample(row.key, (Media.of(row, ALIGNED),), QUESTION, (NO, YES), label)


def shares(reading: Reading) -> dict[str, float]:
    """Probability of both answers."""
    return {NO: 1 - reading.mask, YES: reading.mask}


def face_mask() -> Task:
    """Mask or none."""
    return Task(
        name="face_mask",
        version=1,
        title="Faces with and without a mask: balanced accuracy, AUC (picture size alone gives .7)",
        data=Data(
            "face_mask",
            "a public repository that copies of it do not name",
            ("face_mask.parquet",),
            layout="one parquet file with columns image {bytes, path} and label (with_mask, "
            "without_mask)",
            size="3,380 pictures",
        ),
        samples=samples_of("face_mask", sample),
        score=label_scorer(shares, read_words=lambda text: read_yes_no(text, ["masks?"])),
        metrics=(accuracy(), average_recall("balanced accuracy"), area_under_curve(YES)),
        plots=("confusion", "roc", "reliability"),
    )
