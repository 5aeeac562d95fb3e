"""Draw faces of the rig: who, which action units, where the head and the eyes turn, which camera.

A ``FaceSample`` is all that geometry needs; ``rig_truth`` labels it, ``rig_scene`` renders it.

Example: ``sample_face(rig, np.random.default_rng([7, 3])).units`` -> ``{10: 0.86, 14: 0.91}``.

Signs of angles: see ``rig_camera``. Intensities in [0, 1].
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .rig import ACTION_UNITS, N_IDENTITIES, Rig, expression_from_units
from .rig_camera import Angles, Camera, angles, rotation

Array = NDArray[Any]
Rng = np.random.Generator

# Antagonists, or pairs whose joint result would hide one of the two: a label must be visible.
# Independent draws avoid them; a prototype is shown by people and stays as it is.
_EXCLUDES: dict[int, tuple[int, ...]] = {
    2: (4,),
    5: (43,),
    6: (43,),
    7: (43,),
    9: (24, 25, 28),
    10: (18, 22, 24, 25, 28),
    12: (14, 15, 17, 18, 20, 22, 24, 28),
    14: (18, 20, 22, 24, 28),
    15: (18, 22, 28),
    16: (17, 18, 22, 24, 25, 28),
    17: (18, 22, 24, 25, 26, 28),
    18: (20, 22, 24, 25, 26, 28),
    20: (22, 24, 28),
    22: (24, 25, 28),
    24: (25, 26, 28),
    25: (26, 28),
    26: (28,),
}
INCOMPATIBLE = frozenset(
    frozenset((unit, other)) for unit, others in _EXCLUDES.items() for other in others
)
# Units that occur together on people, so that the set is not only independent draws. Each is
# thinned at random.
# fmt: off
PROTOTYPES: tuple[tuple[int, ...], ...] = (
    (6, 12), (6, 12, 25), (1, 2, 5, 26), (1, 4, 15), (1, 4, 15, 17), (4, 5, 7, 24),
    (4, 7, 16, 10), (9, 10, 4), (9, 15, 17), (1, 4, 5, 20), (1, 5, 20, 26), (10, 14), (14,),
    (1, 2), (1, 2, 12), (43,), (12, 26), (4, 7), (17, 24),
)
# fmt: on
_P_NEUTRAL, _P_PROTOTYPE, _P_ASYMMETRIC, _P_SHUT_JAW, _P_NUISANCE, _P_EYE_CONTACT = (
    0.1,
    0.3,
    0.3,
    0.2,
    0.1,
    0.35,
)
_ONE_SIDED = frozenset((1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 20, 43))


@dataclass(frozen=True)
class FaceSample:
    """One face, before light and colour.

    Attributes:
        identity: Row of ``identity_table()``.
        expression: Values of the rig's expression shapes, (57,).
        units: Action unit -> drawn intensity, mean of both sides, (0, 1].
        pose: Yaw, pitch, roll, degrees.
        eyes: Yaw, pitch of the eyes within the head, degrees.
        distance: Camera distance in rig units.
        fill: Wanted width of the landmark box / image width.
        shift: Position of that box within its slack, x and y in [-1, 1].
        look: Seed of light, colours, background and camera noise.
    """

    identity: int
    expression: Array
    units: dict[int, float]
    pose: Angles
    eyes: tuple[float, float]
    distance: float
    fill: float
    shift: tuple[float, float]
    look: int

    def camera(self, points: Array) -> Camera:
        """The camera that frames this face, given its landmarks in the head frame, (68, 3)."""
        return Camera.fit(points, self.pose, self.distance, self.fill, self.shift)


def sample_face(rig: Rig, rng: Rng) -> FaceSample:
    """Draw one face: identity, 0-4 action units, pose, gaze, camera.

    Args:
        rig: The face model.
        rng: The only source of randomness.

    Returns:
        A sample; the same generator state gives the same sample.
    """
    units = _draw_units(rng)
    left, right = dict(units), dict(units)
    for unit in units:
        if unit in _ONE_SIDED and rng.random() < _P_ASYMMETRIC:
            (left if rng.random() < 0.5 else right)[unit] *= 1 - rng.uniform(0.1, 0.4)
    units = {unit: (left[unit] + right[unit]) / 2 for unit in units}
    named = expression_from_units(left, right)
    if 26 in units and not {10, 16, 20, 22} & set(units) and rng.random() < _P_SHUT_JAW:
        named["jawOpen"] = min(named["jawOpen"], 0.45)
        units[26] = named["jawOpen"] / 0.7
        named["mouthClose"] = named["jawOpen"]
    if rng.random() < _P_NUISANCE:
        # Movements outside the 21 units: a reader must not take them for one.
        named[str(rng.choice(["mouthLeft", "mouthRight"]))] = rng.uniform(0.1, 0.4)
        puff = rng.uniform(0.0, 0.5)
        named |= {"cheekPuff_L": puff, "cheekPuff_R": puff}
    pose = (rng.uniform(-30, 30), rng.uniform(-15, 15), rng.uniform(-12, 12))
    eyes = _draw_eyes(rng, pose)
    named |= lid_shapes(eyes, named)
    return FaceSample(
        identity=int(rng.integers(N_IDENTITIES)),
        expression=rig.expression_values(named),
        units=units,
        pose=pose,
        eyes=eyes,
        distance=float(np.exp(rng.uniform(np.log(55), np.log(220)))),
        fill=rng.uniform(0.6, 0.95),
        shift=(rng.uniform(-1, 1), rng.uniform(-1, 1)),
        look=int(rng.integers(2**31)),
    )


def _draw_units(rng: Rng) -> dict[int, float]:
    """Up to four compatible action units with intensities in [0.2, 1]."""
    if rng.random() < _P_NEUTRAL:
        return {}
    if rng.random() < _P_PROTOTYPE:
        group = PROTOTYPES[rng.integers(len(PROTOTYPES))]
        chosen = [unit for unit in group if rng.random() < 0.85] or [group[0]]
    else:
        chosen: list[int] = []
        wanted = int(rng.integers(1, 5))
        for unit in rng.permutation(ACTION_UNITS).tolist():
            if len(chosen) < wanted and all(
                frozenset((unit, other)) not in INCOMPATIBLE for other in chosen
            ):
                chosen.append(unit)
    return {unit: float(rng.uniform(0.2, 1.0)) for unit in chosen}


def _draw_eyes(rng: Rng, pose: Angles) -> tuple[float, float]:
    """Eye-in-head angles: towards the camera, or anywhere comfortable."""
    if rng.random() < _P_EYE_CONTACT:
        ahead = rotation(pose).T @ np.array([0.0, 0.0, 1.0])
        yaw, pitch = angles(ahead)
    else:
        yaw, pitch = rng.normal(0, 14), rng.normal(-2, 10)
    return float(np.clip(yaw, -32, 32)), float(np.clip(pitch, -25, 20))


def lid_shapes(eyes: tuple[float, float], named: dict[str, float]) -> dict[str, float]:
    """Values of the eyeLook shapes, by which lids follow eyes at these angles in the head."""
    yaw, pitch = eyes
    sideways = min(abs(yaw) / 35, 1.0)
    first, second = ("Out_L", "In_R") if yaw > 0 else ("In_L", "Out_R")
    values = {f"eyeLook{first}": sideways, f"eyeLook{second}": sideways}
    for side in ("_L", "_R"):
        # A closed lid has no way left to follow a downward look.
        free = 1 - named.get(f"eyeBlink{side}", 0.0)
        values[f"eyeLookUp{side}" if pitch > 0 else f"eyeLookDown{side}"] = free * min(
            abs(pitch) / 30, 1.0
        )
    return values
