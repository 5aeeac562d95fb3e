"""Readout distributions -> Reading: expectations, intervals, confidence and abstention.

Input are log-probabilities over each query's labels, as ``model.readouts`` gives them and as vLLM's
``logprobs`` restricted to the label ids give them too.

Legend: Q queries, in the order of ``facellm.labels.QUERIES``.
"""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.context import standing_out
from facellm.errors import FaceLLMError
from facellm.labels import (
    ACTION_UNITS,
    AU_LEVELS,
    EXPRESSIONS,
    GAZE_DEGREES,
    MAX_AGE,
    QUERIES,
    QUERY_INDEX,
)
from facellm.reading import AgeReading, Reading, UnitReading, value_scopes

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class Calibration:
    """What was fitted on the validation split after training.

    Attributes:
        abstain_below: Expression confidence under which the reading abstains.
        units_on_real_faces: Action units with AUC >= .75 on real faces; the only ones in tables.
        generated_shift: Log-odds taken off ``generated``: half of the training batches were forged,
            and unshifted it takes real photographs for generated far too often.
        cited: Expression -> measures an answer may cite for it, with their sign
            (``lip_corner_lift+``): hiding their region was seen to move that reading. None: all.
    """

    abstain_below: float = 0.0
    units_on_real_faces: tuple[int, ...] = ()
    generated_shift: float = 0.0
    cited: dict[str, tuple[str, ...]] | None = None

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read ``calibration.json``; ``FaceLLMError`` if it is damaged or of another version."""
        try:
            record = json.loads(path.read_text())
            record["units_on_real_faces"] = tuple(record["units_on_real_faces"])
            if record["cited"] is not None:
                record["cited"] = {name: tuple(held) for name, held in record["cited"].items()}
            return cls(**record)
        except (ValueError, TypeError, KeyError) as error:
            raise FaceLLMError(f"{path}: not a calibration of this version ({error})") from error

    def save(self, path: Path) -> None:
        """Write ``calibration.json``."""
        path.write_text(json.dumps(asdict(self), indent=2) + "\n")


@dataclass(frozen=True)
class Measured:
    """What was measured on the landmarks of one face.

    Attributes:
        pose: Yaw, pitch, roll, degrees.
        zscores: Measure -> z-score against neutral faces.
        quality: Landmark quality in [0, 1].
    """

    pose: tuple[float, float, float]
    zscores: dict[str, float]
    quality: float


def quantile(probabilities: Floats, share: float) -> float:
    """Value at which the cumulative distribution over 0, 1, 2 ... reaches ``share``.

    Interpolated inside the bin, so intervals do not jump by whole years.
    """
    cumulative = np.cumsum(probabilities)
    index = min(int(np.searchsorted(cumulative, share)), len(probabilities) - 1)
    before = float(cumulative[index - 1]) if index else 0.0
    inside = (share - before) / max(float(probabilities[index]), 1e-9)
    return max(0.0, index - 0.5 + min(max(inside, 0.0), 1.0))


def shifted(probability: float, shift: float) -> float:
    """A probability with ``shift`` taken off its log-odds."""
    odds = max(probability, 1e-9) / max(1 - probability, 1e-9) * math.exp(-shift)
    return odds / (1 + odds)


def signed_measure(name: str, zscore: float) -> str:
    """``lip_corner_lift+`` for a lift above neutral faces, ``...-`` for one below."""
    return f"{name}{'+' if zscore > 0 else '-'}"


def evidence_for(
    expression: str, measured: Measured | None, calibration: Calibration
) -> tuple[str, ...]:
    """Measures that stand out and that the calibration lets an answer cite for the expression."""
    if measured is None:
        return ()
    found = standing_out(measured.zscores)
    if calibration.cited is None:
        return tuple(found)
    allowed = calibration.cited.get(expression, ())
    return tuple(n for n in found if signed_measure(n, measured.zscores[n]) in allowed)


def reading_from_logprobs(
    logprobs: Sequence[Floats], measured: Measured | None, calibration: Calibration
) -> Reading:
    """Turn one face's readouts into its reading.

    Args:
        logprobs: Q arrays, log-distribution over the query's labels.
        measured: Pose and z-scores of the landmarks, None without them.
        calibration: Thresholds of the weights in use.

    Returns:
        The reading; ``scope`` says where each value's truth came from.

    Raises:
        ValueError: If the number of queries or of labels differs from ``QUERIES``.
    """
    sizes = [len(values) for values in logprobs]
    if sizes != [len(query.labels) for query in QUERIES]:
        raise ValueError(f"readouts have sizes {sizes}, expected those of labels.QUERIES")
    shares = [np.exp(np.asarray(values, np.float64)) for values in logprobs]
    shares = [share / share.sum() for share in shares]

    def of(name: str) -> Floats:
        return shares[QUERY_INDEX[name]]

    levels = np.arange(AU_LEVELS) / (AU_LEVELS - 1)
    units = {
        number: UnitReading(1 - float(of(f"au{number}")[0]), float(of(f"au{number}") @ levels))
        for number in ACTION_UNITS
    }
    age = of("age")
    expression = {name: float(p) for name, p in zip(EXPRESSIONS, of("expr"), strict=True)}
    confidence = max(expression.values())
    gaze = np.asarray(GAZE_DEGREES, np.float64)
    return Reading(
        expression=expression,
        action_units=units,
        age=AgeReading(float(age @ np.arange(MAX_AGE + 1)), quantile(age, 0.1), quantile(age, 0.9)),
        gender={"female": float(of("gender")[0]), "male": float(of("gender")[1])},
        mask=float(of("mask")[1]),
        mouth_open=float(of("mouth_open")[1]),
        eyes_closed=float(of("eyes_closed")[1]),
        gaze=(float(of("gaze_yaw") @ gaze), float(of("gaze_pitch") @ gaze)),
        generated=shifted(float(of("fake")[1]), calibration.generated_shift),
        pose=None if measured is None else measured.pose,
        geometry=None if measured is None else measured.zscores,
        evidence=evidence_for(max(expression, key=expression.__getitem__), measured, calibration),
        quality=0.0 if measured is None else measured.quality,
        confidence=confidence,
        abstain=confidence < calibration.abstain_below,
        scope=value_scopes(),
    )
