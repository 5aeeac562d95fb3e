"""Readings drawn at random, plausible or not.

A language model that only met likely faces would guess: an old face frowns, a smile has AU12. Here
every value is drawn apart from the others, so the only way to a right answer is to copy it from
the context.
"""

from __future__ import annotations

import numpy as np

from facellm.context import CITED_GEOMETRY, standing_out
from facellm.labels import ACTION_UNITS, EXPRESSIONS, GAZE_DEGREES
from facellm.reading import UNIT_SHOWN, AgeReading, Reading, UnitReading, value_scopes

NO_GEOMETRY_RATE = 0.1
CITED_RATE = 0.7
ABSTAIN_BELOW = 0.45
MOST_ACTIVE = 6


def _expression(rng: np.random.Generator) -> dict[str, float]:
    """Shares with each expression on top equally often, from certain to a close call."""
    order = rng.permutation(len(EXPRESSIONS))
    rest = np.sort(rng.dirichlet(np.full(len(EXPRESSIONS) - 1, 0.5)))[::-1]
    top = rng.uniform(0.25, 1.0)
    shares = np.concatenate([[top], rest * (1 - top)])
    # A second share above the first would change the order drawn: close calls stop just short.
    excess = max(0.0, shares[1] - 0.97 * top)
    shares[1] -= excess
    shares[2:] += excess / (len(EXPRESSIONS) - 2)
    shares = np.minimum(shares, shares[0])
    shares /= shares.sum()
    return {EXPRESSIONS[index]: float(share) for index, share in zip(order, shares, strict=True)}


def _units(rng: np.random.Generator) -> dict[int, UnitReading]:
    """0-6 active units, the others below the threshold."""
    active = set(rng.permutation(ACTION_UNITS)[: rng.integers(0, MOST_ACTIVE + 1)].tolist())
    return {
        number: UnitReading(
            float(rng.uniform(UNIT_SHOWN, 1) if number in active else rng.uniform(0, 0.45)),
            float(rng.uniform(0, 1) if number in active else rng.uniform(0, 0.3)),
        )
        for number in ACTION_UNITS
    }


def _age(rng: np.random.Generator) -> AgeReading:
    mean = float(rng.uniform(0, 110))
    low = max(0.0, mean - float(rng.uniform(1, 16)))
    return AgeReading(mean, low, mean + float(rng.uniform(1, 16)))


def _probability(rng: np.random.Generator) -> float:
    """Near 0 or 1 half of the time, anywhere otherwise."""
    value = float(rng.beta(0.3, 0.3)) if rng.random() < 0.5 else float(rng.uniform())
    return min(max(value, 0.0), 1.0)


def _angle(rng: np.random.Generator, largest: float) -> float:
    """Degrees: straight in two of five, otherwise anywhere."""
    return float(rng.uniform(-7, 7) if rng.random() < 0.4 else rng.uniform(-largest, largest))


def sample_reading(rng: np.random.Generator) -> Reading:
    """Draw a reading.

    Args:
        rng: Source of randomness.

    Returns:
        A reading; one in ten without geometry, ``abstain`` where the top share is low.
    """
    expression = _expression(rng)
    confidence = max(expression.values())
    male = _probability(rng)
    measured = rng.random() >= NO_GEOMETRY_RATE
    geometry = {
        name: float(rng.uniform(-4, 4) if rng.random() < 0.5 else rng.uniform(-0.9, 0.9))
        for name in CITED_GEOMETRY
    }
    evidence = [name for name in standing_out(geometry) if rng.random() < CITED_RATE]
    return Reading(
        expression=expression,
        action_units=_units(rng),
        age=_age(rng),
        gender={"female": 1 - male, "male": male},
        mask=_probability(rng),
        mouth_open=_probability(rng),
        eyes_closed=_probability(rng),
        gaze=(_angle(rng, GAZE_DEGREES[-1]), _angle(rng, GAZE_DEGREES[-1])),
        generated=_probability(rng),
        pose=(_angle(rng, 80), _angle(rng, 50), _angle(rng, 60)) if measured else None,
        geometry=geometry if measured else None,
        evidence=tuple(evidence) if measured else (),
        quality=float(rng.uniform(0.5, 1)) if measured else 0.0,
        confidence=confidence,
        # The threshold is blurred: whether it is met must be read, not recomputed.
        abstain=bool(confidence < ABSTAIN_BELOW + rng.uniform(-0.1, 0.1)),
        scope=value_scopes(),
    )
