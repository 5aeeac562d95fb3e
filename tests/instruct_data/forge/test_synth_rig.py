"""Renders of the real rig: exact labels, the same whoever makes them, readable as rows."""

import cv2
import numpy as np
import pytest
from shared_data import DATA, needs_rig

from facellm.errors import FaceLLMError
from facellm.instruct_data.forge.captions import MENTIONED
from facellm.instruct_data.forge.reader import read_synth
from facellm.instruct_data.forge.rendering import Studio, Wanted
from facellm.instruct_data.forge.store import Store
from facellm.instruct_data.forge.synth_command import label_digest, run_of, synth
from facellm.instruct_data.rig import N_IDENTITIES, N_SKIN_VERTICES, identity_table
from facellm.instruct_data.rig_truth import identity_split
from facellm.labels import ACTION_UNITS

RIG = DATA / "ict_facekit"
pytestmark = needs_rig
ASKED = {6: (0.8, 0.8), 12: (0.2, 1.0)}


def wanted(**changes):
    return Wanted(**({"rig": RIG, "n": 21, "size": 32, "people": 21} | changes))


@pytest.fixture(scope="module")
def studio():
    return Studio(wanted())


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    out = tmp_path_factory.mktemp("synth") / "out"
    return out, synth(wanted(), out, 2)[0]


def test_the_number_of_workers_changes_nothing(made, studio, tmp_path):
    """Two processes against this one."""
    for part in (0, 1):
        (tmp_path / "parts").mkdir(exist_ok=True)
        studio.make_part(part, tmp_path)
    files = sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    assert len(files) == 23
    for name in files:
        assert (tmp_path / name).read_bytes() == (made[0] / name).read_bytes(), name


def test_a_finished_folder_is_not_made_again_and_another_run_is_refused(made):
    before = (made[0] / "records.jsonl").stat().st_mtime_ns
    manifest, count = synth(wanted(), made[0], 1)
    assert count == 0
    assert manifest == made[1]
    assert (made[0] / "records.jsonl").stat().st_mtime_ns >= before
    with pytest.raises(FaceLLMError, match="size was 32, is 48"):
        synth(wanted(size=48), made[0], 1)


def test_rows_carry_exact_units_points_and_how_they_were_made(made, studio):
    rows = list(read_synth(made[0]))
    assert len(rows) == 21
    for index, row in enumerate(rows):
        assert row.fake is True
        assert row.forgery == "rendered_avatar"
        assert row.expression is None
        assert tuple(row.units) == ACTION_UNITS
        label = studio.label(index)
        assert {str(unit): value for unit, value in row.units.items()} == label["units"]
        np.testing.assert_allclose(row.landmarks, label["landmarks"], atol=1e-4)
        assert cv2.imread(str(row.path)).shape == (32, 32, 3)
        assert {"pose", "gaze", "light", "skin", "caption"} <= row.making.keys()
        assert 1 <= len(row.making["light"]["lamps"]) <= 2


def test_skins_go_round_the_bins_and_people_are_new_to_the_rig_set(made):
    assert sorted(made[1]["faces"]["skin"].values()) == [3, 3, 3, 4, 4, 4]
    for row in read_synth(made[0]):
        person = int(row.subject.removeprefix("rig-"))
        assert person >= N_IDENTITIES
        assert row.split == ("train", "valid", "test")[int(identity_split(person))]


def test_a_longer_table_begins_with_the_same_people():
    np.testing.assert_array_equal(identity_table(500)[:400], identity_table())


def test_points_are_the_projection_of_the_meshs_landmark_vertices(studio):
    """Whole mesh blended and projected against the 68 vertices alone."""
    for index in range(12):
        sample, _ = studio.draw(index)
        mesh = studio.rig.vertices(studio.population[sample.identity], sample.expression)
        camera = sample.camera(mesh[studio.rig.landmark_vertices])
        seen = camera.project(mesh)[0][studio.rig.landmark_vertices] * 32
        np.testing.assert_allclose(seen, studio.label(index)["landmarks"], atol=1e-3)


def test_the_painted_skin_has_the_angle_of_the_label(studio):
    """Median of the bare cheeks as painted; flush and grain shift it by a few degrees."""
    rest = studio.rig.neutral[:N_SKIN_VERTICES]
    bare = (np.abs(rest[:, 0]) > 2) & (np.abs(rest[:, 0]) < 5) & (rest[:, 2] > 6)
    bare &= (rest[:, 1] > 0.5) & (rest[:, 1] < 2.2)
    found, told = [], []
    for index in range(12):
        sample, _ = studio.draw(index)
        skin = studio.renderer.skin_map.paint(np.random.default_rng(sample.look))
        pixel = np.median(skin.albedo[bare], axis=0).reshape(1, 1, 3)
        lightness, _, yellow = cv2.cvtColor(pixel, cv2.COLOR_LRGB2LAB)[0, 0]
        found.append(np.degrees(np.arctan2(lightness - 50, yellow)))
        told.append(studio.label(index)["skin"]["ita"])
    assert np.abs(np.array(found) - told).max() < 15
    assert np.corrcoef(found, told)[0, 1] > 0.97


def test_units_asked_for_are_the_labels_and_captions_mention_them():
    studio = Studio(wanted(units=ASKED))
    strength = []
    for index in range(40):
        label = studio.label(index)
        assert label["units"]["6"] == pytest.approx(0.8, abs=1e-4)
        assert 0.2 <= label["units"]["12"] <= 1
        others = {u for u, value in label["units"].items() if value > 0} - {"6", "12", "25"}
        assert not others
        assert "cheeks" in label["caption"]
        assert ("lip corners" in label["caption"]) or label["units"]["12"] <= MENTIONED
        strength.append(label["units"]["12"])
    assert np.ptp(strength) > 0.5


def test_expressions_are_posed_in_turn_and_never_become_a_label():
    studio = Studio(wanted(expressions=("happiness", "neutral")))
    for index in range(6):
        label = studio.label(index)
        assert label["codebook"] == ("happiness", "neutral")[index % 2]
        assert (label["strength"] == 0) == (index % 2 == 1)
        assert "happi" not in label["caption"]


def test_no_two_faces_are_equal(studio):
    """Of 250 here; the command counts them in every folder it writes."""
    digests = {label_digest(studio.label(index)) for index in range(250)}
    assert len(digests) == 250


def test_equal_faces_are_counted(studio):
    first, again = studio.label(0), studio.label(0) | {"key": "other", "subject": "other"}
    assert label_digest(first) == label_digest(again)


def test_a_worker_that_fails_ends_the_command_with_its_words(tmp_path):
    asked, out = wanted(n=1, people=1), tmp_path / "out"
    with Store(out, run_of(asked), 1):
        (out / "pictures").write_text("in the way")
    with pytest.raises(FaceLLMError, match="pictures"):
        synth(asked, out, 1)
    with pytest.raises(FaceLLMError, match="not finished"):
        list(read_synth(out))
