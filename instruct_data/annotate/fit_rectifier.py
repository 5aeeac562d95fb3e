"""Fit the geometry reader, set the bounds of both readers, and measure the rectifier on renders.

Command::

    python -m facellm.instruct_data.annotate.fit_rectifier --cache .cache/default \
        --out .cache/default/rectifier.npz [--points published] [--measure 500]

Units are fitted on the training renders and expressions on the training faces of FER+; the bounds
come from validation rows, the figures from test identities, with labels of other renders in the
place of the right ones: another expression, or units of which at most a third are shared.
``--points published`` reads the renders' exact points instead of those the landmark network finds.

Measured on 500 test rows each, every reader allowed to lose .05 of the right labels::

                                    wrong labels rejected   right ones rejected
    units, exact points                      .986                   .078
    units, points found                      .810                   .066
    expressions of FER+, points found        .906                   .094

On points that were found the landmarks' own error hides most units from the second reader.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.folders import default_cache
from facellm.geometry import Geometry
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.prepared import PreparedSet
from facellm.readers.row import FaceRow, Rejection
from facellm.votes import published_majority

from ..corpus.record import CorpusFace, Draft, Outcome
from .facts import MENTIONED_FROM, shipped_geometry
from .rectify import RectifyStep, named_shares, unit_shares
from .rectify_reader import Floats, Rectifier, expression_scores, features, unit_scores

STRENGTH = 0.05  # inverse of the L2 penalty; chosen on validation renders
GRADIENT = 1e-3  # of the mean loss at which a fit has converged
BOUND_ROWS = 800  # validation rows behind a bound
SEED = 5
LOST = (0.02, 0.03, 0.05, 0.08, 0.1)


@dataclass(frozen=True)
class Rows:
    """Labelled rows of one prepared set, of one split.

    Attributes:
        held: The set.
        rows: (N,) row numbers with points.
        points: (N, 68, 2) in [0, 1].
        labels: (N, U) active units, or (N,) expressions.
    """

    held: PreparedSet
    rows: NDArray[np.integer]
    points: Floats
    labels: NDArray[Any]

    def some(self, count: int, rng: np.random.Generator) -> Rows:
        """At most ``count`` of them, drawn."""
        kept = np.sort(rng.permutation(len(self.rows))[:count])
        return replace(
            self, rows=self.rows[kept], points=self.points[kept], labels=self.labels[kept]
        )

    def drafts(self) -> list[Draft]:
        """As drafts without labels: picture, points found and points published."""
        return [self._draft(int(row)) for row in self.rows]

    def _draft(self, row: int) -> Draft:
        picture = np.ascontiguousarray(self.held.images[row])
        picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
        found = self.held.points(row)
        exact = self.held.exact
        face_row = FaceRow(
            source="prepared",
            key=str(row),
            split="test",
            landmarks=None if exact is None else exact[row] * self.held.side,
        )
        assert found is not None
        box = (*found.min(0), *found.max(0))
        face = CorpusFace(box, found.astype(np.float32), 1.0)
        return Draft(face_row, SEED, picture=picture, faces=(face,))


def render_rows(cache: Path, split: int, published: bool) -> Rows:
    """Renders of a split with their active units."""
    held = PreparedSet(cache / "rig")
    rows = held.rows(split)
    points = held.exact if published else held.landmarks
    if points is None:
        raise FaceLLMError(f"{cache / 'rig'}: no landmarks")
    rows = rows[np.isfinite(held.landmarks[rows]).all((1, 2))]
    return Rows(held, rows, points[rows], held.labels["au"][rows] >= MENTIONED_FROM)


def face_rows(cache: Path, split: int) -> Rows:
    """FER+ faces of a split with a clear majority."""
    held = PreparedSet(cache / "ferplus")
    rows = held.rows(split)
    labels = published_majority(held.labels["votes"][rows])
    usable = np.isfinite(held.landmarks[rows]).all((1, 2)) & (labels >= 0)
    rows = rows[usable]
    return Rows(held, rows, held.landmarks[rows], labels[usable])


def fit(cache: Path, published: bool, geometry: Geometry) -> Rectifier:
    """The geometry reader with its priors; the bounds still empty."""
    from sklearn.linear_model import LogisticRegression  # of the extra ``build``

    renders, faces = render_rows(cache, 0, published), face_rows(cache, 0)
    seen = features(renders.points, geometry)
    mean, std = seen.mean(axis=0), seen.std(axis=0) + 1e-6
    units = [
        LogisticRegression(C=STRENGTH, max_iter=1000, tol=GRADIENT).fit((seen - mean) / std, active)
        for active in renders.labels.T
    ]
    named = LogisticRegression(C=STRENGTH, max_iter=1000, tol=GRADIENT)
    named.fit((features(faces.points, geometry) - mean) / std, faces.labels)
    if named.classes_.tolist() != list(range(len(EXPRESSIONS))):
        raise FaceLLMError(f"{cache / 'ferplus'}: not every expression is among the labels")
    return Rectifier(
        mean=mean,
        std=std,
        unit_weights=np.stack([unit.coef_[0] for unit in units], axis=1),
        unit_bias=np.array([unit.intercept_[0] for unit in units]),
        expression_weights=named.coef_.T,
        expression_bias=np.asarray(named.intercept_),
        unit_prior=renders.labels.mean(axis=0),
        expression_prior=np.bincount(faces.labels) / len(faces.labels),
        unit_right=np.zeros((2, 1, len(ACTION_UNITS))),
        expression_right=np.zeros((2, 1)),
        published=np.array(published),
    )


def with_bounds(weights: Rectifier, step: RectifyStep, renders: Rows, faces: Rows) -> Rectifier:
    """The rectifier with both readers' scores of right labels."""
    geometry = shipped_geometry()
    by_points = weights.unit_probabilities(features(renders.points, geometry))
    by_model = unit_shares(step.read(renders.drafts()))
    named_by_points = weights.expression_shares(features(faces.points, geometry))
    named_by_model = named_shares(step.read(faces.drafts()))
    return replace(
        weights,
        unit_right=np.stack(
            [unit_scores(p, renders.labels, weights.unit_prior) for p in (by_points, by_model)]
        ),
        expression_right=np.stack(
            [
                expression_scores(p, faces.labels, weights.expression_prior)
                for p in (named_by_points, named_by_model)
            ]
        ),
    )


def labelled(drafts: Sequence[Draft], labels: NDArray[Any]) -> list[Draft]:
    """Drafts with units (N, U) or expressions (N,) as their labels."""

    def row(draft: Draft, label: NDArray[Any]) -> FaceRow:
        if labels.ndim == 2:
            units = {n: float(on) for n, on in zip(ACTION_UNITS, label, strict=True)}
            return replace(draft.row, units=units)
        return replace(draft.row, expression=EXPRESSIONS[int(label)])

    return [replace(d, row=row(d, label)) for d, label in zip(drafts, labels, strict=True)]


def other_labels(labels: NDArray[Any], rng: np.random.Generator) -> NDArray[Any]:
    """For every row the label of another row that differs; units differ in most active ones."""
    found = np.empty_like(labels)
    for index, own in enumerate(labels):
        differs = [far(own, other) for other in labels]
        found[index] = labels[rng.choice(np.flatnonzero(differs))]
    return found


def far(own: NDArray[Any], other: NDArray[Any]) -> bool:
    """Another expression, or units of which at most a third are shared."""
    if own.ndim == 0:
        return bool(own != other)
    union = int((own | other).sum())
    return union > 0 and int((own & other).sum()) / union <= 1 / 3


def rejected(outcomes: Sequence[Outcome]) -> float:
    """Share of rejections."""
    return sum(isinstance(outcome, Rejection) for outcome in outcomes) / len(outcomes)


def measure_step(step: RectifyStep, rows: Rows, rng: np.random.Generator) -> list[str]:
    """Rejections of right and of wrong labels at some bounds, in words."""
    drafts = rows.drafts()
    readings = step.read(drafts)
    right = labelled(drafts, rows.labels)
    wrong = labelled(drafts, other_labels(rows.labels, rng))
    told = []
    for lost in LOST:
        tried = replace(step, lost=lost)
        shares = [rejected(tried.judge(some, readings)) for some in (wrong, right)]
        told.append(
            f"each reader may lose {lost}: wrong labels rejected {shares[0]:.3f}, "
            f"right ones {shares[1]:.3f} (n {len(drafts)})"
        )
    return told


def main(argv: list[str] | None = None) -> None:
    """Fit, write and measure."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--cache", type=Path, default=default_cache())
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--points", choices=("found", "published"), default="found")
    parser.add_argument("--measure", type=int, default=500, help="test rows; 0 measures nothing")
    args = parser.parse_args(argv)
    published, rng = args.points == "published", np.random.default_rng(SEED)
    weights = fit(args.cache, published, shipped_geometry())
    weights.save(args.out)
    step = RectifyStep(str(args.out))
    renders = render_rows(args.cache, 1, published).some(BOUND_ROWS, rng)
    faces = face_rows(args.cache, 1).some(BOUND_ROWS, rng)
    with_bounds(weights, step, renders, faces).save(args.out)
    if not args.measure:
        return
    tested = {"units": render_rows(args.cache, 2, published)}
    if not published:
        tested["expressions"] = face_rows(args.cache, 2)
    for name, rows in tested.items():
        for line in measure_step(step, rows.some(args.measure, rng), rng):
            print(f"{name}, {line}")


if __name__ == "__main__":
    main()
