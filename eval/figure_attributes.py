"""Apparent age and gender on UTKFace test, masks, and generated pictures beside a simple floor.

The tables by group and age band are for fairness only and are shown for 30 rows or more; a group is
never an answer. A detector of generated pictures is printed beside what a linear model reaches on a
12 x 12 px thumbnail: content (framing, light, background) that tells the sets apart without any
trace of a generator.
"""

from __future__ import annotations

import itertools
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.prepared import PreparedSet

from .figure import Figure, Findings, Goal
from .held_out import TEST, TRAIN, VALID, HeldOut
from .statistics import auc_statistic, estimate, mean_statistic, recall_statistic, share

LEAST_ROWS = 30
AGE_BANDS = (0, 3, 10, 20, 30, 40, 50, 60, 70, 117)
THUMBNAIL = 12  # pixels
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)  # inverse regularisation tried on the validation split
FLOOR_MARGIN = 0.08


def attribute_figures(held_out: HeldOut) -> Findings:
    """Age and gender."""
    columns = held_out.columns("utkface")
    years = np.asarray(held_out.labels("utkface", "age"), np.float64)
    male = np.asarray(held_out.labels("utkface", "male"), bool)
    error = np.abs(columns.age[:, 0] - years)
    right = (columns.male >= 0.5) == male
    inside = (columns.age[:, 1] <= years) & (years <= columns.age[:, 2])
    note = f"{held_out.guessed('utkface')} rows without stored landmarks cut by a fixed square"
    findings = Findings(
        [
            Figure(
                "UTKFace apparent age, mean absolute error",
                estimate(mean_statistic(error), len(error)),
                Goal(7.0, at_least=False),
                unit="years",
                note=note,
            ),
            Figure("UTKFace ages inside the 80 % interval", share(inside), note="80 % is right"),
            Figure("UTKFace apparent gender accuracy", share(right), Goal(0.86), note=note),
        ]
    )
    groups = np.asarray(held_out.labels("utkface", "group"), str)
    band = np.digitize(years, AGE_BANDS[1:-1])
    bands = [f"{low}-{high - 1}" for low, high in itertools.pairwise(AGE_BANDS)]
    named = np.array([bands[index] for index in band])
    findings.tables["fairness_by_group"] = fairness(groups, sorted(set(groups)), error, right)
    findings.tables["fairness_by_age_band"] = fairness(named, bands, error, right)
    return findings


def fairness(
    member: NDArray[np.str_],
    names: list[str],
    error: NDArray[np.float64],
    right: NDArray[np.bool_],
) -> list[dict[str, Any]]:
    """Age error and gender accuracy per group; groups under 30 rows are left out.

    Args:
        member: (N,) group of each row.
        names: Groups in the order of the table.
        error: (N,) absolute age errors, years.
        right: (N,) whether the gender is right.
    """
    table = []
    for name in names:
        rows = member == name
        if rows.sum() < LEAST_ROWS:
            continue
        age = estimate(mean_statistic(error[rows]), int(rows.sum()))
        gender = share(right[rows])
        table.append(
            {
                "group": name,
                "n": age.n,
                "age_error": [age.value, age.low, age.high],
                "gender_accuracy": [gender.value, gender.low, gender.high],
            }
        )
    return table


def mask_figures(held_out: HeldOut) -> Findings:
    """Balanced accuracy on real masks and on masks painted over test faces."""
    findings = Findings()
    for name, title in (("face_mask", "real"), ("painted", "painted over test faces")):
        truth = np.asarray(held_out.labels(name, "mask"), bool)
        worn = held_out.columns(name).mask >= 0.5
        note = f"{held_out.guessed(name)} rows without stored landmarks cut by a fixed square"
        balanced = estimate(recall_statistic(truth, worn), len(truth))
        findings.figures.append(Figure(f"mask, {title}: balanced accuracy", balanced, note=note))
    return findings


def generated_figures(held_out: HeldOut) -> Findings:
    """AUC of ``generated`` beside the thumbnail floor, on both families of forgeries."""
    titles = {
        "real_vs_stylegan2": "StyleGAN2 faces against photographs",
        "forged": "self-blends and swaps of test faces",
    }
    findings = Findings()
    for name, title in titles.items():
        truth = np.asarray(held_out.labels(name, "fake"), bool)
        floor, strength = thumbnail_floor(held_out.data(name), held_out.rows(name, TEST))
        lowest = estimate(auc_statistic(truth, floor), len(truth))
        found = estimate(auc_statistic(truth, held_out.columns(name).generated), len(truth))
        findings.figures += [
            Figure(
                f"generated, {title}: AUC",
                found,
                Goal(round(lowest.value + FLOOR_MARGIN, 4)),
                unit="",
                note="goal: floor + 0.08",
            ),
            Figure(
                f"generated, {title}: AUC of the floor",
                lowest,
                unit="",
                note=f"logistic regression on {THUMBNAIL} px thumbnails, C = {strength:g}",
            ),
        ]
        called = held_out.columns(name).generated >= 0.5
        findings.figures += [
            Figure(f"generated, {title}: real ones called generated", share(called[~truth])),
            Figure(f"generated, {title}: forged ones called generated", share(called[truth])),
        ]
    return findings


def thumbnails(data: PreparedSet, rows: NDArray[np.integer]) -> NDArray[np.float64]:
    """(N, 432) whole pictures shrunk to 12 x 12 RGB, in [0, 1]."""
    size = (THUMBNAIL, THUMBNAIL)
    small = [
        cv2.resize(np.asarray(data.images[row]), size, interpolation=cv2.INTER_AREA).ravel()
        for row in rows
    ]
    return np.stack(small).astype(np.float64) / 255.0


def thumbnail_floor(
    data: PreparedSet, test_rows: NDArray[np.integer]
) -> tuple[NDArray[np.float64], float]:
    """Scores of the floor for the test rows, trained on the train split.

    The strength is the best on the validation split, so that the floor is not a straw man.

    Returns:
        (N,) scores and the chosen inverse regularisation.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    train, valid = data.rows(TRAIN), data.rows(VALID)
    pictures, labels = thumbnails(data, train), data.labels["fake"][train]
    checked, truth = thumbnails(data, valid), data.labels["fake"][valid]

    def fitted(strength: float) -> Any:
        model = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=2000))
        return model.fit(pictures, labels)

    def valid_auc(strength: float) -> float:
        scores = fitted(strength).predict_proba(checked)[:, 1]
        return float(auc_statistic(truth, scores)(np.ones((1, len(truth))))[0])

    best = max(STRENGTHS, key=valid_auc)
    return fitted(best).predict_proba(thumbnails(data, test_rows))[:, 1], best
