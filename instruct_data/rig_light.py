"""Light on the mesh of the rig: lamps, shading, normals and folds.

Example: ``Lights(np.random.default_rng(0)).shade(albedo, normals, openness, gloss)`` -> linear RGB.

Shapes: V vertices, Q quads, P points to shade. Colours: linear RGB. Frame of lamps: camera.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rig_camera import direction

Array = NDArray[Any]
Rng = np.random.Generator


class Lights:
    """Ambient light and one or two lamps; camera frame."""

    def __init__(self, rng: Rng) -> None:
        around, above = rng.normal(0, 40), rng.uniform(-10, 60)
        self.directions = [direction(float(np.clip(around, -85, 85)), above)]
        self.colours = [rng.uniform(0.55, 1.2) * (1 + rng.uniform(-0.12, 0.12, 3))]
        if rng.random() < 0.5:
            self.directions.append(
                direction(-np.sign(around) * rng.uniform(15, 80), rng.uniform(-20, 40))
            )
            self.colours.append(rng.uniform(0.1, 0.6) * (1 + rng.uniform(-0.15, 0.15, 3)))
        self.ambient = rng.uniform(0.15, 0.5) * (1 + rng.uniform(-0.1, 0.1, 3))
        self.wrap = rng.uniform(0.0, 0.3)

    def shade(self, albedo: Array, normals: Array, openness: Array, gloss: Array) -> Array:
        """Reflected light.

        Args:
            albedo: Linear RGB, (P, 3).
            normals: Camera frame, about unit length, (P, 3).
            openness: Share of the surroundings a point sees, [0, 1], (P,).
            gloss: Highlight strength, (P,).

        Returns:
            Linear RGB, (P, 3), float32.
        """
        normals = normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-6)
        sky = (openness * (0.75 + 0.25 * normals[:, 1]))[:, None] * self.ambient
        lamp_open = (0.25 + 0.75 * openness)[:, None]
        for toward, colour in zip(self.directions, self.colours, strict=True):
            facing = ((normals @ toward + self.wrap) / (1 + self.wrap)).clip(0)
            sky = sky + facing[:, None] * lamp_open * colour
        return (albedo * sky + (gloss * self.highlight(normals, 18) * openness)[:, None]).astype(
            np.float32
        )

    def highlight(self, normals: Array, sharpness: float) -> Array:
        """Blinn-Phong highlight of the first lamp, (P,)."""
        half = self.directions[0] + np.array([0.0, 0.0, 1.0])
        half /= np.linalg.norm(half)
        return (normals @ half).clip(0) ** sharpness * self.colours[0].mean()


def surface(mesh: Array, quads: Array) -> tuple[Array, Array]:
    """Vertex normals and hollowness.

    Args:
        mesh: (V, 3).
        quads: (Q, 4).

    Returns:
        Unit normals, (V, 3); how far the surroundings of a vertex rise above it, rig units,
        positive in folds, (V,).
    """
    corners = mesh[quads]
    facing = np.cross(corners[:, 2] - corners[:, 0], corners[:, 3] - corners[:, 1])
    middle = (corners[:, 0] + corners[:, 1] + corners[:, 2] + corners[:, 3]) / 4
    n = len(mesh)
    flat = quads.T.ravel()
    sums = [np.bincount(flat, np.tile(column, 4), n) for column in (*facing.T, *middle.T)]
    normals = np.stack(sums[:3], axis=1)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    around = np.stack(sums[3:], axis=1) / np.bincount(flat, minlength=n).clip(1)[:, None]
    hollow = ((around - mesh) * normals).sum(axis=1)
    return normals.astype(np.float32), hollow.astype(np.float32)
