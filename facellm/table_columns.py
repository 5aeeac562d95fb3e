"""Sets of table columns: ours in py-feat's layout, OpenFace's and ARKit's names.

Data and small functions from one read face to one row. A column a set has and we cannot fill is
there and empty, never 0.

Example: ``COLUMN_SETS["openface"].row(entry)["AU12_r"]`` -> 3.1, the intensity on OpenFace's scale.

Sources: py-feat's ``Fex`` columns (py-feat.org), OpenFace's wiki page "Output Format", Apple's
``ARFaceAnchor.BlendShapeLocation``. Units and signs of each column: ``facellm.table_notes``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any

from facellm.face import Face
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS, FACS
from facellm.reading import UNIT_SHOWN, Reading

Row = dict[str, Any]
# OpenFace's units; 23 and 45 are none of ours, 28 has a presence only.
OPENFACE_INTENSITIES = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
OPENFACE_PRESENCES = (*OPENFACE_INTENSITIES[:-1], 28, 45)
MARK = "baseline"  # the column of tables that were read with one
OPENFACE_SCALE = 5.0  # their intensities run from 0 to 5
_SIDED = ("{}Left", "{}Right")
# The 52 blendshapes of ARKit; those the units give come from ``labels.FACS``.
ARKIT = (
    "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight",
    "eyeLookDownLeft", "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft",
    "eyeLookOutRight", "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight",
    "eyeWideLeft", "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose",
    "mouthDimpleLeft", "mouthDimpleRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight",
    "mouthPucker", "mouthRight", "mouthRollLower", "mouthRollUpper", "mouthShrugLower",
    "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight", "mouthStretchLeft",
    "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft",
    "noseSneerRight", "tongueOut",
)  # fmt: skip
# AU25 is the mouth's being open without the jaw; ARKit's mouthClose is its very opposite.
NOT_FROM_UNITS = frozenset({"mouthClose"})


@dataclass(frozen=True)
class TableEntry:
    """One face of one picture, before it becomes a row.

    Attributes:
        file: Name of the picture.
        number: 1, 2 ... left to right; in a clip the number of its track.
        face: Box, landmarks and their quality, pixels.
        reading: Of this face.
        units: Action units that may be filled.
        frame: 0 for a photograph.
        time: Seconds from the start of a clip; None for a photograph.
        smoothed: Its expression is smoothed over time.
    """

    file: str
    number: int
    face: Face
    reading: Reading
    units: Collection[int]
    frame: int = 0
    time: float | None = None
    smoothed: bool = False


@dataclass(frozen=True)
class ColumnSet:
    """Names of columns and how a face fills them.

    Attributes:
        columns: In order.
        row: Values of the columns that can be filled.
    """

    columns: tuple[str, ...]
    row: Callable[[TableEntry], Row]


def points_row(entry: TableEntry) -> Row:
    """``x_0`` ... ``y_67``, pixels."""
    landmarks = entry.face.landmarks
    if landmarks is None:
        return {}
    points = [(float(x), float(y)) for x, y in landmarks.points]
    return {
        **{f"x_{index}": x for index, (x, _) in enumerate(points)},
        **{f"y_{index}": y for index, (_, y) in enumerate(points)},
    }


POINTS = tuple(f"{axis}_{index}" for axis in "xy" for index in range(68))

# --- the default: py-feat's columns, then ours ----------------------------------------------------

FEAT_BOX = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
FEAT_EMOTIONS = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
OWN = (
    "expression", "confidence", "contempt",
    # Lower case: py-feat takes every column that holds "AU" for a unit.
    *(f"au{number:02d}_intensity" for number in ACTION_UNITS),
    "apparent_age", "apparent_age_low", "apparent_age_high", "apparent_male", "mask", "mouth_open",
    "eyes_closed", "gaze_yaw", "gaze_pitch", "generated", "landmark_quality",
    *(f"z_{name}" for name in MEASURES),
)  # fmt: skip
DEFAULT = (
    "input", "frame", "time", "face", *FEAT_BOX, "Pitch", "Roll", "Yaw",
    *(f"AU{number:02d}" for number in ACTION_UNITS), *FEAT_EMOTIONS, *OWN, *POINTS,
)  # fmt: skip


def default_row(entry: TableEntry) -> Row:
    """One face in the default columns."""
    reading, box = entry.reading, entry.face.box_xyxy
    yaw, pitch, roll = reading.pose or (None, None, None)
    row: Row = {
        "input": entry.file,
        "frame": entry.frame,
        "time": entry.time,
        "face": entry.number,
        **dict(zip(FEAT_BOX, (box.left, box.top, box.width, box.height), strict=False)),
        "FaceScore": entry.face.score,
        "Pitch": pitch,
        "Roll": roll,
        "Yaw": yaw,
        **{name: reading.expression[name] for name in EXPRESSIONS},
        "expression": None if reading.abstain else reading.top_expression,
        "confidence": reading.confidence,
        "apparent_age": reading.age.mean,
        "apparent_age_low": reading.age.low,
        "apparent_age_high": reading.age.high,
        "apparent_male": reading.gender["male"],
        "mask": reading.mask,
        "mouth_open": reading.mouth_open,
        "eyes_closed": reading.eyes_closed,
        "gaze_yaw": reading.gaze[0],
        "gaze_pitch": reading.gaze[1],
        "generated": reading.generated,
        "landmark_quality": None if reading.geometry is None else reading.quality,
    }
    for number in entry.units:
        unit = reading.action_units[number]
        row[f"AU{number:02d}"] = unit.probability
        row[f"au{number:02d}_intensity"] = unit.intensity
    row |= {f"z_{name}": value for name, value in (reading.geometry or {}).items()}
    return row | points_row(entry)


# --- OpenFace -------------------------------------------------------------------------------------

OPENFACE = (
    "frame", "face_id", "timestamp", "confidence", "success",
    *(f"gaze_{eye}_{axis}" for eye in (0, 1) for axis in "xyz"), "gaze_angle_x", "gaze_angle_y",
    "pose_Tx", "pose_Ty", "pose_Tz", "pose_Rx", "pose_Ry", "pose_Rz", *POINTS,
    *(f"AU{number:02d}_r" for number in OPENFACE_INTENSITIES),
    *(f"AU{number:02d}_c" for number in OPENFACE_PRESENCES),
    "input",
)  # fmt: skip


def openface_row(entry: TableEntry) -> Row:
    """One face in OpenFace's columns; angles become radians, intensities run from 0 to 5.

    The two eyes are read as one look, so both eyes' vectors are the same.
    """
    reading = entry.reading
    yaw, pitch = (math.radians(angle) for angle in reading.gaze)
    look = (math.sin(yaw) * math.cos(pitch), -math.sin(pitch), -math.cos(yaw) * math.cos(pitch))
    row: Row = {
        "frame": entry.frame,
        "face_id": entry.number - 1,
        "timestamp": entry.time,
        "confidence": entry.face.score,
        "success": 1,
        **{f"gaze_{eye}_{axis}": look[k] for eye in (0, 1) for k, axis in enumerate("xyz")},
        "gaze_angle_x": math.atan2(look[0], -look[2]),
        "gaze_angle_y": math.atan2(look[1], -look[2]),
        "input": entry.file,
    }
    if reading.pose is not None:  # right-handed about x right, y down, z away from the camera
        yaw, pitch, roll = (math.radians(angle) for angle in reading.pose)
        row |= {"pose_Rx": -pitch, "pose_Ry": -yaw, "pose_Rz": roll}
    for number in entry.units:
        unit = reading.action_units[number]
        if number in OPENFACE_INTENSITIES:
            row[f"AU{number:02d}_r"] = OPENFACE_SCALE * unit.intensity
        if number in OPENFACE_PRESENCES:
            row[f"AU{number:02d}_c"] = int(unit.probability >= UNIT_SHOWN)
    return row | points_row(entry)


# --- ARKit ----------------------------------------------------------------------------------------

ARKIT_COLUMNS = ("input", "frame", "time", "face", *ARKIT, "HeadYaw", "HeadPitch", "HeadRoll")


def blendshapes_of(number: int) -> list[str]:
    """ARKit names that an action unit drives."""
    shapes = []
    for stem in FACS[number].arkit:
        names = [stem, *(form.format(stem) for form in _SIDED)]
        shapes += [name for name in names if name in ARKIT and name not in NOT_FROM_UNITS]
    return shapes


def arkit_row(entry: TableEntry) -> Row:
    """One face as blendshape weights; both sides of a face are read as one."""
    yaw, pitch, roll = (
        (None, None, None)
        if entry.reading.pose is None
        else (math.radians(angle) for angle in entry.reading.pose)
    )
    row: Row = {
        "input": entry.file,
        "frame": entry.frame,
        "time": entry.time,
        "face": entry.number,
        "HeadYaw": yaw,
        "HeadPitch": pitch,
        "HeadRoll": roll,
    }
    for number in entry.units:
        for name in blendshapes_of(number):
            intensity = entry.reading.action_units[number].intensity
            row[name] = max(intensity, row.get(name) or 0.0)
    return row


COLUMN_SETS = {
    "default": ColumnSet(DEFAULT, default_row),
    "openface": ColumnSet(OPENFACE, openface_row),
    "arkit": ColumnSet(ARKIT_COLUMNS, arkit_row),
}


def marked_set(columns: ColumnSet) -> ColumnSet:
    """The set with a last column that names the baseline a row is relative to."""
    return ColumnSet(
        (*columns.columns, MARK),
        lambda entry: columns.row(entry) | {MARK: entry.reading.baseline},
    )
