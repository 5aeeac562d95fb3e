"""Action units frame by frame: DISFA and BP4D, F1 of each unit and their mean.

DISFA: the eight units of the common protocol, shown from intensity 2 of 5 on. BP4D: eleven of its
twelve; 23 has no readout and its reader leaves it out. Both are split by person (a tenth is
``test``), where published figures average three folds. The threshold from which on a unit of a
reading is called is fixed before any row is looked at and printed with the figures.
"""

from __future__ import annotations

from collections.abc import Callable

from facellm.readers.row import FaceRow

from ..harness.media import FIND, Media
from ..harness.sample import FREE, READING, Sample
from ..harness.task import Data, Published, Task
from ..harness.unit_measures import THRESHOLD, mean_balanced, mean_f1, unit_f1, unit_scorer
from . import published
from .rows import gender, samples_of

QUESTION = (
    "Which facial action units (FACS) does this face show? Answer with their numbers, as AU1, AU2."
)
DISFA_UNITS = (1, 2, 4, 6, 9, 12, 25, 26)
BP4D_UNITS = (1, 2, 4, 6, 7, 10, 12, 14, 15, 17, 24)
DISFA_SHOWN = 2 / 5  # intensities of 0..5 come as 0..1
GENDERS = {"F": False, "M": True}  # how BP4D names a person: F001, M012


def names_of(units: tuple[int, ...]) -> tuple[str, ...]:
    """``AU1``, ``AU2`` ..."""
    return tuple(f"AU{unit}" for unit in units)


def samples_with(units: tuple[int, ...], shown: float) -> Callable[[FaceRow], Sample | None]:
    """Row -> sample of some units.

    Args:
        units: Those asked for; a unit that was not coded is left out.
        shown: Intensity in [0, 1] from which on a unit is there.
    """

    def sample(row: FaceRow) -> Sample | None:
        coded = row.units or {}
        target = {f"AU{unit}": coded[unit] >= shown - 1e-9 for unit in units if unit in coded}
        if not target:
            return None
        male = GENDERS.get((row.subject or "")[:1])
        columns = {"gender": gender(male)} if row.source == "bp4d" else {}
        media = (Media.of(row, FIND),)
        held = {"target": target, "columns": columns, "cluster": row.subject}
        return Sample(row.key, media, QUESTION, **held)

    return sample


def unit_task(
    data: Data, title: str, units: tuple[int, ...], shown: float, rows: tuple[Published, ...]
) -> Task:
    """What both tasks share."""
    names = names_of(units)
    return Task(
        name=data.source,
        version=1,
        title=title,
        data=data,
        samples=samples_of(data.source, samples_with(units, shown)),
        score=unit_scorer(names),
        metrics=(mean_f1(names), mean_balanced(names), *(unit_f1(name) for name in names)),
        ways=(READING, FREE),
        published=rows,
        columns=("gender",) if data.source == "bp4d" else (),
        fixed=THRESHOLD,
    )


def disfa() -> Task:
    """DISFA, eight units."""
    data = Data(
        "disfa",
        "http://mohammadmahoor.com/disfa/ (by agreement)",
        ("DISFA", "disfa"),
        size="27 people, about 131,000 frames",
    )
    title = "DISFA: 8 action units of a frame, shown from intensity 2 of 5 on, split by person"
    return unit_task(data, title, DISFA_UNITS, DISFA_SHOWN, published.DISFA)


def bp4d() -> Task:
    """BP4D, eleven units."""
    data = Data(
        "bp4d",
        "https://www.cs.binghamton.edu/~lijun/Research/3DFE/3DFE_Analysis.html (by agreement)",
        ("BP4D", "bp4d"),
        size="41 people, about 146,000 coded frames",
    )
    title = "BP4D: 11 action units of a frame (12 without AU23), split by person"
    return unit_task(data, title, BP4D_UNITS, 1.0, published.BP4D)
