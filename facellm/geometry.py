"""What 68 points say about a face by themselves: openings, lifts, gaps and head pose.

Pure geometry, so every number can be pointed at in the picture. Distances are in the face's own
frame (x along the line of the outer eye corners, y up across it) and in units of the distance of
the outer eye corners: turning the picture or scaling it changes nothing. A ``z`` says how far a
measure lies from neutral faces of the training set, in their standard deviations.

Example: a broad smile has ``lip_corner_lift`` 0.05 with z +2.1, ``mouth_open`` 0.11 with z +1.8.

Shapes: N faces, L = 68 points in any unit, K = len(MEASURES). Left and right are the viewer's.
Angles in degrees: yaw > 0 looks towards image right, pitch > 0 up, roll > 0 is clockwise.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from facellm.errors import FaceLLMError
from facellm.face import N_LANDMARKS

Array = NDArray[np.floating]

MEASURES = (
    "eye_open",  # the mean of the two below
    "eye_open_left",
    "eye_open_right",
    "mouth_open",
    "lip_corner_lift",
    "lip_corner_width",
    "brow_height",  # the mean of the two below
    "brow_height_left",
    "brow_height_right",
    "brow_gap",
    "nose_to_lip",
)
POSE = ("yaw", "pitch", "roll")


def check_points(points: Array) -> NDArray[np.float64]:
    """(N, 68, 2) or (68, 2) -> (N, 68, 2) float64.

    Raises:
        ValueError: If the shape is another one.
    """
    batch = np.asarray(points, np.float64)
    batch = batch[None] if batch.ndim == 2 else batch
    if batch.ndim != 3 or batch.shape[1:] != (N_LANDMARKS, 2):
        raise ValueError(f"landmarks have shape {np.shape(points)}, expected (N, 68, 2)")
    return batch


def inter_ocular(points: Array) -> NDArray[np.float64]:
    """Distance of the outer eye corners (N,) of (N, 68, 2), in the unit of the points."""
    batch = check_points(points)
    return np.linalg.norm(batch[:, 45] - batch[:, 36], axis=1)


def face_frame(points: Array) -> NDArray[np.float64]:
    """Points in the face's own frame: origin between the outer eye corners, x right, y up.

    Args:
        points: (N, 68, 2) or (68, 2), y down, any unit.

    Returns:
        (N, 68, 2) in inter-ocular distances; finite even where the two corners coincide.
    """
    batch = check_points(points)
    eye = batch[:, 45] - batch[:, 36]
    length = np.maximum(np.linalg.norm(eye, axis=1, keepdims=True), 1e-9)
    along = eye / length
    up = np.stack([along[:, 1], -along[:, 0]], axis=1)  # y points down in a picture
    centred = batch - (batch[:, 36:37] + batch[:, 45:46]) / 2
    axes = np.stack([along, up], axis=2)
    return centred @ axes / length[:, None]


def measure(points: Array) -> NDArray[np.float64]:
    """All measures.

    Args:
        points: (N, 68, 2) or (68, 2), y down, any unit.

    Returns:
        (N, K) in the order of ``MEASURES``. Eye openings are lid gap / eye width, the others are in
        inter-ocular distances.
    """
    frame = face_frame(points)
    x, y = frame[..., 0], frame[..., 1]

    def gap(*pairs: tuple[int, int]) -> NDArray[np.float64]:
        spans = [np.linalg.norm(frame[:, a] - frame[:, b], axis=1) for a, b in pairs]
        return np.mean(spans, axis=0)

    left_eye = gap((37, 41), (38, 40)) / np.maximum(gap((36, 39)), 1e-6)
    right_eye = gap((43, 47), (44, 46)) / np.maximum(gap((42, 45)), 1e-6)
    mouth_center = y[:, [51, 57, 62, 66]].mean(axis=1)
    left_brow = y[:, 17:22].mean(axis=1) - y[:, 36:42].mean(axis=1)
    right_brow = y[:, 22:27].mean(axis=1) - y[:, 42:48].mean(axis=1)
    columns = (
        (left_eye + right_eye) / 2,
        left_eye,
        right_eye,
        gap((61, 67), (62, 66), (63, 65)),
        y[:, [48, 54]].mean(axis=1) - mouth_center,
        np.abs(x[:, 54] - x[:, 48]),
        (left_brow + right_brow) / 2,
        left_brow,
        right_brow,
        gap((21, 22)),
        y[:, 33] - y[:, 51],
    )
    return np.stack(columns, axis=1)


def pose_features(points: Array, mean_shape: Array) -> NDArray[np.float64]:
    """Inputs of the pose regression: a face without its scale, place and roll.

    Args:
        points: (N, 68, 2), y down.
        mean_shape: (68, 2), zero mean, unit root mean square, y down.

    Returns:
        (N, 1 + 136 + 136): one, aligned points minus the mean shape, and their squares.
    """
    batch = check_points(points)
    aligned, _ = align(batch, mean_shape)
    rest = (aligned - mean_shape).reshape(len(batch), -1)
    return np.concatenate([np.ones((len(batch), 1)), rest, rest**2 * np.sign(rest)], axis=1)


def align(points: Array, mean_shape: Array) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Procrustes: turn, scale and shift faces onto a mean shape.

    Args:
        points: (N, 68, 2).
        mean_shape: (68, 2), zero mean.

    Returns:
        Aligned points (N, 68, 2) and the clockwise turn (N,) in radians that was taken off.
    """
    batch = check_points(points)
    centred = batch - batch.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=2).mean(axis=1))[:, None, None]
    z = centred[..., 0] + 1j * centred[..., 1]
    reference = np.asarray(mean_shape)[:, 0] + 1j * np.asarray(mean_shape)[:, 1]
    angle = np.angle((z * reference.conj()).sum(axis=1))
    z = z * np.exp(-1j * angle)[:, None] / np.maximum(size[:, :, 0], 1e-9)
    return np.stack([z.real, z.imag], axis=2), angle


@dataclass(frozen=True, eq=False)
class Geometry:
    """Coefficients behind head pose and z-scores; they travel with the landmark weights.

    Attributes:
        mean_shape: (68, 2), zero mean, unit root mean square, y down.
        pose_weights: (273, 3) ridge coefficients -> yaw, pitch, roll left after alignment, degrees.
        neutral_mean: (K,) mean of each measure over neutral training faces.
        neutral_std: (K,) their standard deviation.
    """

    mean_shape: NDArray[np.float32]
    pose_weights: NDArray[np.float32]
    neutral_mean: NDArray[np.float32]
    neutral_std: NDArray[np.float32]

    @classmethod
    def load(cls, path: str | Path) -> Geometry:
        """Read the coefficients from a landmark weight file.

        Raises:
            FaceLLMError: If the file is missing, unreadable or has no such coefficients.
        """
        names = ("mean_shape", "pose_weights", "neutral_mean", "neutral_std")
        try:
            with safe_open(str(path), framework="np") as stored:
                held = set(stored.keys())
                missing = [name for name in names if f"measures.{name}" not in held]
                if missing:
                    raise FaceLLMError(f"{path}: no measures.{missing[0]} in these weights")
                tensors = [stored.get_tensor(f"measures.{name}") for name in names]
        except FaceLLMError:
            raise
        except Exception as error:  # safetensors has no base class of its own
            raise FaceLLMError(f"{path}: landmark weights cannot be read ({error})") from error
        return cls(*(tensor.astype(np.float32) for tensor in tensors))

    def pose(self, points: Array) -> NDArray[np.float64]:
        """Yaw, pitch and roll (N, 3) in degrees of (N, 68, 2); read beyond +-35 as "far turned"."""
        _, angle = align(points, self.mean_shape)
        found = pose_features(points, self.mean_shape) @ self.pose_weights
        found[:, 2] += np.rad2deg(angle)
        found[:, 2] = (found[:, 2] + 180) % 360 - 180
        return found

    def measures(self, points: Array) -> NDArray[np.float64]:
        """Measures (N, K) of (N, 68, 2) as the coefficients expect them."""
        return measure(points)

    def z_scores(self, points: Array) -> NDArray[np.float64]:
        """Measures (N, K) as distances from neutral faces, in standard deviations."""
        return (self.measures(points) - self.neutral_mean) / self.neutral_std

    def describe(self, points: Array) -> dict[str, dict[str, float]]:
        """One face (68, 2) in words: ``{"mouth_open": {"value": 0.11, "z": 1.8}, ...}``."""
        values, scores = self.measures(points)[0], self.z_scores(points)[0]
        rows = zip(MEASURES, values, scores, strict=True)
        return {name: {"value": float(value), "z": float(z)} for name, value, z in rows}
