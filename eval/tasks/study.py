"""RAER: what a student's behaviour shows while studying, five labels of the set's own.

Clips of students, which faculty alone can ask for: nothing is read before ``--agreed raer`` is
said, as the corpus wants it too. What is asked for is behaviour that shows; the words are those of
the set. Published models were chosen by their best epoch on the test clips.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from facellm.readers.emotion_codes import RAER
from facellm.readers.outcome import required
from facellm.readers.row import FaceRow, Rejection

from ..harness.measures import accuracy, average_recall
from ..harness.media import FIND, Media
from ..harness.sample import CLOSED, FREE, Sample
from ..harness.scorers import label_scorer
from ..harness.task import TEST, TRAIN, Data, Task
from ..scoring.lexicon import family
from . import published
from .rows import samples_of

QUESTION = "Which of these does the student's behaviour in this video show?"
LABELS = ("neutrality", "enjoyment", "confusion", "fatigue", "distraction")
NAMED = dict(zip(RAER.values(), LABELS, strict=True))  # our word -> the set's, in its own order


def sample(row: FaceRow) -> Sample | None:
    """A clip and what it shows."""
    label = NAMED.get(row.behaviour or "")
    if label is None:
        return None
    return Sample(row.key, (Media.of(row, FIND),), QUESTION, LABELS, label)


def samples(path: Path, split: str) -> Iterator[Sample | Rejection]:
    """Of ``train.txt`` (``valid`` is a tenth of it) or ``test.txt``."""
    given = TEST if split == TEST else TRAIN
    file = required(path / f"{given}.txt")
    yield from samples_of("raer", sample, split=given, agreed=True)(file, split)


def raer() -> Task:
    """RAER, five labels."""
    return Task(
        name="raer",
        version=1,
        title="RAER: what a student's behaviour shows, 5 labels of a clip with its surroundings",
        data=Data(
            "raer",
            "https://github.com/zgsfer/RAER (e-mail of faculty)",
            ("RAER", "raer"),
            layout="folder with train.txt and test.txt, lines of 'frames-folder number class'",
            size="about 2,700 clips of 140 students",
            agreement="clips of students, which its source gives to faculty alone",
        ),
        samples=samples,
        score=label_scorer(words=family("study")),
        metrics=(accuracy("WAR"), average_recall()),
        ways=(CLOSED, FREE),
        published=published.RAER,
        plots=("confusion", "reliability"),
    )
