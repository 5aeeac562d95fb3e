"""Tables: three formats say the same, what is not known is empty, nothing bad is lost."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from PIL import Image

from facellm.assistant import FaceAssistant
from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.picture_files import find_pictures
from facellm.reading import AgeReading, Reading, UnitReading
from facellm.tables import TableFile, table_columns, table_row

BOX = BoundingBox(1.0, 2.0, 30.0, 40.0)
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
    for value in (reading(), without):
        assert tuple(table_row("a.jpg", 1, BOX, value, ACTION_UNITS)) == table_columns()
    assert len(set(table_columns())) == len(table_columns())


def test_what_is_not_known_is_none_and_a_zero_stays_zero():
    row = table_row("a.jpg", 1, BOX, reading(pose=None, geometry=None, abstain=True), REAL_UNITS)
    for name in ("yaw", "z_mouth_open", "landmark_quality", "expression", "AU05", "AU06_intensity"):
        assert row[name] is None
    assert row["mask"] == 0.0
    assert row["AU12"] == 0.25
    assert row["apparent_age"] == 34.12346


# --- formats --------------------------------------------------------------------------------------


def test_three_formats_hold_the_same(tmp_path):
    rows = [
        table_row('ä, "b".jpg', 1, BOX, reading(), REAL_UNITS),
        table_row("c.jpg", 2, BOX, reading(pose=None, geometry=None, abstain=True), ACTION_UNITS),
    ]
    for ending in ("csv", "parquet", "jsonl"):
        with TableFile(tmp_path / f"t.{ending}") as writer:
            writer.write(rows[:1])
            writer.write(rows[1:])
    assert [json.loads(line) for line in (tmp_path / "t.jsonl").open()] == rows
    assert pyarrow.parquet.read_table(tmp_path / "t.parquet").to_pylist() == rows
    with (tmp_path / "t.csv").open(newline="") as file:
        for found, row in zip(csv.DictReader(file), rows, strict=True):
            assert found == {k: "" if v is None else str(v) for k, v in row.items()}


def test_a_table_without_rows_has_its_columns(tmp_path):
    for ending, load in (("csv", pd.read_csv), ("parquet", pd.read_parquet)):
        with TableFile(tmp_path / f"t.{ending}"):
            pass
        assert tuple(load(tmp_path / f"t.{ending}").columns) == table_columns()
    schema = pyarrow.parquet.read_schema(tmp_path / "t.parquet")
    assert str(schema.field("file").type) == "string"
    assert str(schema.field("AU12").type) == "double"


def test_parquet_is_written_in_groups(tmp_path):
    row = table_row("a.jpg", 1, BOX, reading(), REAL_UNITS)
    with TableFile(tmp_path / "t.parquet") as writer:
        for _ in range(5):
            writer.write([row] * 1000)
    assert pyarrow.parquet.ParquetFile(tmp_path / "t.parquet").num_row_groups == 2
    assert len(pd.read_parquet(tmp_path / "t.parquet")) == 5000


def test_an_error_leaves_the_old_table_and_no_part(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("old")
    row = {"no such column": 1}
    with pytest.raises(ValueError, match="no such column"), TableFile(path) as writer:
        writer.write([row])
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


# --- the verb -------------------------------------------------------------------------------------


def test_a_folder_run_goes_on_past_bad_files(album, tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "faces.csv"
    assert read(album, "-o", out, "--model", tiny_checkpoint) == 0
    table = pd.read_csv(out)
    assert [Path(name).name for name in table["file"]] == ["a.jpg", "b.jpg"]
    assert list(table["face"]) == [1, 1]
    assert (table["right"] > table["left"]).all()
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
    expected = table_row(str(album / "a.jpg"), 1, face.face.box_xyxy, face.reading, REAL_UNITS)
    assert row == pytest.approx(expected, abs=2e-5)


def test_crops_are_read_without_detection(plain_wall, tiny_checkpoint, capsys):
    assert read(plain_wall, "--crops", "--quiet", "--model", tiny_checkpoint) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert lines[0].startswith("file,face,left")


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
        (["--columns", "openface"], "unknown column set 'openface'; legal: default"),
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


@pytest.mark.slow
def test_a_killed_run_leaves_nothing_under_the_final_name(tiny_checkpoint, photo, tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    with Image.open(photo) as picture:
        pixels = np.asarray(picture)
    for index in range(200):
        Image.fromarray(np.roll(pixels, index, axis=1)).save(folder / f"{index:03d}.jpg")
    out = tmp_path / "faces.csv"
    command = ["read", folder, "-o", out, "--batch", "1", "--model", tiny_checkpoint]
    process = subprocess.Popen(
        [sys.executable, "-m", "facellm", *map(str, command)], stderr=subprocess.DEVNULL
    )
    part = tmp_path / "faces.csv.part"
    deadline = time.monotonic() + 180
    while not (part.exists() and part.read_text().count("\n") > 1):
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert not out.exists()
