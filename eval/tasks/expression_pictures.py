"""Expressions on pictures: RAF-DB, FER2013 and AffectNet, one label each by their annotators.

The protocol of each is its own: RAF-DB's official test part (3,068 pictures), FER2013's PrivateTest
(PublicTest is ``valid``), AffectNet's published validation pictures, which are the benchmark since
its test part was not released (``test`` here; a tenth of training is ``valid``).
"""

from __future__ import annotations

from collections.abc import Callable

from facellm.labels import EXPRESSIONS
from facellm.readers.row import FaceRow

from ..harness.measures import accuracy, average_recall
from ..harness.media import ALIGNED, CROP, FIND, Media
from ..harness.sample import Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Scorer, Task
from ..scoring.lexicon import family
from . import published
from .rows import PERSON, among, person, samples_of

QUESTION = "Which expression does this face show?"
SEVEN = tuple(name for name in EXPRESSIONS if name != "contempt")
PLOTS = ("confusion", "reliability", "risk")


def samples_with(labels: tuple[str, ...], face: str) -> Callable[[FaceRow], Sample | None]:
    """Row -> sample of one of some expressions.

    Args:
        labels: The set's own, in our order.
        face: What its pictures are of, see ``Media``; a row that gives a face rectangle is a
            picture of more than that, and the face is looked for.
    """

    def sample(row: FaceRow) -> Sample | None:
        if row.expression not in labels:
            return None
        media = (Media.of(row, FIND if row.box is not None else face),)
        return Sample(row.key, media, QUESTION, labels, row.expression, person(row), row.subject)

    return sample


def expression_scorer(labels: tuple[str, ...]) -> Scorer:
    """Scorer of expressions; a reading's shares are those given that it is one of the labels."""
    return label_scorer(lambda r: among(r.expression, labels), family("expression"))


def rafdb() -> Task:
    """RAF-DB basic, seven expressions."""
    return Task(
        name="rafdb",
        version=1,
        title="RAF-DB basic: expression of a picture, 7 labels",
        data=Data(
            "rafdb",
            "http://www.whdeld.cn/RAF/model1.html (request by faculty)",
            ("RAF-DB", "rafdb"),
            size="15,339 pictures, 3,068 of them test",
        ),
        samples=samples_of("rafdb", samples_with(SEVEN, ALIGNED)),
        score=expression_scorer(SEVEN),
        metrics=(accuracy(), average_recall()),
        published=published.RAF_DB,
        columns=PERSON,
        floor=True,
        plots=(*PLOTS, "groups"),
    )


def fer2013() -> Task:
    """FER2013 by its own labels."""
    return Task(
        name="fer2013",
        version=1,
        title="FER2013: expression of a 48 px face, 7 labels of the challenge",
        data=Data(
            "fer2013",
            "https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression"
            "-recognition-challenge (fer2013.csv)",
            ("fer2013.csv", "fer2013", "ferplus"),
            size="35,887 pictures, 3,589 of them PrivateTest (test)",
        ),
        samples=samples_of("fer2013", samples_with(SEVEN, CROP)),
        score=expression_scorer(SEVEN),
        metrics=(accuracy(), average_recall()),
        published=published.FER2013,
        trained_on=("fer2013", "ferplus"),
        floor=True,
        plots=PLOTS,
    )


def affectnet() -> Task:
    """AffectNet, eight expressions."""
    return Task(
        name="affectnet",
        version=1,
        title="AffectNet: expression of a picture, 8 labels of one annotator each",
        data=Data(
            "affectnet",
            "http://mohammadmahoor.com/affectnet/ (by agreement)",
            ("AffectNet", "affectnet"),
            size="about 290,000 pictures, 4,000 of them the published validation (test here)",
        ),
        samples=samples_of("affectnet", samples_with(EXPRESSIONS, ALIGNED)),
        score=expression_scorer(EXPRESSIONS),
        metrics=(accuracy(), average_recall()),
        published=published.AFFECTNET,
        floor=True,
        plots=PLOTS,
    )
