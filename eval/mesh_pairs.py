"""Two meshes of one person with different expressions: how well can the skull's turn be told?

The setting of "Learning to Stabilize Faces": 68 points in space of the same person twice, moved
rigidly in between; find the rotation although the face has moved too. Procrustes on all points
takes expression for rotation; on eight points that hardly move it is better; a ridge regression on
what Procrustes leaves over learns which leftovers are expression.

Example: ``pair_errors(train, test)["learned"]`` -> degrees (N,), median 0.02 on unseen people.

Shapes: N pairs, 68 points in space, rig units. Fitted on training people, measured on others.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from facellm.stabilise import angle_between, rotations

Array = NDArray[np.float64]
RIGID = (27, 28, 29, 30, 36, 39, 42, 45)  # nose ridge and eye corners
PENALTY = 1e-3  # of the ridge, relative to the mean square of its inputs


@dataclass(frozen=True)
class Pairs:
    """The same people twice.

    Attributes:
        first: (N, 68, 3), in the head's frame.
        second: (N, 68, 3), another expression, turned by ``turn``.
        turn: (N, 3, 3), the true rotation.
    """

    first: Array
    second: Array
    turn: Array


def pairs_of(head: Array, rest: Array, pose: Array, noise: float, seed: int = 0) -> Pairs:
    """Pairs from faces in the head's frame.

    Args:
        head: (N, 68, 3) with an expression.
        rest: (N, 68, 3) the same people without.
        pose: (N, 3) degrees.
        noise: Standard deviation added to every coordinate, rig units.
        seed: Of noise and of the other expressions, which are drawn from the rows of ``head``.
    """
    rng = np.random.default_rng(seed)
    other = rest + (head - rest)[rng.permutation(len(head))]
    turn = rotations(pose)
    second = np.einsum("nvk,njk->nvj", head, turn)
    return Pairs(
        other + rng.normal(0, noise, other.shape), second + rng.normal(0, noise, head.shape), turn
    )


def procrustes(first: Array, second: Array) -> Array:
    """Rotations (N, 3, 3) that turn (N, M, 3) best onto (N, M, 3), least squares."""
    a = first - first.mean(axis=1, keepdims=True)
    b = second - second.mean(axis=1, keepdims=True)
    left, _, right = np.linalg.svd(np.einsum("nvi,nvj->nij", a, b))
    flip = np.sign(np.linalg.det(left @ right))
    right = np.concatenate([right[:, :2], right[:, 2:] * flip[:, None, None]], axis=1)
    return np.transpose(left @ right, (0, 2, 1))


def leftovers(pairs: Pairs) -> tuple[Array, Array]:
    """Procrustes on all points, and inputs (N, 1 + 204 + 204): first mesh and what is left over."""
    turn = procrustes(pairs.first, pairs.second)
    centred = pairs.second - pairs.second.mean(axis=1, keepdims=True)
    first = pairs.first - pairs.first.mean(axis=1, keepdims=True)
    left = np.einsum("nvj,njk->nvk", centred, turn) - first
    flat = [array.reshape(len(left), -1) for array in (first, left)]
    return turn, np.concatenate([np.ones((len(left), 1)), *flat], axis=1)


def turn_vectors(turns: Array) -> Array:
    """Rotations (N, 3, 3) below 180 degrees -> axis times angle in radians (N, 3)."""
    angle = np.deg2rad(angle_between(turns, np.broadcast_to(np.eye(3), turns.shape)))
    skew = turns - np.transpose(turns, (0, 2, 1))
    axis = np.stack([skew[:, 2, 1], skew[:, 0, 2], skew[:, 1, 0]], axis=1)
    return axis * (angle / np.maximum(2 * np.sin(angle), 1e-12))[:, None]


def turns_from(vectors: Array) -> Array:
    """Inverse of ``turn_vectors`` (Rodrigues)."""
    angle = np.linalg.norm(vectors, axis=1)[:, None, None]
    x, y, z = (vectors / np.maximum(angle[:, 0], 1e-12)).T
    zero = np.zeros_like(x)
    cross = np.stack([zero, -z, y, z, zero, -x, -y, x, zero], axis=1).reshape(-1, 3, 3)
    return np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * cross @ cross


def fit_leftovers(pairs: Pairs) -> Array:
    """Ridge coefficients (409, 3) from leftovers to the rotation that Procrustes missed."""
    turn, inputs = leftovers(pairs)
    missed = turn_vectors(np.transpose(turn, (0, 2, 1)) @ pairs.turn)
    gram = inputs.T @ inputs
    left = np.diag(gram)[-204:].mean()
    penalty = PENALTY * left * np.eye(len(gram))
    penalty[0, 0] = 0
    return np.linalg.solve(gram + penalty, inputs.T @ missed)


def pair_errors(train: Pairs, test: Pairs) -> dict[str, Array]:
    """Degrees (N,) by which each method misses the turn of the test pairs."""
    weights = fit_leftovers(train)
    turn, inputs = leftovers(test)
    rigid = list(RIGID)
    found = {
        "procrustes, 68 points": turn,
        "procrustes, 8 rigid points": procrustes(test.first[:, rigid], test.second[:, rigid]),
        "learned": turn @ turns_from(inputs @ weights),
    }
    return {name: angle_between(rotation, test.turn) for name, rotation in found.items()}
