"""Tables: three formats say the same, what is not known is empty, nothing bad is lost."""

import csv
import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest

from facellm.assistant import FaceAssistant
from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Face, Landmarks
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS, MEASURED, REAL, RENDERS
from facellm.picture_files import find_pictures
from facellm.reading import AgeReading, Reading, UnitReading
from facellm.table_columns import COLUMN_SETS, DEFAULT, TableEntry
from facellm.table_notes import column_note
from facellm.tables import TableFile, column_set, table_row

FACE = Face(
    BoundingBox(1.0, 2.0, 30.0, 40.0),
    Landmarks(np.arange(136, dtype=np.float32).reshape(68, 2)),
    0.8,
)
REAL_UNITS = (1, 2, 4, 12, 25, 26, 43)


def reading(**changes):
    """A reading with everything filled; by keyword, other values."""
    values = {
        "expression": {name: 1 / 8 for name in EXPRESSIONS},
        "action_units": {n: UnitReading(0.25, 0.1) for n in ACTION_UNITS},
        "age": AgeReading(34.123456789, 27.0, 42.0),
        "gender": {"female": 0.75, "male": 0.25},
        "mask": 0.0,
        "mouth_open": 0.5,
        "eyes_closed": 0.125,
        "gaze": (1.0, -2.0),
        "generated": 0.0625,
        "pose": (3.0, 4.0, 5.0),
        "geometry": dict.fromkeys(MEASURES, -0.5),
        "quality": 0.9,
        "confidence": 0.125,
    }
    return Reading(**{**values, **changes})


def row_of(file, number, value, units, columns="default"):
    """The row of a made-up face."""
    return table_row(TableEntry(file, number, FACE, value, units), column_set(columns))


@pytest.fixture
def album(photo, plain_wall, tmp_path):
    """A folder with two photographs of one face, a wall, two broken files and a text."""
    folder = tmp_path / "album"
    (folder / "sub").mkdir(parents=True)
    data = photo.read_bytes()
    (folder / "a.jpg").write_bytes(data)
    (folder / "sub" / "b.jpg").write_bytes(data)
    (folder / "wall.png").write_bytes(plain_wall.read_bytes())
    (folder / "cut.jpg").write_bytes(data[: len(data) // 3])
    (folder / "text.png").write_text("not a picture")
    (folder / "notes.txt").write_text("a note")
    return folder


def read(*arguments):
    """Run the verb in this process."""
    return main(["read", *map(str, arguments)])


# --- rows -----------------------------------------------------------------------------------------


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


# --- formats --------------------------------------------------------------------------------------


def test_three_formats_hold_the_same(tmp_path):
    rows = [
        row_of('ä, "b".jpg', 1, reading(), REAL_UNITS),
        row_of("c.jpg", 2, reading(pose=None, geometry=None, abstain=True), ACTION_UNITS),
    ]
    for ending in ("csv", "parquet", "jsonl"):
        with TableFile(tmp_path / f"t.{ending}", DEFAULT) as writer:
            writer.write(rows[:1])
            writer.write(rows[1:])
    assert [json.loads(line) for line in (tmp_path / "t.jsonl").open()] == rows
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist() == rows
    with (tmp_path / "t.csv").open(newline="") as file:
        for found, row in zip(csv.DictReader(file), rows, strict=True):
            assert found == {k: "" if v is None else str(v) for k, v in row.items()}


def test_a_table_without_rows_has_its_columns(tmp_path):
    for ending, load in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        with TableFile(tmp_path / f"t.{ending}", DEFAULT):
            pass
        assert tuple(load(tmp_path / f"t.{ending}").columns) == DEFAULT
    schema = pyarrow.parquet.read_schema(tmp_path / "t.parquet")
    assert str(schema.field("input").type) == "string"
    assert str(schema.field("AU12").type) == "double"


def test_parquet_is_written_in_groups(tmp_path):
    row = row_of("a.jpg", 1, reading(), REAL_UNITS)
    with TableFile(tmp_path / "t.parquet", DEFAULT) as writer:
        for _ in range(5):
            writer.write([row] * 1000)
    assert pyarrow.parquet.ParquetFile(tmp_path / "t.parquet").num_row_groups == 2
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 5000


def test_an_error_leaves_the_old_table_and_no_part(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    row = {"no such column": 1}
    with pytest.raises(ValueError, match="no such column"), TableFile(path, DEFAULT) as writer:
        writer.write([row])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# --- the verb -------------------------------------------------------------------------------------


def test_a_folder_run_goes_on_past_bad_files(album, tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "faces.csv"
    assert read(album, "-o", out, "--model", tiny_checkpoint) == 0
    table = pd.read_csv(out)
    assert [Path(name).name for name in table["input"]] == ["a.jpg", "b.jpg"]
    assert list(table["face"]) == [1, 1]
    assert (table["FaceRectWidth"] > 20).all()
    assert table["AU12"].notna().all()
    assert table["AU05"].isna().all()
    problems = pd.read_csv(f"{out}.problems.csv").set_index("file")["reason"]
    reasons = {Path(name).name: reason for name, reason in problems.items()}
    assert set(reasons) == {"cut.jpg", "text.png", "wall.png"}
    assert "cut off" in reasons["cut.jpg"]
    assert "not a picture" in reasons["text.png"]
    assert reasons["wall.png"] == "no face found"
    summary = capsys.readouterr().err.strip().splitlines()[-1]
    assert summary == (
        f"5 pictures, 2 faces, 1 without a face, 2 unreadable (see {out}.problems.csv), "
        "1 other files left out"
    )


def test_a_manifest_says_how_the_table_came_about(album, tiny_checkpoint, tmp_path):
    out = tmp_path / "faces.csv"
    assert read(album, "-o", out, "--columns", "arkit", "--model", tiny_checkpoint) == 0
    record = json.loads((tmp_path / "faces.csv.manifest.json").read_text())
    model = (tiny_checkpoint / "model.safetensors").read_bytes()
    assert record["weights"]["model.safetensors"] == hashlib.sha256(model).hexdigest()
    assert [column["name"] for column in record["columns"]] == list(pd.read_csv(out).columns)
    assert record["counts"] == {"pictures": 5, "faces": 2, "without_a_face": 1, "unreadable": 2}
    assert "AU12" in record["methods"]
    assert "not what people feel" in record["methods"]


def test_all_units_fills_every_unit(album, tiny_checkpoint, tmp_path):
    out = tmp_path / "faces.parquet"
    assert read(album / "a.jpg", "-o", out, "--all-units", "--model", tiny_checkpoint) == 0
    table = pd.read_parquet(out)
    assert all(table[f"AU{number:02d}"].notna().all() for number in ACTION_UNITS)


def test_batches_change_nothing_but_rounding(album, tiny_checkpoint, tmp_path):
    tables = []
    for size in (1, 2):
        out = tmp_path / f"{size}.jsonl"
        assert read(album, "-o", out, "--batch", size, "--model", tiny_checkpoint) == 0
        tables.append(pd.read_json(out, lines=True))
    pd.testing.assert_frame_equal(tables[0], tables[1], atol=2e-5, rtol=1e-4)


def test_rows_equal_the_python_reading(album, tiny_checkpoint, tmp_path):
    out = tmp_path / "faces.jsonl"
    assert read(album / "a.jpg", "-o", out, "--model", tiny_checkpoint) == 0
    row = json.loads(out.read_text())
    face = FaceAssistant.load(tiny_checkpoint).read(album / "a.jpg")[0]
    entry = TableEntry(str(album / "a.jpg"), 1, face.face, face.reading, REAL_UNITS)
    expected = table_row(entry, column_set("default"))
    assert row == pytest.approx(expected, abs=2e-5)


def test_crops_are_read_without_detection(plain_wall, tiny_checkpoint, capsys):
    assert read(plain_wall, "--crops", "--quiet", "--model", tiny_checkpoint) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("input,frame,time,face,FaceRectX")


def test_no_face_is_no_row(plain_wall, tiny_checkpoint, capsys):
    assert read(plain_wall, "--model", tiny_checkpoint) == 0
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert f"{plain_wall}: no face found" in printed.err


def test_problems_of_an_earlier_run_are_removed(album, tiny_checkpoint, tmp_path):
    out = tmp_path / "faces.csv"
    stale = tmp_path / "faces.csv.problems.csv"
    stale.write_text("old")
    assert read(album / "a.jpg", "-o", out, "--model", tiny_checkpoint) == 0
    assert not stale.exists()


def test_nothing_readable_is_an_error_and_no_table(album, tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "faces.csv"
    files = (album / "cut.jpg", album / "nope.jpg")
    assert read(*files, "-o", out, "--model", tiny_checkpoint) == 2
    assert "nothing could be read" in capsys.readouterr().err
    assert not out.exists()
    assert len(pd.read_csv(f"{out}.problems.csv")) == 2


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--columns", "excel"], "unknown column set 'excel'; legal: default, openface, arkit"),
        (["-o", "faces.xlsx"], "legal endings: .csv, .parquet, .jsonl"),
        (["-o", "no/such/folder/faces.csv"], "does not exist"),
        (["--batch", "0"], "at least 1"),
        (["--model", "/no/such/folder"], "not a facellm checkpoint"),
    ],
)
def test_bad_arguments_are_refused(photo, capsys, arguments, reason):
    assert read(photo, *arguments) == 2
    message = capsys.readouterr().err
    assert reason in message
    assert message.count("\n") == 1


def test_a_folder_without_pictures_is_refused(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("a note")
    assert read(tmp_path) == 2
    assert "no pictures in this folder" in capsys.readouterr().err
    assert read(tmp_path / "*.jpg") == 2
    assert "no file matches" in capsys.readouterr().err


def test_pictures_are_found_once_and_in_order(tmp_path):
    for name in ("b.JPG", "a.png", ".hidden.png", "c.txt"):
        (tmp_path / name).write_bytes(b"")
    files, others = find_pictures([str(tmp_path / "*.png"), str(tmp_path), str(tmp_path / "c.txt")])
    assert [path.name for path in files] == ["a.png", "b.JPG", "c.txt"]
    assert others == 1
    with pytest.raises(FaceLLMError, match="no file matches"):
        find_pictures([str(tmp_path / "*.gif")])
