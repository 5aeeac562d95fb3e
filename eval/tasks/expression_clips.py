"""Expressions in clips: DFEW, CREMA-D, MAFW and FERV39k; WAR (accuracy) and UAR.

At most eight evenly spaced frames are shown, and our reading is the mean over them. DFEW and MAFW
are read by their first fold. MAFW's eleven labels are asked by the eight that have a counterpart
among ours, CREMA-D's actors are split by person: such figures stand beside published ones with a
note, not on one line with them.
"""

from __future__ import annotations

from collections.abc import Callable

from facellm.labels import EXPRESSIONS
from facellm.readers.row import FaceRow

from ..harness.measures import accuracy, average_recall
from ..harness.media import ALIGNED, FIND, Media
from ..harness.sample import Sample
from ..harness.task import Data, Published, Task
from . import published
from .expression_pictures import SEVEN, expression_scorer
from .rows import PERSON, person, samples_of

QUESTION = "Which expression does the face in this video show?"
ACTED = tuple(name for name in SEVEN if name != "surprise")
FRAMES = 8  # as the reference system shows


def samples_with(labels: tuple[str, ...], frames: str) -> Callable[[FaceRow], Sample | None]:
    """Row -> sample of one of some expressions.

    Args:
        labels: The set's own, in our order.
        frames: What the frames of a folder are of, see ``Media``; in video files the face is
            looked for.
    """

    def sample(row: FaceRow) -> Sample | None:
        if row.expression not in labels:
            return None
        media = (Media.of(row, frames if row.media == "frames" else FIND),)
        return Sample(row.key, media, QUESTION, labels, row.expression, person(row), row.subject)

    return sample


def clip_task(
    data: Data, title: str, labels: tuple[str, ...], rows: tuple[Published, ...], frames: str
) -> Task:
    """What the four tasks share."""
    people = data.source == "crema_d"  # the one set that tells who acts
    return Task(
        name=data.source,
        version=1,
        title=title,
        data=data,
        samples=samples_of(data.source, samples_with(labels, frames)),
        score=expression_scorer(labels),
        metrics=(accuracy("WAR"), average_recall()),
        published=rows,
        columns=PERSON if people else (),
        frames=FRAMES,
        plots=("confusion", "reliability", *(("groups",) if people else ())),
    )


def dfew() -> Task:
    """DFEW, fold 1 of its single-labelled clips."""
    data = Data(
        "dfew",
        "https://dfew-dataset.github.io (by agreement)",
        ("DFEW", "dfew"),
        size="11,697 single-labelled clips, about 2,340 of them test of fold 1",
    )
    title = "DFEW: expression of a film clip, 7 labels, fold 1"
    return clip_task(data, title, SEVEN, published.DFEW, ALIGNED)


def crema_d() -> Task:
    """CREMA-D, what the actor was asked to show."""
    data = Data(
        "crema_d",
        "https://github.com/CheyneyComputerScience/CREMA-D",
        ("CREMA-D", "crema_d"),
        size="7,442 clips of 91 actors",
    )
    title = "CREMA-D: acted expression of a clip, 6 labels, split by actor"
    return clip_task(data, title, ACTED, published.CREMA_D, FIND)


def mafw() -> Task:
    """MAFW, fold 1, the eight labels with a counterpart."""
    data = Data(
        "mafw",
        "https://mafw-database.github.io/MAFW/ (by agreement)",
        ("MAFW", "mafw"),
        size="9,172 single-labelled clips of 11 labels",
    )
    title = "MAFW: expression of a clip, 8 of its 11 labels, fold 1"
    return clip_task(data, title, EXPRESSIONS, (), FIND)


def ferv39k() -> Task:
    """FERV39k, all scenes."""
    data = Data(
        "ferv39k",
        "https://wangyanckxx.github.io/Proj_CVPR2022_FERV39k.html (by agreement)",
        ("FERV39k", "ferv39k"),
        size="38,935 clips, 7,847 of them test",
    )
    title = "FERV39k: expression of a film clip, 7 labels, all scenes"
    return clip_task(data, title, SEVEN, (), ALIGNED)
