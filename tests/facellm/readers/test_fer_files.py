"""FER2013 and FER+ as CSV: pixels, votes, splits, and every way a line may be bad."""

import io
import random

import numpy as np
import pytest
from face_trees import parted, text
from PIL import Image

from facellm.errors import FaceLLMError
from facellm.instruct_data.readers import open_set, strict
from facellm.labels import EXPRESSIONS

VOTE_HEADER = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt"
VOTE_HEADER += ",unknown,NF"


def pixels(seed):
    rng = random.Random(seed)
    return [rng.randrange(256) for _ in range(2304)]


def fer_lines():
    levels = [" ".join(map(str, pixels(seed))) for seed in range(4)]
    usages = ("Training", "PublicTest", "PrivateTest", "Training")
    rows = [f"{code},{p},{u}" for code, p, u in zip((0, 3, 6, 4), levels, usages, strict=True)]
    return ["emotion,pixels,Usage", *rows]


@pytest.mark.parametrize(("end", "mark"), [("\n", False), ("\r\n", True)])
def test_fer2013_keeps_pixels_labels_and_splits(tmp_path, end, mark):
    lines = fer_lines()
    lines.insert(2, "")  # a blank line moves no key
    text(tmp_path / "fer2013.csv", *lines, end=end, mark=mark)
    rows, bad = parted(open_set("fer2013", tmp_path))
    assert bad == []
    assert [row.expression for row in rows] == ["anger", "happiness", "neutral", "sadness"]
    assert [row.split for row in rows] == ["train", "valid", "test", "train"]
    assert [row.key for row in rows] == [f"fer2013/{n}" for n in range(4)]
    with Image.open(io.BytesIO(rows[2].load())) as image:
        assert np.asarray(image).ravel().tolist() == pixels(2)
    assert "no licence" in rows[0].licence


@pytest.mark.parametrize(
    ("column", "value", "reason", "part"),
    [
        (0, "7", "label outside the set", "'7'"),
        (0, "", "value missing", "emotion"),
        (1, "1 2 3", "value outside its range", "3 pixels instead of 2304"),
        (1, "1 256 3", "value outside its range", "0..255"),
        (1, "1 x 3", "value outside its range", "0..255"),
        (2, "Test", "label outside the set", "'Test'"),
    ],
)
def test_a_bad_line_is_named_and_the_others_go_on(tmp_path, column, value, reason, part):
    lines = fer_lines()
    cells = lines[2].split(",")
    cells[column] = value
    lines[2] = ",".join(cells)
    file = text(tmp_path / "fer2013.csv", *lines)
    rows, bad = parted(open_set("fer2013", file))
    assert len(rows) == 3
    assert [(one.reason, one.where, one.step) for one in bad] == [
        (reason, f"{file}, line 3", "read")
    ]
    assert part in bad[0].detail
    assert rows[1].key == "fer2013/2"  # keys count all rows
    with pytest.raises(FaceLLMError, match="line 3"):
        list(strict(open_set("fer2013", file)))


def test_a_wrong_column_names_the_nearest(tmp_path):
    file = text(tmp_path / "fer2013.csv", "emotions,pixels,Usage", "0,1,Training")
    with pytest.raises(FaceLLMError, match=r"no column 'emotion'.*is it 'emotions'"):
        list(open_set("fer2013", file))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FaceLLMError, match=r"fer2013\.csv: no such file"):
        list(open_set("fer2013", tmp_path))


def plus_tree(folder, *votes):
    text(folder / "fer2013.csv", *fer_lines()[: len(votes) + 1])
    text(folder / "fer2013new.csv", VOTE_HEADER, *votes)


def test_ferplus_joins_votes_and_pixels_and_names_rows_without_a_face(tmp_path):
    plus_tree(
        tmp_path,
        "Training,fer0000000.png,4,0,0,1,3,2,0,0,0,0",
        "PublicTest,,0,0,0,0,0,0,0,0,0,10",
        "PrivateTest,fer0000001.png,0,10,0,0,0,0,0,0,0,0",
    )
    rows, bad = parted(open_set("ferplus", tmp_path))
    assert [row.votes for row in rows] == [
        (4, 0, 0, 1, 3, 2, 0, 0, 0, 0),
        (0, 10, 0, 0, 0, 0, 0, 0, 0, 0),
    ]
    assert [row.key for row in rows] == ["fer2013/0", "fer2013/2"]
    assert [(one.reason, one.where[-6:]) for one in bad] == [("not a face", "line 3")]
    assert len(list(strict(open_set("ferplus", tmp_path)))) == 2  # what the set says to leave out
    assert EXPRESSIONS[1] == "happiness"  # the header's order is that of our labels


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("Training,a.png,11,0,0,0,0,0,0,0,0,0", "value outside its range"),
        ("Training,a.png,2.5,0,0,0,0,0,0,0,0,0", "value outside its range"),
        ("Training,a.png,nan,0,0,0,0,0,0,0,0,0", "value missing"),
        ("Training,a.png,0,0,0,0,0,0,0,0,0,0", "no label"),
        ("Training,a.png,4", "value missing"),
    ],
)
def test_unusable_votes_are_rejections(tmp_path, line, reason):
    plus_tree(tmp_path, line)
    rows, bad = parted(open_set("ferplus", tmp_path))
    assert (rows, [one.reason for one in bad]) == ([], [reason])


def test_lists_of_different_rows_are_an_error(tmp_path):
    plus_tree(tmp_path, "PublicTest,a.png,4,0,0,0,0,0,0,0,0,0")
    with pytest.raises(FaceLLMError, match=r"'PublicTest', but .*'Training'"):
        list(open_set("ferplus", tmp_path))


@pytest.mark.parametrize("votes", [1, 3])
def test_lists_of_different_lengths_are_an_error(tmp_path, votes):
    lines = ["Training,a.png,4,0,0,0,0,0,0,0,0,0", "PublicTest,b.png,4,0,0,0,0,0,0,0,0,0"]
    lines.append("PrivateTest,c.png,4,0,0,0,0,0,0,0,0,0")
    text(tmp_path / "fer2013.csv", *fer_lines()[:3])
    text(tmp_path / "fer2013new.csv", VOTE_HEADER, *lines[:votes])
    with pytest.raises(FaceLLMError, match="ends"):
        list(open_set("ferplus", tmp_path))
