"""Made-up solid faces that are turned, and a stabiliser's tensors at random."""

import numpy as np

from facellm.face import MIRROR_68
from facellm.geometry import MEASURES
from facellm.stabilise import SHAPES, rotations


def tensors(seed=0):
    rng = np.random.default_rng(seed)
    found = {name: rng.normal(0, 0.1, shape).astype(np.float32) for name, shape in SHAPES.items()}
    return found | {
        "input_scale": np.ones(136, np.float32),
        "neutral_std": np.full(len(MEASURES), 0.05, np.float32),
    }


def turned_heads(count, seed=0):
    """Solid heads (N, 68, 3), their pose (N, 3) and how they look (N, 68, 2), no perspective."""
    rng = np.random.default_rng(seed)
    shape = np.random.default_rng(9).normal(0, 1, (68, 3)) * np.array([1.0, 1.2, 1.0])
    shape = (shape + shape[MIRROR_68] * np.array([-1, 1, 1])) / 2
    head = shape + rng.normal(0, 0.01, (count, 68, 3))
    pose = rng.uniform(-1, 1, (count, 3)) * np.array([30, 15, 12])
    seen = np.einsum("nvk,njk->nvj", head, rotations(pose))
    return head, pose, seen[..., :2] * np.array([3.0, -3.0]) + 5.0


def turned_solids(count, seed=0):
    """The points of ``turned_heads`` as seen."""
    return turned_heads(count, seed)[2]
