"""Action units: F1 and AUC on renders of unseen identities, rank checks on real faces, pose, gaze.

Nobody labelled action units on the real faces we have, so no F1 exists there. What can be checked
is rank: do happy faces get more AU12 than the rest, do open mouths (by landmarks) get more AU25?
Such a check is necessary, not sufficient. A unit that fails it (AUC < .75 on the validation split)
stays blank in tables: ``units_on_real_faces`` in ``calibration.json`` holds those that pass.

Legend: N rows, U action units.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facellm.labels import ACTION_UNITS, EXPRESSIONS, FACS, intensity_to_level
from facellm.reading import UNIT_SHOWN
from facellm.votes import published_majority

from .figure import Figure, Findings, Goal
from .held_out import TEST, VALID, Columns, HeldOut
from .statistics import (
    Estimate,
    auc_statistic,
    best_f1_thresholds,
    estimate,
    f1_statistic,
    mean_f1_statistic,
    mean_statistic,
)

PASSING = 0.75
EYES_OPEN = 0.20  # lid opening / eye width from which a gaze can be seen
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Check:
    """A ranking check on real faces.

    Attributes:
        units: Action units whose probability is the score.
        against: Expression that should score higher than the rest, or a landmark measure.
        combine: ``max`` or ``mean`` of several units.
        positive: Of a measure: quantile range of the rows that should score high.
        negative: Of a measure: quantile range of the rows that should score low.
        asked: A goal; the others are printed for information.
    """

    units: tuple[int, ...]
    against: str
    combine: str = "mean"
    positive: tuple[float, float] = (0.0, 1.0)
    negative: tuple[float, float] = (0.0, 1.0)
    asked: bool = True

    @property
    def name(self) -> str:
        """How the table calls it."""
        units = "+".join(f"AU{number}" for number in self.units)
        way = f" ({self.combine})" if len(self.units) > 1 else ""
        return f"{units}{way} against {self.against.replace('_', ' ')}"


CHECKS = (
    Check((12,), "happiness"),
    Check((1, 2), "surprise", "max"),
    Check((1, 2), "surprise", "mean"),
    Check((26,), "surprise"),
    Check((4,), "anger"),
    Check((25,), "mouth_open", positive=(2 / 3, 1.0), negative=(0.0, 1 / 3)),
    Check((43,), "eye_open", positive=(0.0, 0.05), negative=(0.5, 1.0)),
    Check((1,), "surprise", asked=False),
    Check((2,), "surprise", asked=False),
    Check((6,), "happiness", asked=False),
    Check((9,), "disgust", asked=False),
    Check((15,), "sadness", asked=False),
)


def sides(check: Check, columns: Columns, expression: NDArray[np.int64]) -> tuple[Mask, Mask]:
    """Rows that should score high and rows that should score low, (N,) masks.

    Args:
        check: The check.
        columns: Readings.
        expression: (N,) index of the published majority, -1 where there is none.
    """
    if check.against in EXPRESSIONS:
        index = EXPRESSIONS.index(check.against)
        return expression == index, (expression >= 0) & (expression != index)
    measure = columns.zscore(check.against)
    known = np.isfinite(measure) & (expression >= 0)
    if not known.any():
        return known, known
    ends = np.quantile(measure[known], (*check.positive, *check.negative))
    high = known & (measure >= ends[0]) & (measure <= ends[1])
    return high, known & (measure >= ends[2]) & (measure <= ends[3])


def run_check(check: Check, columns: Columns, expression: NDArray[np.int64]) -> Estimate:
    """AUC of one check; NaN with n where one side is empty."""
    high, low = sides(check, columns, expression)
    scores = np.stack([columns.unit(number) for number in check.units])
    score = scores.max(0) if check.combine == "max" else scores.mean(0)
    rows = high | low
    if not high.any() or not low.any():
        return Estimate(float("nan"), float("nan"), float("nan"), int(rows.sum()))
    return estimate(auc_statistic(high[rows], score[rows]), int(rows.sum()))


def real_columns(held_out: HeldOut, split: int) -> tuple[Columns, NDArray[np.int64]]:
    """Readings and published majority of the FER+ rows that have one."""
    votes = np.asarray(held_out.labels("ferplus", "votes", split), np.int64)
    expression = published_majority(votes)
    rows = expression >= 0
    return held_out.columns("ferplus", split).take(rows), expression[rows]


def units_passing(columns: Columns, expression: NDArray[np.int64]) -> tuple[int, ...]:
    """Action units that reach AUC .75 in a check of their own, in the frozen order."""
    passing = {
        check.units[0]
        for check in CHECKS
        if len(check.units) == 1 and run_check(check, columns, expression).value >= PASSING
    }
    return tuple(number for number in ACTION_UNITS if number in passing)


def real_unit_figures(held_out: HeldOut) -> Findings:
    """The checks on FER+ test."""
    columns, expression = real_columns(held_out, TEST)
    figures = []
    for check in CHECKS:
        found = run_check(check, columns, expression)
        goal = Goal(PASSING) if check.asked else None
        note = "real faces, ranking only" + ("" if check.asked else "; for information")
        figures.append(Figure(f"{check.name}: AUC", found, goal, unit="", note=note))
    return Findings(figures)


def rig_truth(held_out: HeldOut, split: int) -> NDArray[np.bool_]:
    """(N, U) whether a unit is present, from FACS level A on, in the renders of a split."""
    intensity = np.asarray(held_out.labels("rig", "au", split), np.float64)
    return np.vectorize(intensity_to_level)(intensity) >= 1


def rig_figures(held_out: HeldOut) -> Findings:
    """F1 and AUC of every unit on renders of identities never trained on."""
    columns, truth = held_out.columns("rig"), rig_truth(held_out, TEST)
    known, scores = rig_truth(held_out, VALID), held_out.columns("rig", VALID).units
    thresholds = best_f1_thresholds(known, scores)
    said, fitted = columns.units >= UNIT_SHOWN, columns.units >= thresholds
    note = "renders of unseen identities; present from FACS level A on, called at "
    title = "action units on renders: mean F1"
    figures = [
        Figure(name, estimate(mean_f1_statistic(truth, calls), len(truth)), Goal(0.80), "", note=n)
        for name, calls, n in (
            (title, said, f"{note}probability .5"),
            (
                f"{title}, fitted thresholds",
                fitted,
                f"{note}each unit's best on validation renders",
            ),
        )
    ]
    records = []
    for index, number in enumerate(ACTION_UNITS):
        f1 = estimate(f1_statistic(truth[:, index], fitted[:, index]), len(truth))
        auc = estimate(auc_statistic(truth[:, index], columns.units[:, index]), len(truth))
        records.append(
            {
                "unit": f"AU{number}",
                "name": FACS[number].name,
                "present": int(truth[:, index].sum()),
                "threshold": float(thresholds[index]),
                "f1": [f1.value, f1.low, f1.high],
                "auc": [auc.value, auc.low, auc.high],
            }
        )
    return Findings(figures, {"units_on_renders": records})


def pose_figures(held_out: HeldOut) -> Findings:
    """Head pose measured on the landmarks, and gaze, against the rig's truth."""
    columns = held_out.columns("rig")
    pose = np.asarray(held_out.labels("rig", "pose"), np.float64)
    known = np.isfinite(columns.pose).all(1)
    figures = []
    for index, name in enumerate(("yaw", "pitch", "roll")):
        error = np.abs(columns.pose[known, index] - pose[known, index])
        note = f"{int((~known).sum())} rows without landmarks left out"
        found = estimate(mean_statistic(error), int(known.sum()))
        title = f"head {name} on renders, mean absolute error"
        figures.append(Figure(title, found, unit="degrees", note=note))
    gaze = np.asarray(held_out.labels("rig", "gaze"), np.float64)
    seen = np.asarray(held_out.labels("rig", "eye_open"), np.float64).mean(1) > EYES_OPEN
    for index, name in enumerate(("yaw", "pitch")):
        error = np.abs(columns.gaze[seen, index] - gaze[seen, index])
        zero = estimate(mean_statistic(np.abs(gaze[seen, index])), int(seen.sum()))
        title = f"gaze {name} on renders, eyes open, mean absolute error"
        found = estimate(mean_statistic(error), int(seen.sum()))
        figures.append(Figure(title, found, Goal(zero.value, at_least=False), "degrees"))
        figures.append(Figure(f"{title} of saying 0", zero, unit="degrees", note="the floor"))
    return Findings(figures)
