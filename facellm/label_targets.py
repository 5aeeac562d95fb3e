"""Labels of a record -> what the readout of its face should be, query by query.

Only what is labelled gets a target; a label is never guessed from another.

Example: ``readout_targets({"age": 34, "male": False})`` -> ``{"age": (117,), "gender": [1, 0]}``
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.labels import (
    ACTION_UNITS,
    AU_LEVELS,
    EXPRESSIONS,
    GAZE_DEGREES,
    MAX_AGE,
    QUERIES,
    intensity_to_level,
)

Target = NDArray[np.float32]
AGE_SIGMA = 2.5  # years
GAZE_SIGMA = 4.0  # degrees
# Inner-lip gap / inter-ocular distance, and lid opening / eye width; in between is not labelled.
MOUTH_SHUT, MOUTH_OPEN = 0.05, 0.10
EYES_SHUT, EYES_OPEN = 0.12, 0.20
LEAST_KNOWN = 0.3  # share of the votes that name an expression; below it a face has no target
_YES_NO = {"gender": "male", "mask": "mask", "fake": "fake"}  # query -> label that says yes
_GAZES = ("gaze_yaw", "gaze_pitch")
TASK_OF_QUERY = {
    "expr": "expression",
    **{f"au{number}": "action_units" for number in ACTION_UNITS},
    "age": "age",
    "gender": "attributes",
    "mask": "attributes",
    "fake": "deepfake",
    **dict.fromkeys(("mouth_open", "eyes_closed", *_GAZES), "geometry"),
}


def readout_targets(labels: Mapping[str, Any], without: Collection[str] = ()) -> dict[str, Target]:
    """Query name -> distribution over its labels, float32, summing to 1.

    Args:
        labels: Of a record with one face.
        without: Tasks whose queries get no target.

    Raises:
        FaceLLMError: If a label is not what it should be; the message names label and value.
    """
    found = dict(_targets(labels))
    return {query: found[query] for query in found if TASK_OF_QUERY[query] not in without}


def threshold_label(value: float, low: float, high: float) -> int:
    """1 above ``high``, 0 below ``low``, -1 in between."""
    return 1 if value > high else 0 if value < low else -1


def gaussian(grid: Sequence[int], mean: float, sigma: float) -> Target:
    """Gaussian label over a grid of values. Source: DLDL, arXiv 1611.01731."""
    logits = -0.5 * ((np.asarray(grid, np.float64) - mean) / sigma) ** 2
    shares = np.exp(logits - logits.max())
    return (shares / shares.sum()).astype(np.float32)


def mirrored(targets: Mapping[str, Target]) -> dict[str, Target]:
    """Targets of the mirrored face: looking left becomes looking right."""
    yaw = {"gaze_yaw": targets["gaze_yaw"][::-1].copy()} if "gaze_yaw" in targets else {}
    return {**targets, **yaw}


def _targets(labels: Mapping[str, Any]) -> Iterator[tuple[str, Target]]:
    shares = _expression(labels)
    if shares is not None:
        yield "expr", shares
    for number, intensity in (labels.get("units") or {}).items():
        name = f"au{number}"
        if name not in TASK_OF_QUERY:
            raise FaceLLMError(f"units {number!r} is none of {', '.join(map(str, ACTION_UNITS))}")
        yield name, _one_of(AU_LEVELS, intensity_to_level(_number(intensity, name, 0, 1)))
    if labels.get("age") is not None:
        yield "age", _age(round(_number(labels["age"], "age", 0, MAX_AGE)))
    elif labels.get("age_range") is not None:
        low, high = (int(_number(year, "age_range", 0, MAX_AGE)) for year in labels["age_range"])
        years = [_age(year) for year in range(low, max(low, high) + 1)]
        yield "age", np.stack(years).mean(axis=0)
    for query, label in _YES_NO.items():
        if labels.get(label) is not None:
            yield query, _one_of(2, int(bool(labels[label])))
    yield from _measured(labels)


def _expression(labels: Mapping[str, Any]) -> Target | None:
    if labels.get("votes") is not None:
        votes = np.asarray(labels["votes"], np.float32)
        if votes.shape != (10,) or votes.min() < 0:
            raise FaceLLMError(f"votes {labels['votes']!r} are not ten counts")
        known, counted = votes[: len(EXPRESSIONS)], float(votes[:9].sum())
        return known / known.sum() if known.sum() > LEAST_KNOWN * max(counted, 1) else None
    if labels.get("expression_shares") is not None:
        given = labels["expression_shares"]
        shares = np.array([float(given.get(name, 0)) for name in EXPRESSIONS], np.float32)
        return shares / shares.sum() if shares.sum() > 0 else None
    name = labels.get("expression")
    if name is None:
        return None
    if name not in EXPRESSIONS:
        raise FaceLLMError(f"expression {name!r} is none of {', '.join(EXPRESSIONS)}")
    return _one_of(len(EXPRESSIONS), EXPRESSIONS.index(name))


def _measured(labels: Mapping[str, Any]) -> Iterator[tuple[str, Target]]:
    """Mouth, eyes and gaze: said outright, or exact measures of a render (``making``)."""
    making = labels.get("making") or {}
    opened, closed, gaze = (labels.get(n) for n in ("mouth_open", "eyes_closed", "gaze"))
    if opened is None and making.get("mouth_open") is not None:
        opened = threshold_label(float(making["mouth_open"]), MOUTH_SHUT, MOUTH_OPEN)
    if closed is None and making.get("eye_open") is not None:
        lids = float(np.mean(making["eye_open"]))
        closed = threshold_label(-lids, -EYES_OPEN, -EYES_SHUT)
    for query, value in (("mouth_open", opened), ("eyes_closed", closed)):
        if value is not None and int(value) >= 0:  # -1: between open and shut
            yield query, _one_of(2, int(bool(value)))
    gaze = making.get("gaze") if gaze is None else gaze
    if gaze is not None:
        if len(gaze) != len(_GAZES):
            raise FaceLLMError(f"gaze {gaze!r} is not yaw and pitch")
        for query, degrees in zip(_GAZES, gaze, strict=True):
            angle = _number(degrees, "gaze", -180, 180)
            yield query, gaussian(GAZE_DEGREES, angle, GAZE_SIGMA)


@lru_cache(maxsize=MAX_AGE + 1)
def _age(years: int) -> Target:
    return gaussian(range(MAX_AGE + 1), years, AGE_SIGMA)


def _one_of(count: int, index: int) -> Target:
    target = np.zeros(count, np.float32)
    target[index] = 1
    return target


def _number(value: Any, name: str, low: float, high: float) -> float:
    """A label as a number in [low, high]; ``FaceLLMError`` otherwise."""
    try:
        number = float(value)
    except (TypeError, ValueError) as error:
        raise FaceLLMError(f"label {name} {value!r} is no number") from error
    if not low <= number <= high:
        raise FaceLLMError(f"label {name} {value!r} is not in [{low}, {high}]")
    return number


assert set(TASK_OF_QUERY) == {query.name for query in QUERIES}
