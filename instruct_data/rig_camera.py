"""Head pose, gaze directions and the camera of the rig: angles -> vectors -> image.

Signs, used by every label: yaw > 0 towards the image's right, pitch > 0 up, roll > 0 clockwise in
the image; degrees. The head rotation is ``Rz(-roll) Ry(yaw) Rx(-pitch)``: yaw and pitch point the
nose, roll then tilts the picture.

Example: ``direction(30.0, 0.0)`` -> (0.5, 0, 0.87), a look to the image's right.

Camera frame: x right, y up, z towards the camera. Image frame: x right, y down, [0, 1].
Shapes: V points.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Angles = tuple[float, float, float]
_PIVOT = np.array([0.0, 0.0, 4.0], dtype=np.float32)


def rotation(pose: Angles) -> Array:
    """Head frame -> camera frame, (3, 3), for yaw, pitch, roll in degrees."""
    yaw, pitch, roll = np.deg2rad(pose)
    about_z = np.array(
        [[np.cos(roll), np.sin(roll), 0], [-np.sin(roll), np.cos(roll), 0], [0, 0, 1]]
    )
    about_y = np.array([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]])
    about_x = np.array(
        [[1, 0, 0], [0, np.cos(pitch), np.sin(pitch)], [0, -np.sin(pitch), np.cos(pitch)]]
    )
    return about_z @ about_y @ about_x


def direction(yaw: float, pitch: float) -> Array:
    """Unit vector of a look with these angles in degrees, (3,)."""
    yaw, pitch = np.deg2rad(yaw), np.deg2rad(pitch)
    return np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])


def angles(vector: Array) -> tuple[float, float]:
    """Yaw and pitch in degrees of a direction, the inverse of ``direction``."""
    yaw = np.arctan2(vector[0], vector[2])
    pitch = np.arcsin(np.clip(vector[1] / np.linalg.norm(vector), -1, 1))
    return float(np.rad2deg(yaw)), float(np.rad2deg(pitch))


@dataclass(frozen=True)
class Camera:
    """Mild perspective and the place of the face in the image.

    Attributes:
        turn: Head frame -> camera frame, (3, 3).
        distance: From the pivot of the head, rig units.
        scale: Image widths per rig unit at the pivot.
        offset: Image position of the pivot, (2,).
    """

    turn: Array
    distance: float
    scale: float
    offset: Array

    @classmethod
    def fit(
        cls, points: Array, pose: Angles, distance: float, fill: float, shift: tuple[float, float]
    ) -> "Camera":
        """Frame a face so that its landmark box has the wanted width and no landmark is cut.

        Args:
            points: Its landmarks in the head frame, (68, 3).
            pose: Yaw, pitch, roll of the head, degrees.
            distance: From the pivot of the head, rig units.
            fill: Wanted width of the landmark box / image width; less where the height would not
                fit.
            shift: Position of the box within its slack, x and y in [-1, 1].

        Returns:
            The camera.
        """
        turn = rotation(pose).astype(np.float32)
        flat = cls(turn, distance, 1.0, np.zeros(2, dtype=np.float32)).project(points)[0]
        low, high = flat.min(axis=0), flat.max(axis=0)
        scale = min(fill / (high[0] - low[0]), 0.95 / (high[1] - low[1]))
        slack = np.minimum((0.97 - scale * (high - low)) / 2, 0.12)
        centre = 0.5 + np.array(shift) * slack.clip(0)
        return cls(
            turn,
            distance,
            float(scale),
            (centre - scale * (low + high) / 2).astype(np.float32),
        )

    def project(self, points: Array) -> tuple[Array, Array]:
        """Head frame -> image.

        Args:
            points: (V, 3).

        Returns:
            Image positions in [0, 1], (V, 2), and the points in the camera frame, (V, 3).
        """
        seen = (points - _PIVOT) @ self.turn.T
        nearness = np.float32(self.scale * self.distance) / (
            np.float32(self.distance) - seen[:, 2:]
        )
        return seen[:, :2] * nearness * np.array([1, -1], dtype=np.float32) + self.offset, seen
