"""Does a person's own neutral help? Renders of people that nothing was trained on.

Three questions, answered with whatever comes out:

- *Resting frowns*: of 30 people at rest ten carry lowered brows. How far do resting readings of the
  brow lowerer differ from person to person, without a baseline and with one taken of other frames?
- *Measures*: does a measure rank faces by the true intensity of its action unit better against the
  person's own neutral than against the population's? With exact points and with located ones, as
  they are and with head rotation taken off (``facellm.stabilise``).
- *Units*: the same for the units as the model reads them, ``facellm.baseline.above_rest``.

Command::

    python -m facellm.eval.personal_neutral --cache .cache/default --out eval/personal_neutral.json

Needs the located rig set, ``resting`` (``facellm.instruct_data.build_resting``) and, for the turned
measures, the files of ``facellm.train.stabiliser``. Intervals are 95 %, people resampled.

Legend: N rows, K measures, U action units, P people.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.baseline import RESTING_SHARE, above_rest
from facellm.engine_names import TORCH
from facellm.folders import default_cache
from facellm.geometry import MEASURES, measure
from facellm.labels import ACTION_UNITS
from facellm.prepared import PreparedSet
from facellm.stabilise import Stabiliser

from .neutral_rows import NeutralRows, neutral_rows
from .statistics import (
    Statistic,
    auc_statistic,
    correlation_statistic,
    grouped_estimate,
    mean_f1_statistic,
)

CALIBRATION_FRAMES = 5  # frames 0 to 4 give the level, the others are read against it
RESTING_PEOPLE = 30  # the frowning ones first
PRESENT = 0.2  # intensity from which a unit counts as shown: FACS level A of the renders
LEAST_SHOWN = 10  # rows that must show a unit for it to count
# Measure, units that move it, and whether they raise or lower it.
CLAIMS = (
    ("brow_height", (1, 2), 1),
    ("brow_height", (4,), -1),
    ("lip_corner_lift", (12,), 1),
    ("lip_corner_lift", (15,), -1),
    ("lip_corner_width", (20,), 1),
    ("mouth_open", (25, 26), 1),
    ("eye_open", (43,), -1),
    ("nose_to_lip", (9, 10), -1),
)
Array = NDArray[np.float64]
Ids = NDArray[np.integer]


def own_levels(values: Array, people: Ids, wanted: Ids, share: float = 0.5) -> Array:
    """Quantile (N, K) over a person's rows of ``values`` for every row of ``wanted`` (N,).

    Raises:
        KeyError: If a wanted person has no rows.
    """
    levels = {
        person: np.quantile(values[people == person], share, axis=0) for person in np.unique(people)
    }
    return np.stack([levels[person] for person in wanted])


def versus(both: Sequence[Statistic], people: Ids) -> dict[str, Any]:
    """Figures against the population and the own level, and their difference, with intervals."""
    population, own = both
    parts = {
        "population": population,
        "own": own,
        "difference": lambda weights: own(weights) - population(weights),
    }
    return {name: asdict(grouped_estimate(part, people)) for name, part in parts.items()}


def measure_claims(measures: Array, levels: Array, au: Array, people: Ids) -> dict[str, Any]:
    """AUC and correlation of every claim, against the population and against the own level.

    Args:
        measures: (N, K).
        levels: (N, K) the person's own.
        au: (N, U) true intensity.
        people: (N,).
    """
    found = {}
    for name, units, sign in CLAIMS:
        column = MEASURES.index(name)
        truth = au[:, [ACTION_UNITS.index(unit) for unit in units]].max(axis=1)
        scores = sign * measures[:, column], sign * (measures[:, column] - levels[:, column])
        shown = truth >= PRESENT
        found[f"{name} by {'+'.join(f'AU{unit}' for unit in units)}"] = {
            "shown": int(shown.sum()),
            "auc": versus([auc_statistic(shown, score) for score in scores], people),
            "correlation": versus(
                [correlation_statistic(truth, score) for score in scores], people
            ),
        }
    return found


def unit_claims(read: Array, rest: Array, au: Array, people: Ids) -> dict[str, Any]:
    """Mean AUC and mean F1 at one half over the units that enough rows show.

    Args:
        read: (N, U) probabilities as read.
        rest: (N, U) the person's own at rest.
        au: (N, U) true intensity.
        people: (N,).
    """
    kept = np.flatnonzero((au >= PRESENT).sum(axis=0) >= LEAST_SHOWN)
    truth = au[:, kept] >= PRESENT
    sides = read[:, kept], np.vectorize(above_rest)(read, rest)[:, kept]

    def mean_auc(scores: Array) -> Statistic:
        parts = [auc_statistic(truth[:, k], scores[:, k]) for k in range(len(kept))]
        return lambda weights: np.nanmean([part(weights) for part in parts], axis=0)

    return {
        "units": [f"AU{ACTION_UNITS[index]}" for index in kept],
        "mean auc": versus([mean_auc(side) for side in sides], people),
        "mean f1": versus([mean_f1_statistic(truth, side >= 0.5) for side in sides], people),
    }


def resting_spread(before: Array, after: Array) -> dict[str, Any]:
    """Standard deviation over people of a resting reading without and with a baseline (P,)."""

    def spread(values: Array) -> Statistic:
        def statistic(weights: Array) -> Array:
            share = weights / weights.sum(axis=1, keepdims=True)
            return np.sqrt(share @ values**2 - (share @ values) ** 2)

        return statistic

    def ratio(weights: Array) -> Array:
        whole = spread(before)(weights)
        return np.divide(
            spread(after)(weights), whole, out=np.full_like(whole, np.nan), where=whole > 0
        )

    parts = {"without": spread(before), "with": spread(after), "ratio": ratio}
    return {n: asdict(grouped_estimate(p, np.arange(len(before)))) for n, p in parts.items()}


def frown_figures(
    labels: dict[str, Any],
    usable: NDArray[np.bool_],
    read: dict[str, Array],
    brows: dict[str, Array],
) -> dict[str, Any]:
    """How far resting readings differ between people, without and with a baseline.

    Args:
        labels: Of the resting set, M rows.
        usable: (M,) rows that were located.
        read: ``probability`` and ``intensity`` (M, U).
        brows: Kind of points -> brow height (M,).
    """
    identity, found = labels["identity"], {}
    frowning = np.unique(identity[labels["frown"]])
    others = np.setdiff1d(identity, frowning)
    people = np.concatenate([frowning, others])[:RESTING_PEOPLE]
    first = usable & (labels["frame"] < CALIBRATION_FRAMES)
    later = usable & (labels["frame"] >= CALIBRATION_FRAMES)
    unit = ACTION_UNITS.index(4)
    units = {f"AU4 {part}": array[:, unit] for part, array in read.items()}
    heights = {f"brow height, {kind}": array for kind, array in brows.items()}
    for name, now in {**units, **heights}.items():
        share = RESTING_SHARE if name in units else 0.5
        rest = own_levels(now[first, None], identity[first], identity, share)[:, 0]
        own = np.vectorize(above_rest)(now, rest) if name in units else now - rest
        rows = [later & (identity == person) for person in people]
        means = (np.array([side[held].mean() for held in rows]) for side in (now, own))
        found[name] = resting_spread(*means)
        # What is left where nothing but the frames' own noise is: nobody's level can undo it.
        found[name]["within a person"] = float(np.mean([now[held].std() for held in rows]))
    return found


def point_sets(
    folder: Path, seen: dict[str, tuple[Array, Array]]
) -> dict[str, tuple[Array, Array]]:
    """Measures of test rows and of resting rows, for every kind of points; turned ones too.

    Args:
        folder: Of the stabilisers; without a file the turned measures are left out.
        seen: Kind -> points of the test rows and of the resting rows.
    """
    files = {"exact points": "exact.safetensors", "located points": "stabiliser.safetensors"}
    found = {}
    for kind, both in seen.items():
        found[kind] = tuple(map(measure, both))
        if (folder / files[kind]).is_file():
            turn = Stabiliser.load(folder / files[kind]).frontal
            found[f"{kind}, rotation taken off"] = tuple(measure(turn(p)) for p in both)
    return found  # type: ignore[return-value]


def figures(found: NeutralRows, cache: Path) -> dict[str, Any]:
    """Everything, JSON-ready.

    Args:
        found: What the product sees of the sets.
        cache: Folder of the sets and of the stabilisers.
    """
    rig, resting = PreparedSet(cache / "rig"), PreparedSet(cache / "resting")
    labels, rows = resting.labels, found.rows
    usable: NDArray[np.bool_] = np.asarray(np.isfinite(found.points).all(axis=(1, 2)))
    rest_rows = usable & ~labels["frown"]
    at_rest = labels["identity"][rest_rows]
    au, people = rig.labels["au"][rows].astype(np.float64), rig.labels["identity"][rows]
    seen = {
        "exact points": (rig.exact[rows], resting.exact),
        "located points": (rig.landmarks[rows], np.nan_to_num(found.points)),
    }
    sets = point_sets(cache / "stabiliser", seen)
    measured = {
        kind: measure_claims(now, own_levels(rest[rest_rows], at_rest, people), au, people)
        for kind, (now, rest) in sets.items()
    }
    brow = MEASURES.index("brow_height")
    brows = {kind: rest[:, brow] for kind, (_, rest) in sets.items()}
    resting_units = found.resting["probability"][rest_rows]
    rest = own_levels(resting_units, at_rest, people, RESTING_SHARE)
    return {
        "rows": len(rows),
        "people": len(np.unique(people)),
        "resting frames": {"all": len(usable), "located": int(usable.sum())},
        "resting frowns": frown_figures(labels, usable, found.resting, brows),
        "measures": measured,
        "units": unit_claims(found.read["probability"], rest, au, people),
    }


def table(found: dict[str, Any]) -> str:
    """The figures as text, a line each."""

    def cell(name: str, part: dict[str, Any]) -> str:
        cells = [
            f"{n} {e['value']:.3f} [{e['low']:.3f}, {e['high']:.3f}]"
            if isinstance(e, dict)
            else f"{n} {e:.3f}"
            for n, e in part.items()
        ]
        return f"{name}: {'; '.join(cells)}"

    lines = [cell(f"at rest, {name}", part) for name, part in found["resting frowns"].items()]
    for kind, claims in found["measures"].items():
        lines += [cell(f"{kind}, {name}, AUC", claim["auc"]) for name, claim in claims.items()]
    units = found["units"]
    lines += [cell(f"units, {name}", units[name]) for name in ("mean auc", "mean f1")]
    return "\n".join(lines)


def main(argv: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--model", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    assistant = FaceAssistant.load(args.model, engine=TORCH)
    found = figures(neutral_rows(assistant, args.cache), args.cache)
    args.out.write_text(json.dumps(found, indent=2) + "\n")
    print(table(found))


if __name__ == "__main__":
    main()
