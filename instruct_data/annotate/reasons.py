"""Which measure may be cited for which labelled expression: seen in the data, not in a codebook.

A measure goes with an expression where at least 45 % of the faces people label so show it standing
out in that direction, at least 1.4 times the share among all faces. Sadness and neutral have none.

Command, which prints the table from a prepared FER+ set::

    python -m facellm.instruct_data.annotate.reasons --cache .cache/default

Measured on 24,045 FER+ training faces with a clear majority; ``(share, ratio)`` behind each line.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.context import CITED_GEOMETRY
from facellm.folders import default_cache
from facellm.geometry import MEASURES, Geometry
from facellm.labels import EXPRESSIONS
from facellm.prepared import PreparedSet
from facellm.votes import published_majority

from .facts import shipped_geometry

LEAST_SHARE, LEAST_RATIO = 0.45, 1.4
# Expression -> words of a measure and the sign it stands out with.
GOES_WITH: dict[str, frozenset[tuple[str, int]]] = {
    "happiness": frozenset({("lip corners", 1), ("mouth opening", 1)}),  # .77 x1.7, .82 x1.5
    "surprise": frozenset({("brows", 1), ("mouth opening", 1)}),  # .67 x2.0, .79 x1.4
    "anger": frozenset({("brows", -1)}),  # .46 x2.0
    "disgust": frozenset({("brows", -1)}),  # .49 x2.1
    "fear": frozenset({("brows", 1)}),  # .60 x1.8
    "contempt": frozenset({("mouth opening", -1)}),  # .49 x2.3
}


def agreeing(expression: str | None, geometry: Mapping[str, int]) -> dict[str, int]:
    """Measures that stand out the way faces with this label do."""
    allowed = GOES_WITH.get(expression or "", frozenset())
    return {words: z for words, z in geometry.items() if (words, 1 if z > 0 else -1) in allowed}


def associations(
    zscores: NDArray[np.floating], labels: NDArray[np.integer]
) -> dict[tuple[str, str, int], tuple[float, float]]:
    """Share and ratio of every expression, measure and sign.

    Args:
        zscores: (N, K) of ``MEASURES``.
        labels: (N,) index into ``EXPRESSIONS``.
    """
    found = {}
    for name, words in CITED_GEOMETRY.items():
        for sign in (1, -1):
            hit = np.round(sign * zscores[:, MEASURES.index(name)]) >= 1
            for index, expression in enumerate(EXPRESSIONS):
                share = float(hit[labels == index].mean()) if (labels == index).any() else 0.0
                found[expression, words, sign] = share, share / max(float(hit.mean()), 1e-9)
    return found


def training_faces(
    cache: Path, geometry: Geometry
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """z-scores and majority labels of FER+ training faces with landmarks."""
    held = PreparedSet(cache / "ferplus")
    rows = held.rows(0)
    labels = published_majority(held.labels["votes"][rows])
    points = held.landmarks[rows]
    usable = np.isfinite(points).all((1, 2)) & (labels >= 0)
    return geometry.z_scores(points[usable]), labels[usable]


def main(argv: list[str] | None = None) -> None:
    """Print what goes with what."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    zscores, labels = training_faces(parser.parse_args(argv).cache, shipped_geometry())
    print(f"{len(labels)} faces")
    for (expression, words, sign), (share, ratio) in associations(zscores, labels).items():
        if share >= LEAST_SHARE and ratio >= LEAST_RATIO:
            print(f"{expression}: {words} {sign:+d} ({share:.2f}, x{ratio:.2f})")


if __name__ == "__main__":
    main()
