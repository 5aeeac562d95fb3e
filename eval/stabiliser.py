"""Head rotation told from landmarks, on people nothing was fitted on: degrees missed.

Three settings, hardest last: two meshes of one person (``mesh_pairs``), one picture with the face
model's exact points, one rendered picture as our landmark network finds the points. Each split into
faces at rest and faces with an expression.

Command::

    python -m facellm.eval.stabiliser --cache .cache/default --out eval/stabiliser.json

Needs what ``facellm.train.stabiliser`` needs and writes. Medians and 95th percentiles with 95 %
bootstrap intervals; renders are resampled by person, drawn faces by row.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.checkpoint import LANDMARKS, SHIPPED
from facellm.folders import default_cache
from facellm.geometry import Geometry
from facellm.stabilise import Stabiliser, angle_between, rotations

from .mesh_pairs import pair_errors, pairs_of
from .statistics import grouped_estimate, quantile_statistic

TRAIN, TEST = 0, 2
NOISES = (0.0, 0.05)  # rig units; 0.05 are 0.4 mm, about half a per cent of the eyes' distance
QUANTILES = {"median": 0.5, "p95": 0.95}
Array = NDArray[np.float64]


def summary(degrees: Array, people: NDArray[np.integer]) -> dict[str, Any]:
    """Median and 95th percentile of errors (N,) with intervals over ``people`` (N,)."""
    found = {
        name: asdict(grouped_estimate(quantile_statistic(degrees, share), people))
        for name, share in QUANTILES.items()
    }
    for estimate in found.values():
        del estimate["n"]
    return {"n": len(degrees), "people": len(np.unique(people)), **found}


def by_expression(
    degrees: Array, resting: NDArray[np.bool_], people: NDArray[np.integer]
) -> dict[str, Any]:
    """``summary`` of all faces, of those at rest and of the others."""
    parts = {"all": np.ones(len(degrees), bool), "at rest": resting, "expressive": ~resting}
    return {name: summary(degrees[rows], people[rows]) for name, rows in parts.items()}


def mesh_figures(turns: dict[str, Any]) -> dict[str, Any]:
    """Two meshes of one unseen person, without and with noise on the points."""

    def of(split: int, noise: float) -> Any:
        rows = turns["split"] == split
        parts = (turns[name][rows].astype(np.float64) for name in ("head", "rest", "pose"))
        return pairs_of(*parts, noise=noise, seed=split)

    found = {}
    for noise in NOISES:
        errors = pair_errors(of(TRAIN, noise), of(TEST, noise))
        found[f"noise {noise:g}"] = {n: summary(e, np.arange(len(e))) for n, e in errors.items()}
    return found


def picture_figures(turns: dict[str, Any], stabiliser: Stabiliser) -> dict[str, Any]:
    """One picture with exact points."""
    rows = turns["split"] == TEST
    pose = stabiliser.pose(turns["points"][rows])
    degrees = angle_between(rotations(pose), rotations(turns["pose"][rows]))
    return by_expression(degrees, turns["active"][rows] == 0, np.arange(len(degrees)))


def render_figures(rig: Path, methods: dict[str, Any]) -> dict[str, Any]:
    """One rendered picture as located by the network, by every method that has a ``pose``."""
    with np.load(rig / "labels.npz") as stored:
        labels = {name: stored[name] for name in ("split", "pose", "identity", "au")}
    points = np.load(rig / "landmarks.npy")
    rows = (labels["split"] == TEST) & np.isfinite(points).all(axis=(1, 2))
    truth, resting = rotations(labels["pose"][rows]), labels["au"][rows].max(axis=1) == 0
    return {
        name: by_expression(
            angle_between(rotations(method.pose(points[rows])), truth),
            resting,
            labels["identity"][rows],
        )
        for name, method in methods.items()
    }


def line(name: str, found: dict[str, Any]) -> str:
    """One summary as text."""
    cells = [
        f"{part} {found[part]['value']:.2f} [{found[part]['low']:.2f}, {found[part]['high']:.2f}]"
        for part in QUANTILES
    ]
    return f"{name}: {', '.join(cells)} degrees, n = {found['n']}"


def main(argv: list[str] | None = None) -> None:
    """Measure, print and store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--landmarks", type=Path, default=SHIPPED / LANDMARKS)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args(argv)
    folder = args.cache / "stabiliser"
    with np.load(folder / "turns.npz") as stored:
        turns = {name: stored[name] for name in stored.files}
    learned = Stabiliser.load(folder / "stabiliser.safetensors")
    result = {
        "meshes of one person": mesh_figures(turns),
        "one picture, exact points": {
            "learned": picture_figures(turns, Stabiliser.load(folder / "exact.safetensors"))
        },
        "one render, located points": render_figures(
            args.cache / "rig", {"learned": learned, "ridge": Geometry.load(args.landmarks)}
        ),
    }
    args.out.write_text(json.dumps(result, indent=2) + "\n")
    for setting, methods in result.items():
        for method, parts in methods.items():
            for part, found in parts.items():
                print(line(f"{setting}, {method}, {part}", found))


if __name__ == "__main__":
    main()
