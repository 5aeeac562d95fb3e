"""Which measures may be cited for which expression: those whose region moves the reading.

A measure that stands out (raised brows beside a neutral expression) need not be what the model
looked at. So on validation faces the region of every measure that stands out is painted over, and
another region likewise (``facellm.region_hiding``). A pair of expression and signed measure
may be cited where its region moved the reading more in at least three quarters of its cases, and
where the measure lies on that side no more rarely than on the other: a region matters to happiness
also while its lip corners are down, but then they are no reason for it.

Example: ``{"happiness": ("lip_corner_lift+", "mouth_open+")}``.
"""

from __future__ import annotations

from collections import defaultdict

import numpy as np

from facellm.context import CITED_GEOMETRY, standing_out
from facellm.readout import signed_measure
from facellm.region_hiding import REGIONS
from facellm.votes import published_majority

from .figure_regions import REGION_OF, Case, hiding_changes, landmarks_of
from .held_out import BATCH, VALID, HeldOut, spread

FACES = 1500
LEAST_SHARE = 0.75
LEAST_CASES = 20  # a rarer pair is not judged, so not cited
SEED = 12

Pair = tuple[str, str]  # expression, signed measure


def hiding_outcomes(held_out: HeldOut) -> dict[Pair, list[bool]]:
    """For every pair, whether hiding the measure's region moved each of its faces more."""
    rows = held_out.rows("ferplus", VALID)
    votes = np.asarray(held_out.data("ferplus").labels["votes"][rows], np.int64)
    rows = spread(rows[published_majority(votes) >= 0], FACES)
    crops = [held_out.crop("ferplus", int(row)) for row in rows]
    before = [
        reading
        for start in range(0, len(crops), BATCH)
        for reading in held_out.assistant.read_crops(crops[start : start + BATCH])
    ]
    rng = np.random.default_rng(SEED)
    cases: list[Case] = []
    pairs: list[Pair] = []
    for face, reading in enumerate(before):
        for name in standing_out(reading.geometry or {}):
            region = REGION_OF[CITED_GEOMETRY[name]]
            other = str(rng.choice([rival for rival in REGIONS if rival != region]))
            cases.append(Case(face, region, other))
            zscore = (reading.geometry or {})[name]
            pairs.append((reading.top_expression, signed_measure(name, zscore)))
    outcomes: dict[Pair, list[bool]] = defaultdict(list)
    if cases:
        cited, rival = hiding_changes(held_out, crops, landmarks_of(held_out, crops), before, cases)
        for pair, stronger in zip(pairs, (cited > rival).tolist(), strict=True):
            outcomes[pair].append(stronger)
    return dict(outcomes)


def cited_measures(outcomes: dict[Pair, list[bool]]) -> dict[str, tuple[str, ...]]:
    """Pairs that may be cited: enough cases, the usual side, three quarters moved more."""
    allowed: dict[str, list[str]] = defaultdict(list)
    for (expression, measure), stronger in sorted(outcomes.items()):
        opposite = measure[:-1] + ("-" if measure.endswith("+") else "+")
        usual = len(stronger) >= len(outcomes.get((expression, opposite), ()))
        if usual and len(stronger) >= LEAST_CASES and np.mean(stronger) >= LEAST_SHARE:
            allowed[expression].append(measure)
    return {expression: tuple(measures) for expression, measures in allowed.items()}
