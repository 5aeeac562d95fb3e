"""The ICT-FaceKit light rig: a linear face mesh driven by identity and action units.

The rig gives what no photograph gives: exact action-unit intensities, landmarks, head pose and
gaze. ``rig_sample`` draws faces, ``rig_truth`` labels them, ``rig_paint`` and ``rig_scene`` render
them, ``build_rig`` writes a set.

Example: ``Rig.load(folder).vertices(identity_table()[0], {"mouthSmile_L": 1.0})`` -> (23791, 3).

Shapes: V vertices, Q quads, E = 57 expression shapes, I = 100 identity shapes.
Head frame of the rig (unit about 0.8 cm): x to the subject's left (image right of a frontal face),
y up, z out of the face.

Source: ICT-FaceKit, Li et al., "Learning Formation of Physically-Based Face Attributes", arXiv
2004.03458 (light model, MIT).
The shape -> action unit table follows the approximate FACS map published with the ARKit-like
shapes; it is no FACS coder's.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.labels import ACTION_UNITS

Array = NDArray[Any]

# Action unit -> (shape stem, value at intensity 1). Stems with _L/_R variants take the intensity
# of their side.
# AU25 is driven by a slack jaw and slack lips too small to count as AU26, AU16 or AU10; its label
# is measured on the mesh.
# Values above 1 extrapolate shapes that are weak on this rig.
AU_SHAPES: dict[int, tuple[tuple[str, float], ...]] = {
    1: (("browInnerUp", 1.2),),
    2: (("browOuterUp", 0.9),),
    4: (("browDown", 1.3),),
    5: (("eyeWide", 1.0),),
    6: (("cheekSquint", 1.0), ("cheekRaiser", 1.0)),
    7: (("eyeSquint", 1.4), ("eyeBlink", 0.15)),
    9: (("noseSneer", 1.0),),
    10: (("mouthUpperUp", 0.9),),
    12: (("mouthSmile", 1.0),),
    14: (("mouthDimple", 1.0),),
    15: (("mouthFrown", 1.0),),
    16: (("mouthLowerDown", 1.0),),
    17: (("mouthShrugLower", 0.9), ("mouthShrugUpper", 0.4)),
    18: (("mouthPucker", 1.0),),
    20: (("mouthStretch", 1.0),),
    22: (("mouthFunnel", 0.9),),
    24: (("mouthPress", 1.5), ("mouthRollUpper", 0.25), ("mouthRollLower", 0.25)),
    25: (("jawOpen", 0.12), ("mouthLowerDown", 0.3), ("mouthUpperUp", 0.25)),
    26: (("jawOpen", 0.7),),
    28: (("mouthRollLower", 0.9), ("mouthRollUpper", 0.9)),
    43: (("eyeBlink", 1.0),),
}

N_IDENTITIES = 400
_IDENTITY_SEED = 20240917
_TEST_SHARE, _VALID_SHARE = 0.25, 0.08

# Rows of the published face list. The iris shells lie behind the sclera and everything from the
# lacrimal fluid on is a
# translucent film or a card of lashes: an opaque renderer must leave them out.
FACE, BACK_HEAD, GUMS, TEETH, SCLERA = range(5)
_FACE_ROWS = (
    (0, 9230),
    (9230, 14034),
    (14034, 17006),
    (17006, 21496),
    (21496, 22296),
    (23094, 23894),
)
_ROW_MATERIAL = (FACE, BACK_HEAD, GUMS, TEETH, SCLERA, SCLERA)
# Vertex rows of the sclera of the image-left and image-right eye of a frontal face (the subject's
# right and left eye).
SCLERA_VERTICES = ((23021, 23791), (21451, 22221))
N_SKIN_VERTICES = 14062


@dataclass(frozen=True)
class Rig:
    """The linear face model.

    Attributes:
        neutral: Mean face, (V, 3), float32, head frame.
        identity_shapes: Offsets per unit (one standard deviation) of identity, (I, V, 3), float32.
        expression_shapes: Offsets at value 1 of each expression shape, (E, V, 3), float32.
        expression_names: E names such as ``mouthSmile_L`` (the subject's left: image right).
        quads: Vertex rows of the opaque faces, (Q, 4), int64, anticlockwise seen from outside.
        materials: FACE, BACK_HEAD, GUMS, TEETH or SCLERA per quad, (Q,), int64.
        landmark_vertices: Vertex row of each iBUG-68 point, image-left first, (68,), int64.
    """

    neutral: Array
    identity_shapes: Array
    expression_shapes: Array
    expression_names: tuple[str, ...]
    quads: Array
    materials: Array
    landmark_vertices: Array

    @classmethod
    def load(cls, folder: Path | str) -> "Rig":
        """Read ``ict_facekit.npz`` and ``vertex_indices.json``.

        Args:
            folder: The folder that holds both files, or its parent with the rig in ``ict_facekit``.

        Returns:
            The rig without translucent parts and iris shells.

        Raises:
            ValueError: If a file is missing or the face list is not the light model's.
        """
        folder = Path(folder)
        folder = folder / "ict_facekit" if (folder / "ict_facekit").is_dir() else folder
        for name in ("ict_facekit.npz", "vertex_indices.json"):
            if not (folder / name).is_file():
                raise ValueError(
                    f"{folder / name} is missing: the ICT-FaceKit light rig is two files"
                )
        data = np.load(folder / "ict_facekit.npz")
        faces = data["faces"]
        if faces.shape != (26384, 4):
            raise ValueError(
                f"{folder}: faces {faces.shape}, expected (26384, 4) of the light model"
            )
        quads = np.concatenate([faces[first:last] for first, last in _FACE_ROWS]).astype(np.int64)
        sizes = [last - first for first, last in _FACE_ROWS]
        n_vertices = int(quads.max()) + 1
        landmarks = json.loads((folder / "vertex_indices.json").read_text())[
            "idx_to_landmark_verts"
        ]
        return cls(
            neutral=data["neutral"][:n_vertices].astype(np.float32),
            identity_shapes=data["id_delta"][:, :n_vertices].astype(np.float32),
            expression_shapes=data["expr_delta"][:, :n_vertices].astype(np.float32),
            expression_names=tuple(str(name) for name in data["expr_names"]),
            quads=quads,
            materials=np.repeat(_ROW_MATERIAL, sizes),
            landmark_vertices=np.array(landmarks, dtype=np.int64),
        )

    def vertices(
        self, identity: Array, expression: Mapping[str, float] | Array, rows: Array | None = None
    ) -> Array:
        """Blend the shapes.

        Args:
            identity: Identity coefficients in standard deviations, (100,).
            expression: Shape name -> value, or values in the order of ``expression_names``, (57,);
                0 is rest, 1 full.
            rows: Vertex rows wanted; all when None.

        Returns:
            (V, 3) or (len(rows), 3), float32, head frame.

        Raises:
            ValueError: If a name is unknown or a shape is wrong.
        """
        values = (
            self.expression_values(expression)
            if isinstance(expression, Mapping)
            else np.asarray(expression)
        )
        if np.shape(identity) != (len(self.identity_shapes),) or values.shape != (
            len(self.expression_names),
        ):
            raise ValueError(
                f"identity {np.shape(identity)} and expression {values.shape}; expected "
                f"({len(self.identity_shapes)},) and ({len(self.expression_names)},)"
            )
        at = slice(None) if rows is None else rows
        active = np.flatnonzero(values)
        blended = self.neutral[at] + np.tensordot(
            np.asarray(identity, dtype=np.float32), self.identity_shapes[:, at], axes=1
        )
        for index in active:
            blended += np.float32(values[index]) * self.expression_shapes[index, at]
        return blended

    def expression_values(self, named: Mapping[str, float]) -> Array:
        """Order named shape values as ``expression_names``.

        Args:
            named: Shape name -> value.

        Returns:
            (57,), float32.

        Raises:
            ValueError: If a name is not a shape of the rig.
        """
        values = np.zeros(len(self.expression_names), dtype=np.float32)
        for name, value in named.items():
            if name not in self.expression_names:
                raise ValueError(
                    f"{name!r} is no expression shape of the rig; known: {self.expression_names}"
                )
            values[self.expression_names.index(name)] = value
        return values

    def landmarks(self, identity: Array, expression: Mapping[str, float] | Array) -> Array:
        """The 68 landmark vertices alone, (68, 3), head frame; some hundred times cheaper."""
        return self.vertices(identity, expression, self.landmark_vertices)


def expression_from_units(
    left: Mapping[int, float], right: Mapping[int, float]
) -> dict[str, float]:
    """Action-unit intensities of both sides -> values of the expression shapes.

    Args:
        left: Action unit -> intensity in [0, 1] of the subject's left side (image right).
        right: The same for the subject's right side; shapes without sides take the mean of both.

    Returns:
        Shape name -> value; where units share a shape, the larger value counts.

    Raises:
        ValueError: If a unit is outside ``ACTION_UNITS`` or an intensity outside [0, 1].
    """
    values: dict[str, float] = {}
    for unit in sorted({*left, *right}):
        if unit not in AU_SHAPES:
            raise ValueError(f"AU{unit} is not one of {ACTION_UNITS}")
        sides = {"_L": left.get(unit, 0.0), "_R": right.get(unit, 0.0)}
        if not all(0.0 <= side <= 1.0 for side in sides.values()):
            raise ValueError(f"AU{unit} intensity {sides} is outside [0, 1]")
        for stem, gain in AU_SHAPES[unit]:
            unsided = stem in _UNSIDED
            named = {"": (sides["_L"] + sides["_R"]) / 2} if unsided else sides
            for suffix, value in named.items():
                name = stem + suffix
                values[name] = max(values.get(name, 0.0), gain * value)
    return values


_UNSIDED = frozenset(
    (
        "jawOpen",
        "mouthFunnel",
        "mouthPucker",
        "mouthRollLower",
        "mouthRollUpper",
        "mouthShrugLower",
        "mouthShrugUpper",
    )
)


def identity_table(n: int = N_IDENTITIES) -> Array:
    """Coefficients of the fixed population, (n, 100), standard deviations, within +-2.2.

    A longer table begins with the people of a shorter one.
    """
    coefficients = np.random.default_rng(_IDENTITY_SEED).normal(0.0, 0.9, (n, 100))
    return coefficients.clip(-2.2, 2.2).astype(np.float32)


def identity_splits() -> Array:
    """Split of each identity, (400,), int8: 0 train, 1 valid (8 %), 2 test (25 %)."""
    order = np.random.default_rng(_IDENTITY_SEED + 1).permutation(N_IDENTITIES)
    n_test, n_valid = round(_TEST_SHARE * N_IDENTITIES), round(_VALID_SHARE * N_IDENTITIES)
    splits = np.zeros(N_IDENTITIES, dtype=np.int8)
    splits[order[:n_test]] = 2
    splits[order[n_test : n_test + n_valid]] = 1
    return splits
