"""``facellm calibrate`` and ``--baseline``: pictures -> file, file -> readings."""

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from cli_runs import refused
from PIL import Image
from table_rows import reading

from facellm import neutral
from facellm.assistant import FaceAssistant
from facellm.baseline import Baseline
from facellm.calibrated import CalibratedAssistant
from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Face
from facellm.journal import Journal
from facellm.labels import ACTION_UNITS
from facellm.neutral import LEAST_FRAMES, TURNED, Sighting, baseline_from, neutral_of
from facellm.picture_files import find_pictures
from facellm.read_command import new_read_parser, run_record
from facellm.reading import UnitReading


@pytest.fixture(scope="module")
def frames(photo):
    """Six pictures of one face in different places."""
    with Image.open(photo) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return [(f"{index}.jpg", np.roll(pixels, 4 * index, axis=1)) for index in range(6)]


@pytest.fixture
def folder(frames, plain_wall, tmp_path):
    """The pictures on disk, with a wall and a file that is no picture."""
    path = tmp_path / "me"
    path.mkdir()
    for name, pixels in frames:
        Image.fromarray(pixels).save(path / name)
    (path / "wall.png").write_bytes(plain_wall.read_bytes())
    (path / "bad.jpg").write_text("not a picture")
    return path


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint):
    return FaceAssistant.load(tiny_checkpoint)


class TwoFaces:
    """A detector that sees two faces everywhere."""

    def detect(self, image):
        side = min(image.shape[:2]) / 2
        return [Face(BoundingBox(x, 0, x + side, side), None, 0.9) for x in (0, side)]


def sighting(count, **changes):
    return Sighting([reading(**changes) for _ in range(count)])


# --- taking the levels ----------------------------------------------------------------------------


def test_levels_are_medians_and_a_minority_of_expressions_does_not_move_them(assistant):
    found = sighting(4)
    loud = {n: UnitReading(0.9, 0.9) for n in ACTION_UNITS}
    found.readings += sighting(3, geometry=dict.fromkeys(reading().geometry, 4.0)).readings
    found.readings[-1] = replace(found.readings[-1], action_units=loud)
    own = baseline_from(found, assistant.checkpoint)
    assert {level.level for level in own.measures.values()} == {-0.5}
    assert own.units[12].probability == 0.25
    assert own.measures["mouth_open"].spread > 1
    assert own.frames == {"given": 7, "used": 7, "left_out": {}}


def test_a_unit_that_only_half_of_the_frames_show_is_no_resting_one(assistant):
    quiet, loud = UnitReading(0.1, 0.0), UnitReading(0.9, 0.8)
    half = [dict.fromkeys(ACTION_UNITS, unit) for unit in (quiet, loud) * 6]
    most = [dict.fromkeys(ACTION_UNITS, unit) for unit in (quiet, *(loud,) * 11)]
    for units, level in ((half, (0.1, 0.0)), (most, (0.9, 0.8))):
        found = Sighting([reading(action_units=unit) for unit in units])
        own = baseline_from(found, assistant.checkpoint).units[4]
        assert (own.probability, own.intensity) == pytest.approx(level)


def test_spread_is_the_standard_deviation_of_a_normal_sample():
    values = np.random.default_rng(0).normal(2.0, 3.0, 20000)
    assert neutral.level_and_spread(values) == pytest.approx((2.0, 3.0), abs=0.1)


def test_frames_may_be_any_iterator(assistant, frames):
    own = neutral_of(assistant, iter(frames), command="from a test")
    assert own.frames["used"] == len(frames)
    assert own.command == "from a test"
    one_by_one = [assistant.read(pixels)[0].reading for _, pixels in frames]
    expected = np.quantile([r.action_units[12].probability for r in one_by_one], 0.16)
    assert own.units[12].probability == pytest.approx(expected, abs=1e-4)


def test_too_few_frames_are_refused_with_the_bound_and_the_reasons(assistant):
    found = sighting(LEAST_FRAMES - 1)
    found.left_out["no face found"] = 3
    with pytest.raises(FaceLLMError, match=r"4 usable frames of 7.*needs 5 \(3 no face found\)"):
        baseline_from(found, assistant.checkpoint)
    baseline_from(sighting(LEAST_FRAMES), assistant.checkpoint)


def test_poses_too_wide_are_refused(assistant):
    assert neutral.unusable(reading(pose=(21.0, 0.0, 0.0))) == TURNED
    assert neutral.unusable(reading(pose=(0.0, -21.0, 0.0))) == TURNED
    assert neutral.unusable(reading(pose=(19.0, -19.0, 45.0))) == ""
    found = sighting(6)
    found.left_out[TURNED] = 7
    with pytest.raises(FaceLLMError, match="7 of 13 frames are turned by more than 20 degrees"):
        baseline_from(found, assistant.checkpoint)


def test_several_faces_in_a_frame_name_it(assistant, frames):
    crowded = FaceAssistant(assistant.checkpoint, TwoFaces())
    with pytest.raises(FaceLLMError, match=r"0\.jpg: 2 faces.*bound is 1"):
        neutral_of(crowded, frames)


# --- the verb -------------------------------------------------------------------------------------


def calibrate(folder, out, model):
    return main(["calibrate", str(folder), "-o", str(out), "--model", str(model)])


def test_a_folder_becomes_a_baseline_and_nothing_is_lost(folder, tiny_checkpoint, tmp_path, capsys):
    out = tmp_path / "me.json"
    assert calibrate(folder, out, tiny_checkpoint) == 0
    printed = capsys.readouterr().err
    assert "6 of 8 frames used, 1 no face found, 1 unreadable" in printed
    assert "bad.jpg: not a picture" in printed
    record = json.loads(out.read_text())
    assert record["frames"]["left_out"] == {"no face found": 1, "unreadable": 1}
    assert record["command"].startswith("facellm calibrate ")
    assert set(record["weights"]) == {"model.safetensors", "landmarks.safetensors"}


def test_reading_with_a_baseline_marks_rows_and_manifest(folder, tiny_checkpoint, tmp_path):
    me, plain, own = tmp_path / "me.json", tmp_path / "plain.csv", tmp_path / "own.csv"
    assert calibrate(folder, me, tiny_checkpoint) == 0
    table = ["read", str(folder), "--model", str(tiny_checkpoint), "--all-units", "-o"]
    assert main([*table, str(plain)]) == 0
    assert main([*table, str(own), "--baseline", str(me)]) == 0
    before, after, level = pd.read_csv(plain), pd.read_csv(own), Baseline.load(me)
    assert "baseline" not in before
    assert set(after["baseline"]) == {level.name}
    z = before["z_mouth_open"] - level.measures["mouth_open"].level
    np.testing.assert_allclose(after["z_mouth_open"], z, atol=2e-4)
    rest = level.units[12].probability
    expected = ((before["AU12"] - rest) / (1 - rest)).clip(0)
    np.testing.assert_allclose(after["AU12"], expected, atol=2e-4)
    assert (before["happiness"] == after["happiness"]).all()
    manifest = json.loads((tmp_path / "own.csv.manifest.json").read_text())
    assert manifest["baseline"]["name"] == level.name
    meanings = {column["name"]: column["meaning"] for column in manifest["columns"]}
    assert "own neutral" in meanings["z_mouth_open"]
    assert "resting level" in meanings["AU12"]
    assert meanings["happiness"] == "share of happiness"
    assert level.name in manifest["methods"]
    assert "baseline" not in json.loads((tmp_path / "plain.csv.manifest.json").read_text())


@pytest.mark.parametrize("columns", ["openface", "arkit"])
def test_every_column_set_can_be_marked(columns, folder, tiny_checkpoint, tmp_path):
    me, out = tmp_path / "me.json", tmp_path / "t.parquet"
    assert calibrate(folder, me, tiny_checkpoint) == 0
    command = ["read", folder / "0.jpg", "--columns", columns, "--baseline", me, "-o", out]
    assert main([*map(str, command), "--model", str(tiny_checkpoint)]) == 0
    assert list(pd.read_parquet(out)["baseline"]) == [Baseline.load(me).name]


def test_a_picture_with_several_faces_stays_as_read_and_is_counted(
    folder, tiny_checkpoint, tmp_path, capsys, monkeypatch
):
    me, out = tmp_path / "me.json", tmp_path / "t.csv"
    assert calibrate(folder, me, tiny_checkpoint) == 0
    monkeypatch.setattr("facellm.detection.CascadeDetector.detect", TwoFaces.detect)
    command = ["read", folder / "0.jpg", "--baseline", me, "-o", out, "--model", tiny_checkpoint]
    assert main([*map(str, command)]) == 0
    table = pd.read_csv(out)
    assert len(table) == 2
    assert table["baseline"].isna().all()
    assert "2 without the baseline (several faces)" in capsys.readouterr().err
    asked = ["ask", folder / "0.jpg", "--baseline", me, "--model", tiny_checkpoint]
    line = refused(capsys, *asked)
    assert "0.jpg: 2 faces" in line
    assert "me.json" in line


def test_asking_with_a_baseline_names_it(folder, tiny_checkpoint, tmp_path, capsys):
    me = tmp_path / "me.json"
    assert calibrate(folder, me, tiny_checkpoint) == 0
    capsys.readouterr()
    command = ["ask", folder / "0.jpg", "--json", "--baseline", me, "--model", tiny_checkpoint]
    assert main([*map(str, command)]) == 0
    (face,) = json.loads(capsys.readouterr().out)["faces"]
    assert face["reading"]["baseline"] == Baseline.load(me).name


def test_the_prompt_is_written_from_the_relative_reading(assistant, frames, tmp_path):
    own = neutral_of(assistant, frames)
    low = {name: replace(level, level=-3.0) for name, level in own.measures.items()}
    own = replace(own, measures=low).save(tmp_path / "me.json")
    (face,), (part,) = CalibratedAssistant(assistant, own).look(frames[0][1])
    assert face.reading.baseline == own.name
    assert "brow_height" in face.reading.evidence
    assert " brows<z_+3>" in part.reading
    (plain,), _ = assistant.look(frames[0][1])
    assert plain.reading.evidence == ()


def test_bad_input_is_refused(folder, tiny_checkpoint, tmp_path, capsys):
    model = ("--model", tiny_checkpoint)
    assert ".json" in refused(capsys, "calibrate", folder, "-o", tmp_path / "me.txt", *model)
    assert "no" in refused(capsys, "calibrate", folder, "-o", tmp_path / "no" / "me.json", *model)
    few = refused(
        capsys,
        "calibrate",
        folder / "0.jpg",
        folder / "wall.png",
        "-o",
        tmp_path / "a.json",
        *model,
    )
    assert "1 usable frames of 2, a baseline needs 5 (1 no face found)" in few
    assert not (tmp_path / "a.json").exists()
    other = tmp_path / "other.json"
    assert calibrate(folder, other, tiny_checkpoint) == 0
    capsys.readouterr()
    record = json.loads(other.read_text())
    record["weights"]["model.safetensors"] = "f" * 64
    other.write_text(json.dumps(record))
    for verb in ("read", "ask"):
        line = refused(capsys, verb, folder / "0.jpg", "--baseline", other, *model)
        assert "other.json" in line
        assert "f" * 16 in line
    other.write_text("not json")
    for verb in ("read", "ask"):
        assert "not JSON" in refused(capsys, verb, folder / "0.jpg", "--baseline", other, *model)


def test_a_journal_of_another_baseline_is_not_resumed(folder, tiny_checkpoint, tmp_path, capsys):
    me, out = tmp_path / "me.json", tmp_path / "t.csv"
    assert calibrate(folder, me, tiny_checkpoint) == 0
    args = new_read_parser().parse_args([str(folder), "-o", str(out)])
    files, _ = find_pictures([str(folder)])
    assistant = FaceAssistant.load(tiny_checkpoint)
    Journal(out.with_name("t.csv.journal"), run_record(assistant, files, args), resume=False)
    command = ["read", folder, "-o", out, "--resume", "--baseline", me, "--model", tiny_checkpoint]
    capsys.readouterr()
    assert "baseline was None" in refused(capsys, *command)
