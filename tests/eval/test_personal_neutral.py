"""What a personal neutral is worth, on people whose rests and expressions are made up."""

import json
from types import SimpleNamespace

import numpy as np
import pytest

from facellm.eval import personal_neutral as pn
from facellm.eval.neutral_rows import NeutralRows, located, readings
from facellm.face import BoundingBox, Face, Landmarks
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS
from facellm.reading import UnitReading
from facellm.stabilise import STABILISER

PEOPLE, ROWS = 20, 400


@pytest.fixture
def made_up():
    """Measures that hold a person's own level, twice as large as any expression."""
    rng = np.random.default_rng(0)
    people = np.repeat(np.arange(PEOPLE), ROWS // PEOPLE)
    own = rng.normal(0, 2, (PEOPLE, len(MEASURES)))
    au = rng.random((ROWS, len(ACTION_UNITS))) * (rng.random((ROWS, len(ACTION_UNITS))) < 0.3)
    measures = own[people] + rng.normal(0, 0.1, (ROWS, len(MEASURES)))
    for name, units, sign in pn.CLAIMS:
        truth = au[:, [ACTION_UNITS.index(unit) for unit in units]].max(axis=1)
        measures[:, MEASURES.index(name)] += sign * truth
    return measures, own[people], au, people


def test_levels_are_a_persons_medians():
    values = np.array([[1.0], [3.0], [100.0], [7.0]])
    found = pn.own_levels(values, np.array([4, 4, 4, 9]), np.array([9, 4, 9]))
    assert found.tolist() == [[7.0], [3.0], [7.0]]
    lows = pn.own_levels(values, np.array([4, 4, 4, 9]), np.array([4]), 0.0)
    assert lows.tolist() == [[1.0]]
    with pytest.raises(KeyError):
        pn.own_levels(values, np.array([4, 4, 4, 9]), np.array([5]))


def test_a_level_that_is_taken_off_helps_and_no_level_changes_nothing(made_up):
    measures, levels, au, people = made_up
    found = pn.measure_claims(measures, levels, au, people)["mouth_open by AU25+AU26"]
    for figure in ("auc", "correlation"):
        gain = found[figure]["difference"]
        assert gain["low"] > 0.2
        assert gain["value"] == pytest.approx(
            found[figure]["own"]["value"] - found[figure]["population"]["value"]
        )
    assert found["shown"] == int((au[:, [17, 18]].max(axis=1) >= 0.2).sum())
    nothing = pn.measure_claims(measures, np.zeros_like(levels), au, people)
    assert all(claim["auc"]["difference"]["value"] == 0 for claim in nothing.values())


def test_units_at_rest_are_taken_off_and_rare_units_left_out(made_up):
    _, _, au, people = made_up
    au[:, 0] = 0.0
    rng = np.random.default_rng(1)
    rest = rng.uniform(0, 0.8, (PEOPLE, len(ACTION_UNITS)))[people]
    read = rest + (1 - rest) * (au >= 0.2) * 0.7
    found = pn.unit_claims(read, rest, au, people)
    assert found["units"] == [f"AU{number}" for number in ACTION_UNITS[1:]]
    assert found["mean auc"]["own"]["value"] == 1.0
    assert found["mean auc"]["difference"]["low"] > 0.01
    assert found["mean f1"]["own"]["value"] == 1.0
    assert found["mean f1"]["difference"]["low"] > 0


def test_spread_over_people_is_a_standard_deviation():
    before, after = np.array([0.0, 2.0, 4.0]), np.array([1.0, 1.0, 2.0])
    found = pn.resting_spread(before, after)
    assert found["without"]["value"] == pytest.approx(before.std())
    assert found["ratio"]["value"] == pytest.approx(after.std() / before.std())


class ToyAssistant:
    """Finds a face where a picture's first pixel says so, and reads units off it."""

    def __init__(self):
        self.checkpoint = SimpleNamespace(processor=SimpleNamespace(crop_size=8))
        self.detector = self

    def detect(self, image):
        side = np.linspace(2, 14, 68)
        face = Face(BoundingBox(2, 2, 14, 14), Landmarks(np.stack([side, side], 1)), 0.9)
        return [face] * int(image[0, 0, 0])

    def read_crops(self, crops):
        unit = [UnitReading(float(crop.mean()) / 255, 0.5) for crop in crops]
        return [SimpleNamespace(action_units=dict.fromkeys(ACTION_UNITS, u)) for u in unit]


def test_pictures_with_no_face_or_two_are_not_located():
    images = np.zeros((3, 16, 16, 3), np.uint8)
    images[:, 0, 0, 0] = (1, 0, 2)
    found = located(ToyAssistant(), SimpleNamespace(images=images))
    assert np.isfinite(found).all(axis=(1, 2)).tolist() == [True, False, False]


def test_readings_come_row_by_row():
    images = np.stack([np.full((16, 16, 3), value, np.uint8) for value in (0, 51, 255)])
    data = SimpleNamespace(images=images, side=16, points=lambda row: None)
    found = readings(ToyAssistant(), data, np.array([2, 1]))
    assert found["probability"].shape == (2, len(ACTION_UNITS))
    np.testing.assert_allclose(found["probability"][:, 0], [1.0, 0.2])


def test_figures_leave_frowning_people_out_of_measures_and_ask_them_at_rest(tmp_path):
    rng = np.random.default_rng(2)
    people, frames = 12, 8
    identity = np.tile(np.arange(people), frames)
    frame, frown = np.repeat(np.arange(frames), people), identity < 4
    points = rng.normal(0, 0.2, (68, 2)) + rng.normal(0, 0.01, (len(identity), 68, 2))
    rig_identity = np.repeat(np.arange(4, people), 40)
    au = (rng.random((len(rig_identity), 21)) < 0.3).astype(np.float32)
    exact = rng.normal(0, 0.2, (len(rig_identity), 68, 2))
    for name, labels in {
        "resting": {"identity": identity, "frame": frame, "frown": frown, "landmarks": points},
        "rig": {"identity": rig_identity, "au": au, "landmarks": exact},
    }.items():
        (tmp_path / name).mkdir()
        count = len(labels["identity"])
        np.savez(tmp_path / name / "labels.npz", split=np.full(count, 2), **labels)
        np.save(tmp_path / name / "images.npy", np.zeros((count, 4, 4, 3), np.uint8))
    resting = np.where(frown[:, None], 0.6, 0.1) + np.zeros((1, 21))
    read = np.clip(au * 0.8 + 0.1, 0, 1).astype(np.float64)
    seen = NeutralRows(
        points,
        {"probability": resting, "intensity": resting},
        np.arange(len(rig_identity)),
        {"probability": read, "intensity": read},
    )
    found = pn.figures(seen, tmp_path)
    assert found["people"] == people - 4
    assert set(found["measures"]) == {"exact points", "located points"}  # no stabiliser here
    frowns = found["resting frowns"]["AU4 probability"]
    assert frowns["without"]["value"] == pytest.approx(np.std([0.6] * 4 + [0.1] * 8))
    assert frowns["ratio"]["value"] == pytest.approx(0.0, abs=1e-9)
    assert frowns["within a person"] == pytest.approx(0.0, abs=1e-9)
    assert "brow height, exact points" in found["resting frowns"]
    assert "at rest, AU4 probability: without 0.236" in pn.table(found)
    assert json.loads(json.dumps(found))["rows"] == len(rig_identity)
    assert not (tmp_path / "stabiliser" / STABILISER).exists()
