"""Eyeballs: the sclera shell of the rig hides its iris, so iris and pupil are painted by angle.

Example: ``Eyes.draw(rng).albedo(normals, gaze)`` -> dark within the pupil's angle of the gaze axis.

Angles are seen from the centre of the ball, radians. Shapes: P points on a ball.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Rng = np.random.Generator

# Iris edge of an average eye, and a pupil in room light.
_IRIS, _PUPIL = 0.44, (0.13, 0.24)
_IRIS_COLOURS = (
    (0.05, 0.025, 0.012),
    (0.11, 0.055, 0.02),
    (0.12, 0.11, 0.04),
    (0.1, 0.17, 0.24),
    (0.13, 0.15, 0.15),
)
_IRIS_WEIGHTS = (0.4, 0.25, 0.1, 0.15, 0.1)


@dataclass(frozen=True)
class Eyes:
    """The colours and sizes of a pair of eyes.

    Attributes:
        iris: Linear RGB, (3,).
        white: Linear RGB of the sclera, (3,).
        pupil: Edge of the pupil, radians from the gaze axis.
        size: Edge of the iris, radians from the gaze axis.
    """

    iris: Array
    white: Array
    pupil: float
    size: float

    @classmethod
    def draw(cls, rng: Rng) -> "Eyes":
        """Random eyes."""
        iris = np.array(_IRIS_COLOURS[rng.choice(5, p=_IRIS_WEIGHTS)]) * rng.uniform(0.7, 1.4)
        pupil, size = rng.uniform(*_PUPIL), _IRIS * rng.uniform(0.93, 1.07)
        return cls(iris, np.array([0.72, 0.66, 0.62]) * rng.uniform(0.75, 1.1), pupil, size)

    def albedo(self, normals: Array, gaze: Array) -> Array:
        """Colour of points of the ball.

        Args:
            normals: Unit vectors from the centre of the ball, (P, 3).
            gaze: Unit vector of the look in the same frame, (3,).

        Returns:
            Linear RGB, (P, 3).
        """
        angle = np.arccos((normals @ gaze).clip(-1, 1))[:, None]
        ring = 1 - 0.55 * np.exp(-(((angle - self.size) / 0.07) ** 2))
        around = np.arctan2(normals[:, 1:2], normals[:, :1])
        streaks = 1 + 0.25 * np.sin(17 * around + 40 * angle)
        iris = self.iris * streaks * ring * (0.7 + 0.5 * angle / self.size)
        inner = np.where(angle < self.pupil, 0.004, iris)
        return np.where(angle < self.size, inner, self.white * ring)


def ball_centre(points: Array) -> Array:
    """Centre of the sphere through the eyeball's vertices by least squares, (3,)."""
    points = points.astype(np.float64)
    system = np.concatenate([2 * points, np.ones((len(points), 1))], axis=1)
    return np.linalg.lstsq(system, (points**2).sum(axis=1), rcond=None)[0][:3]
