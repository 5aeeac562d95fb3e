"""``facellm read`` and ``facellm ask`` with clips: rows, gaps, resuming, refusals."""

import json

import numpy as np
import pandas as pd
import pytest
from cli_runs import refused
from clip_files import flat, write_gif
from PIL import Image

from facellm import block_reading
from facellm.cli import main
from facellm.clip import clip_reading, following
from facellm.detection import CascadeDetector
from facellm.face import BoundingBox, Face

FACE = Face(BoundingBox(80.0, 30.0, 140.0, 95.0), None, 0.9)

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture(autouse=True)
def one_face_where_there_is_a_person(monkeypatch):
    """The toy network takes everything for a face: here a face is where a frame is not plain."""

    def detect(self, pixels):
        return [FACE] if pixels.std(axis=(0, 1)).max() > 8 else []

    monkeypatch.setattr(CascadeDetector, "detect", detect)
    monkeypatch.setattr(following, "verify", lambda *_: [])


@pytest.fixture(scope="module")
def person(photo):
    with Image.open(photo) as picture:
        return np.asarray(picture.resize((256, 256)))


@pytest.fixture
def clip(person, tmp_path):
    """12 frames, 4 a second; no face from 1 s to 1.75 s."""
    frames = [flat(120 + i, (256, 256)) if 4 <= i < 8 else lit(person, i) for i in range(12)]
    return write_gif(tmp_path / "c.png", frames, 250)


def lit(pixels, step):
    """The same a little lighter: Pillow joins frames that are equal."""
    return np.clip(pixels.astype(int) + step, 0, 255).astype(np.uint8)


def run(*arguments):
    return main([str(argument) for argument in arguments])


@pytest.fixture
def read(tiny_checkpoint):
    return lambda *arguments: run("read", *arguments, "--model", tiny_checkpoint)


def test_a_row_per_face_and_time_and_an_empty_one_where_there_is_none(clip, read, tmp_path, capsys):
    out = tmp_path / "t.csv"
    assert read(clip, "-o", out) == 0
    assert "1 clip (6 frames, 2 without a face), 4 faces" in capsys.readouterr().err
    table = pd.read_csv(out)
    assert list(table["time"]) == [0.0, 0.5, 1.0, 1.5, 2.0, 2.5]
    assert list(table["frame"]) == [0, 2, 4, 6, 8, 10]
    assert list(table["face"].fillna(0)) == [1, 1, 0, 0, 1, 1]
    gap = table[table["time"].between(1.0, 1.5)].drop(columns=["input", "frame", "time"])
    assert gap.isna().all(axis=None)
    problems = (tmp_path / "t.csv.problems.csv").read_text()
    assert "no face in 2 of 6 sampled frames: 0:01.0 to 0:01.5" in problems
    record = json.loads((tmp_path / "t.csv.manifest.json").read_text())
    assert record["counts"]["sampled_frames"] == 6
    assert record["sampling"]["fps"] == 2.0
    assert record["clips"][0]["tracks"] == 1
    assert "sampled at 2 frames a second by presentation time; 6 sampled" in record["methods"]


@pytest.mark.parametrize("columns", ["openface", "arkit"])
def test_other_column_sets_have_times_too(clip, read, tmp_path, columns):
    out = tmp_path / "t.parquet"
    assert read(clip, "-o", out, "--columns", columns, "--fps", "all", "--smooth", "0.4") == 0
    table = pd.read_parquet(out)
    assert len(table) == 12
    time = "timestamp" if columns == "openface" else "time"
    assert table[time].tolist() == pytest.approx([0.25 * i for i in range(12)])
    assert table["smoothed"].sum() == 8
    if columns == "openface":
        assert table["success"].tolist() == [1] * 4 + [0] * 4 + [1] * 4
        assert table["face_id"].dropna().tolist() == [0] * 8


def test_smoothing_changes_expressions_only_and_is_marked(clip, read, tmp_path):
    tables = []
    for name, options in (("raw", ()), ("smooth", ("--smooth", "1"))):
        assert read(clip, "-o", tmp_path / f"{name}.csv", *options) == 0
        tables.append(pd.read_csv(tmp_path / f"{name}.csv"))
    raw, smooth = tables
    assert "smoothed" not in raw
    assert smooth["smoothed"].dropna().eq(1).all()
    assert raw["AU12"].equals(smooth["AU12"])
    assert not raw["neutral"].equals(smooth["neutral"])
    methods = json.loads((tmp_path / "smooth.csv.manifest.json").read_text())["methods"]
    assert "smoothed over time (causal, time constant 1 s)" in methods


def test_pictures_and_clips_in_one_table_and_bad_clips_told(
    clip, photo, plain_wall, read, tmp_path, capsys
):
    (tmp_path / "bad.mp4").write_text("no video")
    out = tmp_path / "t.jsonl"
    assert read(photo, clip, tmp_path / "bad.mp4", plain_wall, "-o", out) == 0
    said = capsys.readouterr().err
    assert "2 pictures, 2 clips (6 frames, 2 without a face), " in said
    assert "1 without a face, 1 unreadable" in said
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert rows[0]["time"] is None
    assert rows[-1]["time"] == 2.5
    assert "bad.mp4" in (tmp_path / "t.jsonl.problems.csv").read_text()


def test_a_folder_is_one_clip_on_request(person, read, tmp_path):
    folder = tmp_path / "shots"
    folder.mkdir()
    for number in range(1, 12):
        Image.fromarray(lit(person, number)).save(folder / f"f{number}.png")
    (folder / "f5.png").write_text("damaged")
    out = tmp_path / "t.csv"
    assert read(folder, "--frames", "10", "--fps", "all", "-o", out) == 0
    table = pd.read_csv(out)
    assert table["time"].round(3).tolist() == [i / 10 for i in range(11) if i != 4]
    assert set(table["face"]) == {1}
    problems = (tmp_path / "t.csv.problems.csv").read_text()
    assert "gap: 1 time:" in problems
    assert "f5.png: not a picture" in problems


def test_no_face_throughout_is_a_table_of_empty_rows(read, tmp_path):
    path = write_gif(tmp_path / "w.gif", [flat(v, (64, 64)) for v in (90, 120, 150)], 500)
    assert read(path, "-o", tmp_path / "t.csv") == 0
    table = pd.read_csv(tmp_path / "t.csv")
    assert len(table) == 3
    assert table["face"].isna().all()
    assert "no face in any of 3 sampled frames" in (tmp_path / "t.csv.problems.csv").read_text()


def test_a_run_interrupted_inside_a_clip_goes_on_to_the_same_table(
    clip, photo, read, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(clip_reading, "CLIP_BLOCK", 3)
    monkeypatch.setattr(block_reading, "BLOCK", 1)
    inputs, options = (photo, clip, photo.parent), ("--fps", "all", "--smooth", "0.5")
    whole, cut = tmp_path / "whole.csv", tmp_path / "cut.csv"
    assert read(*inputs, "-o", whole, *options) == 0
    real, seen = clip_reading.ClipReader._rows, []

    def stop(*arguments):
        seen.append(1)
        if len(seen) == 8:
            raise KeyboardInterrupt
        return real(*arguments)

    monkeypatch.setattr(clip_reading.ClipReader, "_rows", stop)
    assert read(*inputs, "-o", cut, *options) == 130
    assert "1 of 2 pictures and 6 frames of a clip are done" in capsys.readouterr().err
    monkeypatch.setattr(clip_reading.ClipReader, "_rows", real)
    assert "fps was 0.0, is 2.0" in refused(
        capsys, "read", *inputs, "-o", cut, "--resume", "--model", tmp_path_model(read)
    )
    assert read(*inputs, "-o", cut, *options, "--resume") == 0
    assert cut.read_bytes() == whole.read_bytes()
    assert (tmp_path / "cut.csv.problems.csv").read_text() == (
        tmp_path / "whole.csv.problems.csv"
    ).read_text()


def tmp_path_model(read):
    """The checkpoint that the fixture reads with."""
    return read.__closure__[0].cell_contents


def test_bad_settings_are_refused(clip, capsys, tmp_path):
    assert "--fps -1" in refused(capsys, "read", clip, "--fps", "-1")
    assert "--fps" in refused(capsys, "read", clip, "--fps", "many")
    assert "--smooth -1" in refused(capsys, "read", clip, "--smooth", "-1")
    assert "--frames 0" in refused(capsys, "read", tmp_path, "--frames", "0")
    assert "--samples 1" in refused(capsys, "ask", clip, "--samples", "1")
    assert "takes a picture, not a clip" in refused(capsys, "ask", clip, "--crops")
    assert "needs a folder" in refused(capsys, "ask", clip, "--frames", "9")
    assert "missing.mp4: no such file" in refused(capsys, "ask", tmp_path / "missing.mp4")


# --- ask ------------------------------------------------------------------------------------------


def test_an_answer_is_about_the_whole_clip_never_its_first_frame(person, tiny_checkpoint, tmp_path):
    """The face comes late: an answer from the first frame would see none."""
    frames = [flat(120 + i, (256, 256)) for i in range(6)] + [lit(person, i) for i in range(4)]
    path = write_gif(tmp_path / "late.gif", frames, 500)
    from facellm.assistant import FaceAssistant
    from facellm.clip.asking import ask_clip
    from facellm.clip.opening import open_clip

    answer = ask_clip(FaceAssistant.load(tiny_checkpoint), open_clip(path), "What changes?")
    assert answer.intent == "overview"
    assert "Face 1 (0:03.0 to 0:04.5, in 4 frames)" in answer.text
    assert "No face is found in 6 frames" in answer.text


def test_ask_prints_json_with_tracks_frames_and_timings(clip, tiny_checkpoint, capsys):
    assert run("ask", clip, "what changes", "--json", "--model", tiny_checkpoint) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["written_by"] == "rules over the timeline"
    assert [len(f["faces"]) for f in found["frames"]].count(0) == len(
        found["clip"]["without_a_face"]
    )
    (track,) = found["tracks"]
    assert track["stretches"]["expression"]
    assert set(found["timings"]) >= {"open", "load", "look", "answer", "total"}
    assert "rules" in found["notice"]


@pytest.mark.parametrize("intent", ["off_topic", "out_of_bounds"])
def test_what_is_declined_of_photographs_is_declined_of_clips(
    clip, tiny_checkpoint, capsys, monkeypatch, intent
):
    from facellm.assistant import FaceAssistant

    monkeypatch.setattr(FaceAssistant, "intent", lambda *_: intent)
    monkeypatch.setattr(FaceAssistant, "reply", lambda *_: iter([" I do", " not."]))
    assert run("ask", clip, "Is she lying?", "--json", "--model", tiny_checkpoint) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["answer"] == "I do not."
    assert found["intent"] == intent
    assert found["written_by"] == "the language model"


def test_a_reasoner_gets_the_timeline(clip, tiny_checkpoint, capsys, monkeypatch):
    from facellm.reasoner import Reasoner

    sent = {}

    def answer(self, given, question, picture):
        sent.update(given=given, question=question, picture=picture)
        return iter(["It shows", " something at 0:00.5, then 9999."])

    monkeypatch.setattr(Reasoner, "_stream", answer)
    url = ("--reasoner", "http://nowhere/v1", "--reasoner-model", "m")
    assert run("ask", clip, "What changes?", *url, "--model", tiny_checkpoint) == 0
    assert "9999 [not in the evidence]" in capsys.readouterr().out
    assert sent["picture"] is None
    assert sent["given"]["tracks"][0]["stretches"]["expression"]


def test_a_clip_of_unusable_frames_is_an_error(tiny_checkpoint, tmp_path, capsys):
    folder = tmp_path / "bad"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.png").write_text("damaged")
    said = refused(capsys, "ask", folder, "--frames", "5", "--model", tiny_checkpoint)
    assert "no frame could be used" in said


# --- a person's own neutral -----------------------------------------------------------------------


@pytest.fixture
def own(person, tiny_checkpoint, tmp_path):
    """``me.json`` of a clip of the person: two frames a second of six seconds."""
    frames = [lit(person, i) for i in range(24)]
    path, out = write_gif(tmp_path / "me.png", frames, 250), tmp_path / "me.json"
    assert run("calibrate", path, "-o", out, "--model", tiny_checkpoint, "--quiet") == 0
    return out


def test_a_clip_gives_a_baseline_of_two_frames_a_second(own, person, tiny_checkpoint, capsys):
    assert json.loads(own.read_text())["frames"]["given"] == 12
    clip = write_gif(own.with_name("wall.png"), [flat(100 + i, (256, 256)) for i in range(4)])
    refused(capsys, "calibrate", clip, "-o", own, "--model", tiny_checkpoint)


def test_frames_of_one_face_are_read_against_the_baseline_and_the_others_are_not_marked(
    clip, own, read, tmp_path, capsys
):
    plain, marked = tmp_path / "plain.csv", tmp_path / "marked.csv"
    assert read(clip, "-o", plain) == read(clip, "-o", marked, "--baseline", own) == 0
    assert "without the baseline" not in capsys.readouterr().err  # empty rows are no faces
    before, after = pd.read_csv(plain), pd.read_csv(marked)
    assert list(after["baseline"].notna()) == list(after["face"].notna())
    seen = after["face"].notna()
    assert not np.allclose(before["z_brow_height"][seen], after["z_brow_height"][seen])
    assert np.allclose(before["happiness"][seen], after["happiness"][seen])


def test_a_clip_is_not_asked_about_with_a_baseline(clip, own, tiny_checkpoint, capsys):
    said = refused(capsys, "ask", clip, "--baseline", own, "--model", tiny_checkpoint)
    assert "is a clip" in said
