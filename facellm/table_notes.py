"""What the columns of a table hold: meaning, unit, and where its truth came from. Data.

Example: ``column_note("AU12")`` -> ``ColumnNote("probability of AU12", "0 to 1", "trained on
renders only")``.
"""

from __future__ import annotations

from dataclasses import dataclass

from facellm.labels import EXPRESSIONS, FACS, MEASURED, REAL, RENDERS
from facellm.table_columns import ARKIT, blendshapes_of


@dataclass(frozen=True)
class ColumnNote:
    """What a column holds.

    Attributes:
        meaning: In a few words.
        unit: Unit or range.
        scope: ``measured``, ``trained on real faces``, ``trained on renders only`` or empty.
    """

    meaning: str
    unit: str
    scope: str = ""


IN_A_CLIP = (
    "in a clip the same number for the same face over time, within this clip only and no identity; "
    "empty for a sampled frame without a face"
)
NOTES = {
    "input": ColumnNote("name of the picture or clip", "text"),
    "frame": ColumnNote("number of the frame, 0 for a photograph", "count from 0"),
    "time": ColumnNote("time in the clip, empty for a photograph", "seconds"),
    "timestamp": ColumnNote("time in the clip, empty for a photograph", "seconds"),
    "face": ColumnNote(f"number of the face, left to right; {IN_A_CLIP}", "count from 1"),
    "face_id": ColumnNote(f"number of the face, left to right; {IN_A_CLIP}", "count from 0"),
    "FaceRectX": ColumnNote("left edge of the face's box", "pixels"),
    "FaceRectY": ColumnNote("top edge of the face's box", "pixels"),
    "FaceRectWidth": ColumnNote("width of the face's box", "pixels"),
    "FaceRectHeight": ColumnNote("height of the face's box", "pixels"),
    "FaceScore": ColumnNote("how surely this is a well framed face", "0 to 1", MEASURED),
    "Pitch": ColumnNote("head pitch, up is positive", "degrees", MEASURED),
    "Roll": ColumnNote("head roll, clockwise is positive", "degrees", MEASURED),
    "Yaw": ColumnNote("head yaw, to the image's right is positive", "degrees", MEASURED),
    "HeadPitch": ColumnNote("head pitch, up is positive", "radians", MEASURED),
    "HeadRoll": ColumnNote("head roll, clockwise is positive", "radians", MEASURED),
    "HeadYaw": ColumnNote("head yaw, to the image's right is positive", "radians", MEASURED),
    "pose_Rx": ColumnNote("head pitch, down is positive", "radians", MEASURED),
    "pose_Ry": ColumnNote("head yaw, to the image's left is positive", "radians", MEASURED),
    "pose_Rz": ColumnNote("head roll, clockwise is positive", "radians", MEASURED),
    "expression": ColumnNote("likeliest expression, empty where left open", "name", REAL),
    "apparent_age": ColumnNote("apparent age, mean", "years", REAL),
    "apparent_age_low": ColumnNote("apparent age, low end of the 80 % interval", "years", REAL),
    "apparent_age_high": ColumnNote("apparent age, high end of the 80 % interval", "years", REAL),
    "apparent_male": ColumnNote("probability that the face looks male", "0 to 1", REAL),
    "mask": ColumnNote("probability that a mask is worn", "0 to 1", REAL),
    "mouth_open": ColumnNote("probability that the mouth is open", "0 to 1", REAL),
    "eyes_closed": ColumnNote("probability that the eyes are closed", "0 to 1", RENDERS),
    "generated": ColumnNote("probability that the picture is generated or edited", "0 to 1", REAL),
    "gaze_yaw": ColumnNote("gaze to the image's right", "degrees", RENDERS),
    "gaze_pitch": ColumnNote("gaze up", "degrees", RENDERS),
    "gaze_angle_x": ColumnNote("gaze to the image's right", "radians", RENDERS),
    "gaze_angle_y": ColumnNote("gaze down", "radians", RENDERS),
    "landmark_quality": ColumnNote("quality of the points in the crop", "0 to 1", MEASURED),
    "success": ColumnNote("whether a face was found; 0 only in clips", "0 or 1"),
    "smoothed": ColumnNote("expression shares are smoothed over time (--smooth)", "0 or 1"),
    "baseline": ColumnNote("baseline file the row is relative to, empty: none", "text"),
}  # fmt: skip


def column_note(name: str) -> ColumnNote:
    """What a column of any set holds."""
    if name in NOTES:
        return NOTES[name]
    if name in EXPRESSIONS:
        return ColumnNote(f"share of {name}", "0 to 1", REAL)
    if name == "confidence":
        return ColumnNote("share of the likeliest expression; OpenFace: face score", "0 to 1")
    if name[:2] == "AU" and name[2:4].isdecimal():
        unit = f"AU{int(name[2:4])}"
        if name.endswith("_r"):
            return ColumnNote(f"intensity of {unit}", "0 to 5", RENDERS)
        meaning = "whether {} is present" if name.endswith("_c") else "probability of {}"
        return ColumnNote(meaning.format(unit), "0 to 1", RENDERS)
    if name.endswith("_intensity"):
        return ColumnNote(f"intensity of AU{int(name[2:4])}", "0 to 1", RENDERS)
    if name.startswith("z_"):
        return ColumnNote(f"{name[2:]} against neutral faces", "standard deviations", MEASURED)
    if name[:2] in {"x_", "y_"}:
        return ColumnNote(f"point {name[2:]} of 68, {name[0]}", "pixels", MEASURED)
    if name.startswith("gaze_"):
        return ColumnNote("gaze as a unit vector of the camera's frame", "-1 to 1", RENDERS)
    if name in ARKIT:
        filled = {shape for number in FACS for shape in blendshapes_of(number)}
        return ColumnNote("blendshape weight", "0 to 1", RENDERS if name in filled else "")
    return ColumnNote("cannot be filled, always empty", "")


def column_record(name: str) -> dict[str, str]:
    """A column's name and note."""
    note = column_note(name)
    return {"name": name, "meaning": note.meaning, "unit": note.unit, "scope": note.scope}
