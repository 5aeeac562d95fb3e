"""Reading: what the model read off one face, as distributions over closed label sets.

The reading is the evidence an answer is written from. Values say where they come from (``scope``):
``measured`` (geometry of the landmarks), ``trained on real faces`` or ``trained on renders only``.

Example (shortened)::

    Reading(expression={"neutral": 0.05, "happiness": 0.9, ...}, age=AgeReading(34.1, 27, 42),
            action_units={12: UnitReading(0.93, 0.6), ...}, gender={"female": 0.97, "male": 0.03},
            pose=(12.0, -3.0, 1.5), geometry={"lip_corner_lift": 2.1, ...}, confidence=0.9, ...)

Angles are degrees: yaw > 0 turned towards the image's right, pitch > 0 up, roll > 0 clockwise.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from facellm.labels import ACTION_UNITS, EXPRESSIONS, MEASURED, QUERIES

UNIT_SHOWN = 0.5  # a unit is called active from this probability on


@dataclass(frozen=True)
class UnitReading:
    """One action unit: probability of being present, intensity (both in [0, 1])."""

    probability: float
    intensity: float


@dataclass(frozen=True)
class AgeReading:
    """Apparent age in years: mean and central 80 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Reading:
    """Everything read off one face.

    Attributes:
        expression: Share per FER+ expression, sums to 1.
        action_units: FACS number -> probability and intensity.
        age: Apparent age.
        gender: Apparent gender, ``female`` and ``male``, sums to 1.
        mask: Probability that a mask is worn.
        mouth_open: Probability.
        eyes_closed: Probability.
        gaze: Yaw and pitch, degrees.
        generated: Probability that the picture is generated or manipulated, on the scale on which
            one real validation photograph in twenty reaches .5.
        pose: Yaw, pitch, roll in degrees, measured; None without landmarks.
        geometry: z-scores against neutral faces; None without landmarks.
        evidence: Measures of ``geometry`` that stand out and that the expression read rests on.
        quality: Landmark quality in [0, 1]; 0 without landmarks.
        confidence: Largest expression share after calibration, in [0, 1].
        abstain: True where the expression should be left open.
        scope: Value name -> where its truth came from.
        baseline: Name of the person's own neutral (``facellm.baseline``) that geometry and action
            units are relative to; None where they are as read.
        adapted: Label of an adapter (``facellm adapt``) -> class -> probability; empty without one.
    """

    expression: dict[str, float]
    action_units: dict[int, UnitReading]
    age: AgeReading
    gender: dict[str, float]
    mask: float
    mouth_open: float
    eyes_closed: float
    gaze: tuple[float, float]
    generated: float
    pose: tuple[float, float, float] | None = None
    geometry: dict[str, float] | None = None
    evidence: tuple[str, ...] = ()
    quality: float = 0.0
    confidence: float = 0.0
    abstain: bool = False
    scope: dict[str, str] = field(default_factory=dict)
    baseline: str | None = None
    adapted: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def top_expression(self) -> str:
        """The expression with the largest share."""
        return max(EXPRESSIONS, key=lambda name: self.expression[name])

    def active_units(self) -> list[int]:
        """Units called active, most probable first."""
        shown = [n for n in ACTION_UNITS if self.action_units[n].probability >= UNIT_SHOWN]
        return sorted(shown, key=lambda n: -self.action_units[n].probability)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``from_dict`` gives an equal reading back."""
        out = asdict(self)
        if not self.adapted:
            del out["adapted"]
        out["action_units"] = {f"AU{n:02d}": asdict(u) for n, u in self.action_units.items()}
        return out

    @classmethod
    def from_dict(cls, record: dict[str, Any]) -> Reading:
        """Inverse of ``to_dict``."""
        values = dict(record)
        values["action_units"] = {
            int(key[2:]): UnitReading(**unit) for key, unit in record["action_units"].items()
        }
        values["age"] = AgeReading(**record["age"])
        values["gaze"] = tuple(record["gaze"])
        values["evidence"] = tuple(record["evidence"])
        values["pose"] = None if record["pose"] is None else tuple(record["pose"])
        return cls(**values)


def value_scopes() -> dict[str, str]:
    """Scope of every value a reading carries."""
    names = {"expr": "expression", "fake": "generated"}
    scopes = {names.get(query.name, query.name): query.scope for query in QUERIES}
    return scopes | {"pose": MEASURED, "geometry": MEASURED}
