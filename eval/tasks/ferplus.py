"""FER+: the expression of a 48 px grey face, against the votes of ten taggers.

The published denominator drops votes of one and faces without a majority; all other faces still
count for the figures against votes. The reading is held against one tagger drawn at random: against
the majority a perfect model of the votes would look badly calibrated. What one of the taggers and a
fresh panel of them reach is printed too: nobody reaches 1.
"""

from __future__ import annotations

import numpy as np

from facellm.labels import EXPRESSIONS
from facellm.readers.row import FaceRow
from facellm.votes import published_majority

from ..harness.measures import (
    accuracy,
    average_recall,
    drawn_rater_error,
    fresh_panel,
    one_human,
    vote_divergence,
)
from ..harness.media import CROP, Media
from ..harness.sample import Sample
from ..harness.scorers import label_scorer
from ..harness.task import Data, Task
from ..scoring.lexicon import family
from . import published
from .rows import samples_of

QUESTION = "Which expression does this face show?"


def sample(row: FaceRow) -> Sample | None:
    """A face that somebody gave an expression to."""
    assert row.votes is not None
    majority = int(published_majority(np.array([row.votes]))[0])
    votes = dict(zip(EXPRESSIONS, row.votes, strict=False))  # unknown and no-face are left out
    return Sample(
        row.key,
        (Media.of(row, CROP),),
        QUESTION,
        EXPRESSIONS,
        {"label": EXPRESSIONS[majority] if majority >= 0 else None, "votes": votes},
    )


def ferplus() -> Task:
    """FER+, eight expressions."""
    return Task(
        name="ferplus",
        version=1,
        title="FER+: expression of a 48 px face, 8 labels, votes of 10 taggers",
        data=Data(
            "ferplus",
            "https://github.com/microsoft/FERPlus (votes), fer2013.csv of the ICML 2013 challenge",
            ("ferplus.parquet", "ferplus"),
            size="35,710 pictures, 3,573 of them test",
        ),
        samples=samples_of("ferplus", sample),
        score=label_scorer(lambda reading: reading.expression, family("expression")),
        metrics=(
            *(accuracy(), average_recall(), drawn_rater_error(), vote_divergence()),
            *(one_human(), fresh_panel()),
        ),
        published=published.FERPLUS,
        trained_on=("ferplus", "fer2013"),
        floor=True,
        plots=("confusion", "reliability", "risk"),
        temperature=True,
    )
