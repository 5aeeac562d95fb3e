"""The exact labels of a face of the rig, from its geometry: no pixel is needed.

Example: ``label_face(rig, sample)["au"]`` -> (21,) with 0.8 in the column of AU12.

Labels come from 68 blended vertices, so a set of 10,000 faces is labelled in seconds.
Shapes: 21 action units, 68 landmarks. Signs of angles: see ``rig_camera``.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.labels import split_of

from .rig import ACTION_UNITS, N_IDENTITIES, Rig, identity_splits, identity_table
from .rig_camera import angles, direction, rotation
from .rig_sample import FaceSample

Array = NDArray[Any]

# Lips count as parted from this gap / inter-ocular distance on; the intensity is 1 at the upper
# bound.
LIP_GAP = (0.035, 0.155)
_TABLE = identity_table()
_SPLITS = identity_splits()


def label_face(rig: Rig, sample: FaceSample, people: Array = _TABLE) -> dict[str, Array]:
    """The exact labels of one face.

    Args:
        rig: The face model.
        sample: The face.
        people: Coefficients of the population, ``identity_table()`` or a longer one.

    Returns:
        ``au`` (21,) in [0, 1]; ``landmarks`` (68, 2) in [0, 1]; ``pose`` (3,) and ``gaze`` (2,)
        degrees relative to the camera axis; ``identity``, ``split``; ``mouth_open`` lip gap /
        inter-ocular distance; ``eye_open`` (2,) opening / width, image-left eye first. Openness
        is measured on the mesh, so turning the head leaves it unchanged.
    """
    points = rig.landmarks(people[sample.identity], sample.expression)
    gap = lip_gap(points)
    au = np.array([sample.units.get(unit, 0.0) for unit in ACTION_UNITS], dtype=np.float32)
    parted = 0.0 if {24, 28} & set(sample.units) else (gap - LIP_GAP[0]) / (LIP_GAP[1] - LIP_GAP[0])
    au[ACTION_UNITS.index(25)] = np.clip(parted, 0.0, 1.0)
    return {
        "au": au,
        "landmarks": sample.camera(points).project(points)[0].astype(np.float32),
        "pose": np.array(sample.pose, dtype=np.float32),
        "gaze": np.array(angles(rotation(sample.pose) @ direction(*sample.eyes)), dtype=np.float32),
        "identity": np.array(sample.identity, dtype=np.int32),
        "split": identity_split(sample.identity),
        "mouth_open": np.array(gap, dtype=np.float32),
        "eye_open": np.array(
            [eye_opening(points[36:42]), eye_opening(points[42:48])], dtype=np.float32
        ),
    }


def identity_split(identity: int) -> Array:
    """Split of a person, () int8: of the fixed population as drawn once, of others by hash."""
    if identity < N_IDENTITIES:
        return _SPLITS[identity, ...]
    place = ("train", "valid", "test").index(split_of(f"rig/person/{identity}"))
    return np.array(place, dtype=np.int8)


def lip_gap(points: Array) -> float:
    """Mean inner-lip opening / inter-ocular distance of (68, 3) points; crossed lips give 0."""
    between_eyes = np.linalg.norm(points[36:42].mean(axis=0) - points[42:48].mean(axis=0))
    heights = points[[61, 62, 63], 1] - points[[67, 66, 65], 1]
    return float(heights.mean().clip(0) / between_eyes)


def eye_opening(eye: Array) -> float:
    """Lid distance / eye width of six eye landmarks in iBUG order, (6, 3)."""
    lids = np.linalg.norm(eye[[1, 2]] - eye[[5, 4]], axis=1).mean()
    return float(lids / np.linalg.norm(eye[0] - eye[3]))
