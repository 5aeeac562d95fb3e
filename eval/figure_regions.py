"""Does the evidence an answer cites matter to the model? Hide it, and hide something else instead.

FER+ test faces are asked why. Where the answer cites a measure of a region (lip corners and mouth
opening: mouth; brows: brows), that region is painted over in the crop and the face read
again; then, in the untouched crop, another region of the same area that the answer does not cite,
drawn at random. The claim holds where the probability of the expression first read moves more for
the cited one. A coin would reach 50 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.answers import parse_answer
from facellm.crops import crop_landmarks
from facellm.reading import Reading
from facellm.region_hiding import REGIONS, hide, hiding_mask, rival_mask
from facellm.votes import published_majority

from .answering import BATCH, Answered
from .figure import Figure, Findings, Goal
from .figure_parsed import ask_rows
from .held_out import Crop, HeldOut, spread
from .statistics import estimate, mean_statistic, share

FACES = 400
QUESTION = "Why do you think the face shows this expression?"
SEED = 11
REGION_OF = {
    "lip corners": "mouth",
    "mouth opening": "mouth",
    "brows": "brows",
}


@dataclass(frozen=True)
class Case:
    """One cited region and the one hidden for comparison.

    Attributes:
        face: Index of the answer.
        cited: Region the answer names.
        other: Region it does not name.
    """

    face: int
    cited: str
    other: str


def cited_regions(text: str) -> list[str]:
    """Regions whose measures an answer cites, in the order it cites them."""
    return list(dict.fromkeys(REGION_OF[name] for name in parse_answer(text)[0].measures or {}))


def cases_of(answers: list[Answered], points: NDArray[np.float32]) -> list[Case]:
    """Every cited region of every answer, each with another region drawn at random.

    Args:
        answers: Answers about N faces.
        points: (N, 68, 2) landmarks, NaN where missing: such a face has no region to hide.
    """
    rng = np.random.default_rng(SEED)
    cases = []
    for face, answer in enumerate(answers):
        cited = cited_regions(answer.text)
        others = [name for name in REGIONS if name not in cited]
        if np.isfinite(points[face]).all():
            cases += [Case(face, name, str(rng.choice(others))) for name in cited]
    return cases


def moved(
    held_out: HeldOut, before: Sequence[Reading], crops: list[Crop], faces: list[int]
) -> NDArray[np.float64]:
    """|change| of the probability of the expression first read, one per changed crop.

    Args:
        held_out: Whose assistant reads.
        before: Readings of the N untouched faces.
        crops: Changed crops.
        faces: Index of the reading each changed crop belongs to.
    """
    changes: list[float] = []
    for start in range(0, len(crops), BATCH):
        readings = held_out.assistant.read_crops(crops[start : start + BATCH])
        for reading, face in zip(readings, faces[start : start + BATCH], strict=True):
            top = before[face].top_expression
            changes.append(abs(reading.expression[top] - before[face].expression[top]))
    return np.array(changes)


def hiding_changes(
    held_out: HeldOut,
    crops: list[Crop],
    points: NDArray[np.float32],
    before: Sequence[Reading],
    cases: list[Case],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Change of the reading with the cited region hidden, and with the other one, case by case.

    Args:
        held_out: Whose assistant reads.
        crops: N untouched crops (S, S, 3).
        points: (N, 68, 2) landmarks in [0, 1] of the crop.
        before: Their N readings.
        cases: What to hide.
    """
    side = crops[0].shape[0]
    masks = [hiding_mask(points[case.face] * side, case.cited, side) for case in cases]
    faces = [case.face for case in cases]
    cited = [hide(crops[case.face], mask) for case, mask in zip(cases, masks, strict=True)]
    other = [
        hide(crops[case.face], rival_mask(points[case.face] * side, case.other, mask))
        for case, mask in zip(cases, masks, strict=True)
    ]
    return moved(held_out, before, cited, faces), moved(held_out, before, other, faces)


def landmarks_of(held_out: HeldOut, crops: list[Crop]) -> NDArray[np.float32]:
    """(N, 68, 2) landmarks of N crops in [0, 1], NaN where none were found."""
    net = held_out.assistant.checkpoint.landmark_net
    starts = range(0, len(crops), BATCH)
    return np.concatenate([crop_landmarks(net, crops[s : s + BATCH])[0] for s in starts])


def region_figures(held_out: HeldOut) -> Findings:
    """Ask why, hide, read again."""
    rows = held_out.rows("ferplus")
    votes = np.asarray(held_out.data("ferplus").labels["votes"][rows], np.int64)
    rows = spread(rows[published_majority(votes) >= 0], FACES)
    answers = ask_rows(held_out, "ferplus", rows, QUESTION)
    crops = [held_out.crop("ferplus", int(row)) for row in rows]
    points = landmarks_of(held_out, crops)
    cases = cases_of(answers, points)
    asked_why = share([answer.intent == "why" for answer in answers])
    figures = [
        Figure("asked why: understood", asked_why),
        Figure(
            "asked why: answers citing a region",
            share([bool(cited_regions(a.text)) for a in answers]),
        ),
    ]
    if not cases:
        return Findings(figures)
    before = [answer.reading for answer in answers]
    changes = hiding_changes(held_out, crops, points, before, cases)
    found = score_cases(cases, *changes)
    return Findings(figures + found.figures, found.tables)


def score_cases(
    cases: list[Case], cited: NDArray[np.float64], other: NDArray[np.float64]
) -> Findings:
    """Figures of the changes that hiding made, case by case."""
    stronger = cited > other
    note = f"{len({case.face for case in cases})} answers; every cited region is a case"
    figures = [
        Figure(
            "hiding the cited region moves the reading more", share(stronger), Goal(0.75), note=note
        ),
        Figure(
            "mean change of the expression, cited region hidden",
            estimate(mean_statistic(cited), len(cases)),
        ),
        Figure(
            "mean change of the expression, another region hidden",
            estimate(mean_statistic(other), len(cases)),
        ),
    ]
    table: list[dict[str, Any]] = []
    for region in REGIONS:
        rows = np.array([case.cited == region for case in cases])
        if rows.any():
            part = share(stronger[rows])
            table.append(
                {"cited": region, "n": part.n, "stronger": [part.value, part.low, part.high]}
            )
    return Findings(figures, {"cited_regions": table})
