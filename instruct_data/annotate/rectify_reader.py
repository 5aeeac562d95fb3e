"""How well a label fits what a reader reads: scores, and the weights of the geometry reader.

The geometry reader sees 68 points and nothing else: logistic regressions on the aligned points and
the product's measures. A score is the log of how much likelier the reader makes the label than it
is at large; it is high for a rare label that was seen, and low for one nothing speaks for.

Shapes: N faces, U = 21 units in the order of ``labels.ACTION_UNITS``, E = 8 expressions, F
features.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.geometry import Geometry, measure, pose_features

Floats = NDArray[np.floating]
SURE = 1e-3  # no probability counts as nearer to 0 or 1


def features(points: Floats, geometry: Geometry) -> NDArray[np.float64]:
    """(N, 68, 2) points, any unit -> (N, F): aligned points with their squares, and measures."""
    shape = pose_features(points, geometry.mean_shape)[:, 1:]
    return np.concatenate([shape, measure(points)], axis=1)


def unit_scores(probabilities: Floats, active: NDArray[np.bool_], prior: Floats) -> Floats:
    """Log-likelihood ratio of every unit's label.

    Args:
        probabilities: (N, U) that a unit is active.
        active: (N, U) what the label says.
        prior: (U,) share of faces a unit is active on.

    Returns:
        (N, U); a face's score is the sum over the units its set codes.
    """
    read = np.clip(probabilities, SURE, 1 - SURE)
    return np.where(active, np.log(read / prior), np.log((1 - read) / (1 - prior)))


def expression_scores(probabilities: Floats, labels: NDArray[np.integer], prior: Floats) -> Floats:
    """Log-likelihood ratio (N,) of labels (N,) under (N, E) shares and the prior (E,)."""
    read = np.clip(probabilities[np.arange(len(labels)), labels], SURE, 1)
    return np.log(read / prior[labels])


@dataclass(frozen=True, eq=False)
class Rectifier:
    """Weights of the geometry reader, priors, and both readers' scores of right labels.

    Attributes:
        mean: (F,) of the features; ``std`` likewise.
        std: See ``mean``.
        unit_weights: (F, U); ``unit_bias`` (U,).
        unit_bias: See ``unit_weights``.
        expression_weights: (F, E); ``expression_bias`` (E,).
        expression_bias: See ``expression_weights``.
        unit_prior: (U,) share of training faces a unit is active on.
        expression_prior: (E,) share of training faces.
        unit_right: (2, N, U) scores of right labels on validation faces: geometry, model.
        expression_right: (2, M) likewise.
        published: Whether it was fitted on points the sets publish; otherwise on those found.
    """

    mean: Floats
    std: Floats
    unit_weights: Floats
    unit_bias: Floats
    expression_weights: Floats
    expression_bias: Floats
    unit_prior: Floats
    expression_prior: Floats
    unit_right: Floats
    expression_right: Floats
    published: NDArray[np.bool_]

    @classmethod
    def load(cls, path: Path) -> Rectifier:
        """Read a file; ``FaceLLMError`` if it is missing or not one that ``save`` wrote."""
        try:
            with np.load(path, allow_pickle=False) as held:
                return cls(**{field.name: held[field.name] for field in fields(cls)})
        except (OSError, ValueError, KeyError) as error:
            raise FaceLLMError(f"{path}: not the weights of a rectifier ({error})") from error

    def save(self, path: Path) -> None:
        """Write the file."""
        path.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    def unit_probabilities(self, seen: Floats) -> NDArray[np.float64]:
        """(N, F) features -> (N, U)."""
        logits = (seen - self.mean) / self.std @ self.unit_weights + self.unit_bias
        return 1 / (1 + np.exp(-logits))

    def expression_shares(self, seen: Floats) -> NDArray[np.float64]:
        """(N, F) features -> (N, E), each row sums to 1."""
        logits = (seen - self.mean) / self.std @ self.expression_weights + self.expression_bias
        logits -= logits.max(axis=1, keepdims=True)
        shares = np.exp(logits)
        return shares / shares.sum(axis=1, keepdims=True)

    def unit_bounds(self, coded: NDArray[np.bool_], lost: float) -> Floats:
        """Score (2,) of some units under which each reader loses ``lost`` of the right labels."""
        return np.quantile(self.unit_right[:, :, coded].sum(axis=2), lost, axis=1)

    def expression_bounds(self, lost: float) -> Floats:
        """Score (2,) of the expression under which each reader loses ``lost`` of the right ones."""
        return np.quantile(self.expression_right, lost, axis=1)
