"""Head rotation taken off 68 points: clean head pose, and measures that head motion leaves alone.

A lip corner lifts in the picture when the head nods; a small network, learned from a face model of
which rotation is known exactly, tells turning from expression: aligned points -> rotation, and the
same face seen from ahead. It is used only where a checkpoint folder holds its file,
``stabiliser.safetensors``; measures are then taken from ahead, with statistics of their own.

Example: ``Stabiliser.load(path).pose(points)`` -> ``[[21.3, -4.0, 2.2]]``; ``.frontal(points)`` is
that face at ``[[0, 0, 0]]``.

Shapes: N faces, L = 68 points in any unit, K = len(facellm.geometry.MEASURES), H hidden units.
Angles in degrees: yaw > 0 looks towards image right, pitch > 0 up, roll > 0 is clockwise.

Source: the idea is that of "Learning to Stabilize Faces" (Eurographics 2024): learn rigid motion
from a face model, after Procrustes. There: two meshes of one person; here: one set of points in a
picture, so the person's own shape must be told from a turn as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open

from facellm.errors import FaceLLMError
from facellm.geometry import MEASURES, Geometry, align, measure

STABILISER = "stabiliser.safetensors"
VERSION = "1"
Array = NDArray[np.floating]
Floats = NDArray[np.float64]
HIDDEN = 96
N_INPUTS, N_OUTPUTS = 136, 3 + 136
SHAPES = {
    "mean_shape": (68, 2),
    "frontal_shape": (68, 2),
    "input_scale": (N_INPUTS,),
    "output_scale": (N_OUTPUTS,),
    "layer1.weight": (HIDDEN, N_INPUTS),
    "layer1.bias": (HIDDEN,),
    "layer2.weight": (HIDDEN, HIDDEN),
    "layer2.bias": (HIDDEN,),
    "layer3.weight": (N_OUTPUTS, HIDDEN),
    "layer3.bias": (N_OUTPUTS,),
    "neutral_mean": (len(MEASURES),),
    "neutral_std": (len(MEASURES),),
}


def rotations(pose: Array) -> Floats:
    """Head frame -> camera frame (N, 3, 3) of yaw, pitch, roll (N, 3) in degrees.

    Right-handed frames with x right, y up, z towards the camera: first pitch, then yaw, then roll.
    """
    yaw, pitch, roll = np.deg2rad(np.asarray(pose, np.float64)).T
    zero, one = np.zeros_like(yaw), np.ones_like(yaw)

    def stacked(*rows: tuple[Floats, Floats, Floats]) -> Floats:
        return np.stack([np.stack(row, axis=-1) for row in rows], axis=-2)

    about_z = stacked(
        (np.cos(roll), np.sin(roll), zero), (-np.sin(roll), np.cos(roll), zero), (zero, zero, one)
    )
    about_y = stacked(
        (np.cos(yaw), zero, np.sin(yaw)), (zero, one, zero), (-np.sin(yaw), zero, np.cos(yaw))
    )
    about_x = stacked(
        (one, zero, zero),
        (zero, np.cos(pitch), np.sin(pitch)),
        (zero, -np.sin(pitch), np.cos(pitch)),
    )
    return about_z @ about_y @ about_x


def angle_between(first: Array, second: Array) -> Floats:
    """Angle (N,) in degrees, 0 to 180, of the rotation between rotations (N, 3, 3)."""
    # The chord, not the trace: an arc cosine near 1 loses half of its digits.
    chord = np.linalg.norm(np.asarray(first, np.float64) - second, axis=(1, 2))
    return np.rad2deg(2 * np.arcsin(np.clip(chord / np.sqrt(8), 0, 1)))


@dataclass(frozen=True, eq=False)
class Stabiliser:
    """The learned map.

    Attributes:
        tensors: Name -> array of the shapes in ``SHAPES``, float32.
    """

    tensors: dict[str, NDArray[np.float32]]

    @classmethod
    def load(cls, path: str | Path) -> Stabiliser:
        """Read a file that ``facellm.train.stabiliser`` wrote.

        Raises:
            FaceLLMError: If the file is missing, unreadable, of another version, or a tensor is
                missing or has another shape; the message names it.
        """
        try:
            with safe_open(str(path), framework="np") as stored:
                version = (stored.metadata() or {}).get("version")
                tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
        except Exception as error:  # safetensors has no base class of its own
            raise FaceLLMError(f"{path}: stabiliser cannot be read ({error})") from error
        if version != VERSION:
            raise FaceLLMError(f"{path}: stabiliser of version {version!r}, expected {VERSION!r}")
        for name, shape in SHAPES.items():
            found = tensors[name].shape if name in tensors else None
            if found != shape:
                raise FaceLLMError(f"{path}: {name} has shape {found}, expected {shape}")
        return cls({name: tensors[name].astype(np.float32) for name in SHAPES})

    def pose(self, points: Array) -> Floats:
        """Yaw, pitch and roll (N, 3) in degrees of (N, 68, 2) or (68, 2), y down.

        Learned within 30 degrees of yaw and 15 of pitch; read beyond as "far turned".
        """
        outputs, angle = self._outputs(points)
        pose = outputs[:, :3].copy()
        pose[:, 2] = (pose[:, 2] + np.rad2deg(angle) + 180) % 360 - 180
        return pose

    def frontal(self, points: Array) -> Floats:
        """The same faces seen from ahead, upright: (N, 68, 2), y down, unit root mean square."""
        outputs, _ = self._outputs(points)
        return self.tensors["frontal_shape"] + outputs[:, 3:].reshape(-1, 68, 2)

    def _outputs(self, points: Array) -> tuple[Floats, Floats]:
        """Angles left after alignment and offsets from the frontal shape (N, 139); turn (N,)."""
        held = self.tensors
        aligned, angle = align(points, held["mean_shape"])
        x = (aligned - held["mean_shape"]).reshape(len(aligned), -1) / held["input_scale"]
        for layer in ("layer1", "layer2"):
            x = x @ held[f"{layer}.weight"].T + held[f"{layer}.bias"]
            x = x / (1 + np.exp(-x.clip(-30)))  # SiLU
        x = x @ held["layer3.weight"].T + held["layer3.bias"]
        return x * held["output_scale"], angle


@dataclass(frozen=True, eq=False)
class StabilisedGeometry(Geometry):
    """``Geometry`` of faces turned to the front first.

    Attributes:
        stabiliser: Turns them; its statistics of neutral faces replace those of the base.
    """

    stabiliser: Stabiliser

    def pose(self, points: Array) -> Floats:
        """Yaw, pitch and roll (N, 3) in degrees of (N, 68, 2)."""
        return self.stabiliser.pose(points)

    def measures(self, points: Array) -> Floats:
        """Measures (N, K) of the frontal faces."""
        return measure(self.stabiliser.frontal(points))


def stabilised(geometry: Geometry, path: Path) -> Geometry:
    """The geometry with the stabiliser of a file; as it is where there is no such file.

    Raises:
        FaceLLMError: If the file is there and cannot be used.
    """
    if not path.is_file():
        return geometry
    found = Stabiliser.load(path)
    return StabilisedGeometry(
        geometry.mean_shape,
        geometry.pose_weights,
        found.tensors["neutral_mean"],
        found.tensors["neutral_std"],
        found,
    )
