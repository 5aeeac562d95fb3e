"""Column sets: what each is filled with, in whose units, and what stays empty."""

import numpy as np
import pytest
from table_rows import REAL_UNITS, reading, row_of

from facellm.labels import ACTION_UNITS, MEASURED, REAL, RENDERS
from facellm.reading import UnitReading
from facellm.table_columns import COLUMN_SETS
from facellm.table_notes import column_note


def test_columns_do_not_depend_on_what_was_read():
    without = reading(pose=None, geometry=None, abstain=True)
    for name, columns in COLUMN_SETS.items():
        for value in (reading(), without):
            assert tuple(row_of("a.jpg", 1, value, ACTION_UNITS, name)) == columns.columns
        assert len(set(columns.columns)) == len(columns.columns)


def test_what_is_not_known_is_none_and_a_zero_stays_zero():
    row = row_of("a.jpg", 1, reading(pose=None, geometry=None, abstain=True), REAL_UNITS)
    for name in ("Yaw", "z_mouth_open", "landmark_quality", "expression", "AU05", "au06_intensity"):
        assert row[name] is None
    assert row["time"] is None
    assert row["mask"] == 0.0
    assert row["AU12"] == 0.25
    assert row["apparent_age"] == 34.12346


def test_units_that_are_not_to_be_filled_are_blank_not_nought():
    row = row_of("a.jpg", 1, reading(), (12, 43))
    filled = {name for name, value in row.items() if name[:2] in {"AU", "au"} and value is not None}
    assert filled == {"AU12", "au12_intensity", "AU43", "au43_intensity"}


def test_py_feat_finds_its_columns():
    # What py-feat's reader takes: units are all columns that hold "AU", the rest goes by name.
    row = row_of("a.jpg", 1, reading(), ACTION_UNITS)
    assert [name for name in row if "AU" in name] == [f"AU{n:02d}" for n in ACTION_UNITS]
    emotions = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
    boxes = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
    assert all(row[name] is not None for name in (*emotions, *boxes, "Pitch", "Roll", "Yaw"))
    assert [row[name] for name in boxes] == [1.0, 2.0, 29.0, 38.0, 0.8]
    assert (row["x_0"], row["y_0"], row["x_67"], row["y_67"]) == (0.0, 1.0, 134.0, 135.0)
    assert (row["Yaw"], row["Pitch"], row["Roll"]) == (3.0, 4.0, 5.0)


def test_openface_columns_have_openfaces_units():
    units = {n: UnitReading(0.5 if n == 12 else 0.4, 0.6) for n in ACTION_UNITS}
    value = reading(action_units=units, pose=(90.0, 45.0, 30.0), gaze=(30.0, 0.0))
    row = row_of("a.jpg", 2, value, ACTION_UNITS, "openface")
    assert (row["AU12_r"], row["AU12_c"], row["AU04_c"], row["AU28_c"]) == (3.0, 1, 0, 0)
    assert (row["face_id"], row["success"], row["confidence"]) == (1, 1, 0.8)
    # The nose of a face turned to the image's right points to +x: about y that is a negative turn.
    angles = [row[f"pose_R{axis}"] for axis in "xyz"]
    assert angles == pytest.approx([-np.pi / 4, -np.pi / 2, np.pi / 6], abs=1e-4)
    look = [row[f"gaze_0_{axis}"] for axis in "xyz"]
    assert look == pytest.approx([0.5, 0.0, -np.sqrt(0.75)], abs=1e-4)
    assert row["gaze_angle_x"] == pytest.approx(np.pi / 6, abs=1e-4)
    for name in ("AU23_r", "AU45_c", "pose_Tx", "timestamp"):
        assert row[name] is None
    up = row_of("a.jpg", 1, reading(gaze=(0.0, 20.0)), (), "openface")
    assert up["gaze_angle_y"] < 0  # theirs falls when a person looks up
    assert up["AU12_r"] is None


def test_arkit_columns_are_driven_by_their_units():
    units = {n: UnitReading(0.9, 0.7 if n == 12 else 0.0) for n in ACTION_UNITS}
    row = row_of("a.jpg", 1, reading(action_units=units), (12, 43), "arkit")
    assert (row["mouthSmileLeft"], row["mouthSmileRight"]) == (0.7, 0.7)
    assert row["eyeBlinkLeft"] == 0.0  # read and absent
    for name in ("browDownLeft", "tongueOut", "mouthClose", "jawOpen"):
        assert row[name] is None  # not to be filled, or never read
    assert row["HeadYaw"] == pytest.approx(np.deg2rad(3.0), abs=1e-4)


def test_every_column_has_a_note_and_scopes_are_the_readings():
    for columns in COLUMN_SETS.values():
        for name in columns.columns:
            assert column_note(name).meaning
    assert column_note("AU12").scope == column_note("AU12_r").scope == RENDERS
    assert column_note("happiness").scope == REAL
    assert column_note("z_mouth_open").scope == column_note("pose_Ry").scope == MEASURED
    assert "cannot be filled" in column_note("pose_Tx").meaning
    assert column_note("tongueOut").scope == ""
