"""Every script of the cookbook runs as a user would run it, on the shipped weights.

The scripts run in this process, with weights loaded once for all of them. What is checked holds for
any weights that find the astronaut's face; words and values are the model's own.
"""

import csv
import json
import re
import runpy
import sys

import pandas as pd
import pytest
from example_commands import ROOT
from openai_endpoint import serving
from PIL import Image

from facellm.assistant import FaceAssistant
from facellm.checkpoint import SHIPPED
from facellm.drawing import CARD_HEIGHT
from facellm.labels import EXPRESSIONS

COOKBOOK = ROOT / "docs" / "cookbook"
PICTURES = 6  # of the sample folder

pytestmark = pytest.mark.skipif(
    not (SHIPPED / "config.json").is_file(), reason="optional: the default model is not trained yet"
)


@pytest.fixture(scope="module")
def shipped():
    return FaceAssistant.load()


@pytest.fixture
def run(shipped, monkeypatch, tmp_path, capsys):
    """``run("01", "photo.jpg")`` -> lines that the script prints; it writes to ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(COOKBOOK))
    monkeypatch.setattr(FaceAssistant, "load", lambda *_, **__: shipped)

    def run(number, *arguments):
        (script,) = COOKBOOK.glob(f"{number}_*.py")
        monkeypatch.setattr(sys, "argv", [str(script), *map(str, arguments)])
        capsys.readouterr()
        runpy.run_path(str(script), run_name="__main__")
        return capsys.readouterr().out.splitlines()

    return run


@pytest.fixture
def out(tmp_path):
    return tmp_path / "cookbook-output"


def test_01_describes_with_numbers_and_where_they_come_from(run):
    text, *rest = run("01")
    assert len(text.split()) > 5
    (shares,) = [line for line in rest if "expression:" in line]
    values = [float(value) for value in re.findall(r"\d\.\d\d", shares)]
    assert values == sorted(values, reverse=True)
    (age,) = [line for line in rest if "apparent age" in line]
    mean, _, low, high = map(int, re.findall(r"\d+", age))
    assert low <= mean <= high
    assert sum(line.strip().startswith(("measured:", "trained on")) for line in rest) == 3


def test_01_and_05_say_so_where_there_is_no_face(run, plain_wall):
    assert run("01", plain_wall)[-1] == "There is no face to read."
    assert run("05", plain_wall) == ["no face found"]


def test_02_gives_a_table_a_manifest_and_the_methods(run, out):
    lines = run("02")
    table = pd.read_csv(out / "faces.csv")
    assert lines[0] == f"{len(table)} rows, {len(table.columns)} columns"
    assert 1 <= len(table) <= PICTURES
    manifest = json.loads((out / "faces.csv.manifest.json").read_text())
    assert manifest["counts"]["pictures"] == PICTURES
    assert lines[-1] == manifest["methods"]


def test_03_gives_means_inside_their_intervals_for_each_group(run):
    lines = run("03")
    groups = [line for line in lines if line.startswith(("bright", "dark"))]
    assert len(groups) == 2
    for line in groups:
        found = re.findall(r"(-?\d+\.\d+) \[(-?\d+\.\d+), (-?\d+\.\d+)\]", line)
        assert len(found) == 3
        assert all(float(low) <= float(mean) <= float(high) for mean, low, high in found)


def test_03_draws_rows_of_one_picture_together(run, tmp_path):
    row = {"input": "a/1.jpg", "expression": "neutral", "neutral": 1.0, "z_mouth_open": 0.0}
    rows = [{**row, "happiness": 0.0}] * 3 + [{**row, "input": "a/2.jpg", "happiness": 1.0}]
    pd.DataFrame(rows).to_csv(tmp_path / "own.csv")
    (line,) = [line for line in run("03", tmp_path / "own.csv") if line.startswith("a ")]
    assert "0.50 [0.00, 1.00]" in line  # of two pictures, not 0.25 of four rows


def test_04_gives_differences_that_add_up(run):
    lines = run("04")
    found = [re.search(r"([+-]\d+\.\d+)   from ([+-]\d+\.\d+) to ([+-]\d+\.\d+)", x) for x in lines]
    gaps = [tuple(map(float, match.groups())) for match in found if match]
    assert len(gaps) >= 10
    assert all(abs(gap - (second - first)) < 0.02 for gap, first, second in gaps)


def test_04_needs_one_face_in_each_picture(run, plain_wall, photo):
    with pytest.raises(SystemExit, match="0 faces"):
        run("04", photo, plain_wall)


def test_05_goes_from_left_to_right_and_cuts_faces_out(run, out):
    lines = run("05")
    lefts = [int(re.search(r"x (\d+) to", line)[1]) for line in lines if line.startswith("face")]
    assert len(lefts) == 2
    assert lefts == sorted(lefts)
    for number in (1, 2):
        with Image.open(out / f"face_{number}.png") as crop:
            assert min(crop.size) > 40


def test_06_answers_less_at_a_higher_threshold(run):
    lines = run("06")
    assert f"{PICTURES} faces read, 0 pictures left out" in lines
    counts = [int(match[1]) for line in lines if (match := re.search(r"answered (\d+) of", line))]
    assert counts[0] == PICTURES
    assert counts == sorted(counts, reverse=True)
    assert sum("(shipped)" in line for line in lines) <= 1
    for line in lines:
        for share, low, high in re.findall(r"right (\d\.\d+) \[(\d\.\d+), (\d\.\d+)\]", line):
            assert float(low) <= float(share) <= float(high)


def test_06_takes_own_labels_and_refuses_unknown_ones(run, shipped, photo, plain_wall, tmp_path):
    read = shipped.read(photo)[0].reading.top_expression
    wrong = next(name for name in EXPRESSIONS if name != read)
    table = tmp_path / "labels.csv"

    def write(*labels):
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("file", "label"))
            writer.writerows(zip((photo, photo, plain_wall), labels, strict=True))

    write(read, wrong, read)
    lines = run("06", table)
    assert lines[0] == "2 faces read, 1 pictures left out"
    assert "answered 2 of 2, right 0.50" in lines[1]
    write(read, "glee", read)
    with pytest.raises(SystemExit, match="unknown label 'glee'"):
        run("06", table)


def test_07_draws_and_says_what_hiding_does(run, out):
    lines = run("07")
    changes = [float(line.split()[-1]) for line in lines if "hidden:" in line]
    assert len(changes) >= 3
    assert changes == sorted(changes)
    with Image.open(out / "result.png") as drawn:
        assert drawn.height >= CARD_HEIGHT


def test_08_gives_lines_that_any_program_reads(run, out):
    lines = run("08")
    faces = [json.loads(line) for line in (out / "faces.jsonl").read_text().splitlines()]
    assert 1 <= len(faces) <= PICTURES
    for line, face in zip(lines, faces, strict=False):
        assert line.endswith(f"{face['expression']} {round(face['happiness'], 3)}")
    assert any("py-feat" in line for line in lines)


def test_09_keeps_what_was_said(run, out):
    lines = run("09")
    record = json.loads((out / "conversation.json").read_text())
    assert [f"> {said['question']}" for said in record["exchanges"]] == [
        line for line in lines if line.startswith(">")
    ]
    assert all(said["answer"] in lines for said in record["exchanges"])


def test_10_shows_what_would_be_sent(run):
    *lines, last = run("10")
    assert last.startswith("This would be sent.")
    record = json.loads("\n".join(lines))
    assert abs(sum(record["faces"][0]["reading"]["expression"].values()) - 1) < 0.01


def test_10_lets_another_model_answer_and_counts_strange_numbers(run):
    with serving() as server:
        server.reply = ["It shows happiness", " (1234567 %)."]
        lines = run("10", "--url", server.url, "--model", "any")
    assert lines == [
        "It shows happiness (1234567 [not in the evidence] %).",
        "1 numbers are not in the evidence",
    ]
    assert server.requests[0][2]["model"] == "any"
    assert isinstance(server.requests[0][2]["messages"][1]["content"], str)  # no picture
