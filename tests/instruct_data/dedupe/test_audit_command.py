"""``facellm build audit`` on the three things it takes, and on what it refuses."""

import csv
import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from facellm.errors import FaceLLMError
from facellm.instruct_data.dedupe.audit_command import HEADER, main
from facellm.instruct_data.dedupe.audit_rows import Input, LeftOut, labelled_faces
from facellm.labels import EXPRESSIONS

CLASSES = ("happiness", "sadness")
EACH = 12


def face(label, seed):
    """Stripes across for one class, up and down for the other, in noise: (48, 48, 3)."""
    rng = np.random.default_rng(seed)
    stripes = 60 * np.sin(np.arange(48) / 2)[:, None] * np.ones(48)
    stripes = stripes if label == CLASSES[0] else stripes.T
    return np.clip(128 + stripes[..., None] + rng.normal(0, 10, (48, 48, 3)), 0, 255).astype("u1")


def labelled():
    """(label, pixels) of 24 faces."""
    return [(CLASSES[row % 2], face(CLASSES[row % 2], row)) for row in range(2 * EACH)]


def votes_for(label, share=10):
    votes = [0] * 10
    votes[EXPRESSIONS.index(label)] = share
    return votes


@pytest.fixture
def table(tmp_path):
    """A CSV of 24 pictures of which row 3 says the other class."""
    lines = ["path,label"]
    for row, (label, pixels) in enumerate(labelled()):
        Image.fromarray(pixels).save(tmp_path / f"{row}.png")
        lines.append(f"{row}.png,{CLASSES[row % 2 == 0] if row == 3 else label}")
    path = tmp_path / "labels.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def run(tiny_checkpoint, path, out, *more):
    arguments = [str(path), "-o", str(out), "--model", str(tiny_checkpoint), *more]
    assert main(arguments) == 0
    with out.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_wrong_label_of_a_csv_comes_first(tiny_checkpoint, table, tmp_path, capsys):
    options = ("--crops", "--features", "hog", "--all")
    rows = run(tiny_checkpoint, table, tmp_path / "out.csv", *options)
    assert tuple(rows[0]) == HEADER
    assert len(rows) == 2 * EACH
    assert rows[0]["id"] == "3.png"
    assert rows[0]["label"] == CLASSES[1 - 3 % 2]
    assert rows[0]["neighbours_label"] == CLASSES[3 % 2]
    assert rows[0]["suspicious"] == "yes"
    assert "of 24 labels are suspicious" in capsys.readouterr().err


def test_without_all_only_the_suspicious_are_listed(tiny_checkpoint, table, tmp_path):
    rows = run(tiny_checkpoint, table, tmp_path / "out.csv", "--crops", "--features", "hog")
    assert 1 <= len(rows) < 2 * EACH
    assert {row["suspicious"] for row in rows} == {"yes"}


def test_the_towers_features_are_the_default(tiny_checkpoint, table, tmp_path):
    rows = run(tiny_checkpoint, table, tmp_path / "out.csv", "--crops", "--all", "--quiet")
    assert len(rows) == 2 * EACH


def prepared(folder, faces, votes):
    folder.mkdir()
    np.save(folder / "images.npy", np.stack(faces)[..., :1])
    keys = np.array([f"made/{row}" for row in range(len(faces))])
    np.savez(folder / "labels.npz", key=keys, votes=np.array(votes))
    return folder


def test_rows_without_a_majority_are_left_out_and_counted(tmp_path):
    faces = [pixels for _, pixels in labelled()[:3]]
    undecided = [5, 5, 0, 0, 0, 0, 0, 0, 0, 0]
    votes = [votes_for("anger"), undecided, votes_for("fear")]
    folder, left_out = prepared(tmp_path / "set", faces, votes), LeftOut()
    found = list(labelled_faces(Input(folder, tmp_path), left_out))
    assert [(f.id, f.label) for f in found] == [("made/0", "anger"), ("made/2", "fear")]
    assert np.array_equal(found[1].crop[..., 2], faces[2][..., 0])
    assert dict(left_out.counts) == {"no majority": 1}
    assert left_out.first["no majority"] == "made/1"


def corpus(folder, records):
    folder.mkdir()
    pq.write_table(pa.Table.from_pylist(records), folder / "shard-00000-train.parquet")
    return folder


def record(key, task, labels, image, faces=()):
    return {
        "id": f"made/{key}/{task}",
        "task": task,
        "images": [image],
        "faces": list(faces),
        "labels": json.dumps(labels),
        "source": "made",
    }


def box(*corners):
    return {"box": [float(c) for c in corners], "landmarks": None, "quality": 0.9}


def test_a_picture_of_a_corpus_is_audited_once_and_cut_by_its_box(tmp_path):
    pixels = np.zeros((40, 80, 3), np.uint8)
    pixels[10:30, 50:70] = (200, 10, 10)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    encoded = {"bytes": (tmp_path / "a.png").read_bytes(), "path": "x.parquet#a"}
    lying = {"bytes": None, "path": "a.png"}
    square = [box(52, 12, 68, 28)]
    folder = corpus(
        tmp_path / "corpus",
        [
            record("a", "expression", {"expression": "anger"}, encoded, square),
            record("a", "geometry", {"expression": "anger"}, encoded, square),
            record("b", "expression", {"votes": votes_for("fear")}, lying, square),
            record("c", "age", {"age": 30}, lying, square),
            record("d", "expression", {"expression": "fear"}, lying, square * 2),
            record("e", "expression", {"expression": "fear"}, {"bytes": None, "path": "no.png"}),
        ],
    )
    left_out = LeftOut()
    found = list(labelled_faces(Input(folder, tmp_path), left_out))
    assert [(f.id, f.label) for f in found] == [("made/a", "anger"), ("made/b", "fear")]
    assert np.median(found[0].crop, axis=(0, 1)).tolist() == [200, 10, 10]
    reasons = {"no label": 1, "several faces or pictures": 1, "unreadable picture": 1}
    assert dict(left_out.counts) == reasons


def test_pictures_inside_a_sets_own_file_are_found_by_its_reader(tmp_path, monkeypatch):
    from facellm.instruct_data.readers import READERS
    from facellm.readers.row import FaceRow, Rejection

    Image.fromarray(face("sadness", 1)).save(tmp_path / "p.png")
    data = (tmp_path / "p.png").read_bytes()
    rows = [FaceRow("made", key, "train", picture=data) for key in ("q/1", "q/2")]
    rows.append(Rejection("made", "q/9", "read", "no votes"))
    monkeypatch.setitem(READERS, "made", lambda path: iter(rows))
    wanted = [
        record(
            key, "expression", {"expression": "fear"}, {"bytes": None, "path": f"x.parquet#{key}"}
        )
        for key in ("q/2", "q/9")
    ]
    left_out = LeftOut()
    found = labelled_faces(Input(corpus(tmp_path / "corpus", wanted), tmp_path), left_out)
    assert [f.id for f in found] == ["made/q/2"]
    assert left_out.first == {"unreadable picture": f"made/q/9: not in {tmp_path}/x.parquet"}
    monkeypatch.delitem(READERS, "made")
    with pytest.raises(FaceLLMError, match="embed: true"):
        list(labelled_faces(Input(tmp_path / "corpus", tmp_path), LeftOut()))


def test_bad_lines_of_a_csv_are_left_out_by_line(tmp_path, table):
    with table.open("a") as file:
        file.write("missing.png,sadness\n,sadness\nlabels.csv,sadness\n")
    left_out = LeftOut()
    assert len(list(labelled_faces(Input(table, tmp_path), left_out))) == 2 * EACH
    assert dict(left_out.counts) == {"unreadable picture": 2, "no path or no label": 1}
    assert left_out.first["no path or no label"] == f"{table}:27"
    assert left_out.first["unreadable picture"].startswith(f"{table}:26")


def refused(tmp_path, what):
    if what == "no such file":
        return tmp_path / "nothing"
    if what == r"columns \['label'\] are missing":
        (tmp_path / "bad.csv").write_text("path,emotion\na.png,fear\n")
        return tmp_path / "bad.csv"
    folder = tmp_path / "folder"
    folder.mkdir()
    if what == "not a shard":
        (folder / "shard-0.parquet").write_bytes(b"no parquet")
    if what == "labels.npz is missing":
        np.save(folder / "images.npy", np.zeros((1, 4, 4, 1), np.uint8))
    if what == "no votes":
        np.save(folder / "images.npy", np.zeros((1, 4, 4, 1), np.uint8))
        np.savez(folder / "labels.npz", age=np.zeros(1))
    return folder


@pytest.mark.parametrize(
    "what",
    [
        "no such file",
        r"columns \['label'\] are missing",
        "not a prepared set",
        "not a shard",
        "labels.npz is missing",
        "no votes",
    ],
)
def test_input_that_cannot_be_audited_is_named(tiny_checkpoint, tmp_path, what):
    path = refused(tmp_path, what)
    with pytest.raises(FaceLLMError, match=what):
        run(tiny_checkpoint, path, tmp_path / "out.csv")
    assert not (tmp_path / "out.csv").exists()


def test_classes_too_rare_to_compare_are_an_error_with_what_was_left_out(tiny_checkpoint, tmp_path):
    (tmp_path / "few.csv").write_text("path,label\nno.png,fear\n")
    with pytest.raises(FaceLLMError, match=r"none of 4.*1 unreadable picture \(first: .*few.csv:2"):
        run(tiny_checkpoint, tmp_path / "few.csv", tmp_path / "out.csv", "--crops")
