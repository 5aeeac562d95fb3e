"""Tables: three formats say the same, what is not known is empty, nothing bad is lost."""

import csv
import hashlib
import json
from pathlib import Path

import pandas as pd
import pyarrow.parquet
import pytest
from table_rows import REAL_UNITS, reading, row_of

from facellm.assistant import FaceAssistant
from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.labels import ACTION_UNITS
from facellm.picture_files import find_pictures
from facellm.table_columns import DEFAULT, TableEntry
from facellm.tables import TableFile, column_set, table_row


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
        (["--columns", "excel"], "argument --columns: invalid choice: 'excel'"),
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
