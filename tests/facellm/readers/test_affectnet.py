"""AffectNet in both layouts: codes, sentinels, rectangles, points."""

import numpy as np
import pytest
from face_trees import parted, picture, text

from facellm.errors import FaceLLMError
from facellm.instruct_data.readers import open_set

HEADER = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,"
HEADER += "expression,valence,arousal"
POINTS = ";".join(str(n / 2) for n in range(136))


def tree(folder, *rows, name="training.csv", **kind):
    for row in rows:
        if row and not row.startswith("missing"):
            picture(folder / "Manually_Annotated_Images" / row.split(",")[0])
    text(folder / "Manually_Annotated_file_lists" / name, HEADER, *rows, **kind)


def test_the_list_layout(tmp_path):
    tree(tmp_path, f"1/a.jpg,10,20,30,40,{POINTS},1,0.5,-0.25", end="\r\n", mark=True)
    tree(tmp_path, f"2/b.jpg,1,2,3,4,{POINTS},7,0,0", name="validation.csv")
    (one, two), bad = parted(open_set("affectnet", tmp_path))
    assert bad == []
    assert (one.expression, one.valence, one.arousal) == ("happiness", 0.5, -0.25)
    assert one.box == (10, 20, 40, 60)
    assert one.landmarks.shape == (68, 2)
    assert one.landmarks[1].tolist() == [1.0, 1.5]
    assert one.path.is_file()
    assert one.split in ("train", "valid")
    assert (two.expression, two.split) == ("contempt", "test")


def test_sentinels_are_missing_values(tmp_path):
    tree(tmp_path, "1/a.jpg,-1,-1,-1,-1,NULL,0,-2,-2", "1/b.jpg,1,1,2,2,,8,0.1,0.2")
    (one, two), bad = parted(open_set("affectnet", tmp_path))
    assert bad == []
    assert (one.valence, one.arousal, one.box, one.landmarks) == (None, None, None, None)
    assert one.expression == "neutral"
    assert (two.expression, two.valence) == (None, 0.1)


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (f"missing/a.jpg,1,1,2,2,{POINTS},1,0,0", "picture missing"),
        (f"1/a.jpg,1,1,2,2,{POINTS},11,0,0", "label outside the set"),
        (f"1/a.jpg,1,1,2,2,{POINTS},10,-2,-2", "not a face"),
        (f"1/a.jpg,1,1,2,2,{POINTS},9,-2,-2", "label without a counterpart"),
        (f"1/a.jpg,1,1,2,2,{POINTS},1,-1.5,0", "value outside its range"),
        (f"1/a.jpg,1,1,2,2,{POINTS},1,x,0", "value outside its range"),
        ("1/a.jpg,1,1,2,2,1;2;3,1,0,0", "value outside its range"),
        ("1/a.jpg,1,1,2,2,1;b;3,1,0,0", "value outside its range"),
        ("1/a.jpg,1,1,2,2", "value missing"),
    ],
)
def test_bad_lines_are_named(tmp_path, row, reason):
    tree(tmp_path, f"1/ok.jpg,1,1,2,2,{POINTS},1,0,0", "", row)
    rows, bad = parted(open_set("affectnet", tmp_path))
    assert len(rows) == 1
    assert [(one.reason, one.where[-6:]) for one in bad] == [(reason, "line 4")]


def annotate(folder, stem, exp, val, aro, count=136):
    picture(folder / "images" / f"{stem}.jpg")
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    for kind, value in (("exp", exp), ("val", val), ("aro", aro), ("lnd", np.arange(count) / 2)):
        np.save(folder / "annotations" / f"{stem}_{kind}.npy", np.array(value))


def test_the_npy_layout_takes_text_and_numbers(tmp_path):
    annotate(tmp_path / "train_set", "0", "3", "0.25", "-2")
    annotate(tmp_path / "val_set", "7", 6, -0.5, 0.5)
    (one, two), bad = parted(open_set("affectnet", tmp_path))
    assert bad == []
    assert (one.expression, one.valence, one.arousal) == ("surprise", 0.25, None)
    assert (two.expression, two.split, two.key) == ("anger", "test", "affectnet/val_set/7.jpg")
    assert two.landmarks[67].tolist() == [67.0, 67.5]


def test_the_npy_layout_names_bad_pictures(tmp_path):
    folder = tmp_path / "train_set"
    annotate(folder, "0", "1", "0", "0")
    annotate(folder, "1", "x", "0", "0")
    annotate(folder, "2", "12", "0", "0")
    annotate(folder, "3", "1", "5", "0")
    annotate(folder, "4", "1", "0", "0", count=10)
    annotate(folder, "5", "1", "0", "0")
    (folder / "annotations" / "5_val.npy").unlink()
    annotate(folder, "6", "1", "0", "0")
    (folder / "annotations" / "6_aro.npy").write_bytes(b"")
    rows, bad = parted(open_set("affectnet", tmp_path))
    assert [row.path.name for row in rows] == ["0.jpg"]
    assert [(one.key[-5:], one.reason) for one in bad] == [
        ("1.jpg", "value outside its range"),
        ("2.jpg", "label outside the set"),
        ("3.jpg", "value outside its range"),
        ("4.jpg", "value outside its range"),
        ("5.jpg", "value missing"),
        ("6.jpg", "value outside its range"),
    ]


def test_neither_layout_is_an_error(tmp_path):
    with pytest.raises(FaceLLMError, match=r"training\.csv"):
        list(open_set("affectnet", tmp_path))
