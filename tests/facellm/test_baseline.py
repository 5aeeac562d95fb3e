"""A person's own neutral: levels, readings relative to them, files that are refused."""

import json
from dataclasses import replace

import numpy as np
import pytest
from table_rows import reading

from facellm.baseline import Baseline, MeasureLevel, UnitLevel, above_rest
from facellm.calibrated import relative, replaced
from facellm.errors import FaceLLMError
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS
from facellm.reading import Reading, UnitReading
from facellm.readout import Calibration

WEIGHTS = {"model.safetensors": "a" * 64, "landmarks.safetensors": "b" * 64}


def baseline(**changes):
    """A baseline of a person who rests with lowered brows and a unit 4 of one half."""
    measures = {name: MeasureLevel(0.0, 0.1) for name in MEASURES}
    units = {number: UnitLevel(0.0, 0.0, 0.0) for number in ACTION_UNITS}
    values = {
        "measures": measures | {"brow_height": MeasureLevel(-1.5, 0.25)},
        "units": units | {4: UnitLevel(0.5, 0.25, 0.1)},
        "weights": WEIGHTS,
        "frames": {"given": 9, "used": 7, "left_out": {"no face found": 2}},
        "quality": 0.9,
        "command": "facellm calibrate me/ -o me.json",
        "facellm": "0.1.0",
    }
    return Baseline(**{**values, **changes})


def at_rest(brows=-1.5, probability=0.5, intensity=0.25):
    """What is read off that person's resting face."""
    units = {n: UnitReading(0.0, 0.0) for n in ACTION_UNITS}
    return reading(
        geometry={name: 0.0 for name in MEASURES} | {"brow_height": brows},
        action_units=units | {4: UnitReading(probability, intensity)},
    )


def test_a_resting_face_reads_as_nothing_relative_to_itself():
    own = replace(baseline(), name="me.json:0").apply(at_rest())
    assert set(own.geometry.values()) == {0.0}
    assert own.action_units[4] == UnitReading(0.0, 0.0)
    assert own.baseline == "me.json:0"


def test_only_geometry_and_units_change():
    before = at_rest(brows=0.5, probability=0.9)
    own = baseline().apply(before)
    assert own.geometry["brow_height"] == 2.0
    assert own.action_units[4].probability == pytest.approx(0.8)  # (.9 - .5) / (1 - .5)
    assert own.action_units[12] == before.action_units[12]
    untouched = replace(
        own, geometry=before.geometry, action_units=before.action_units, baseline=None
    )
    assert untouched == before


def test_without_landmarks_geometry_stays_missing():
    assert baseline().apply(reading(geometry=None, pose=None)).geometry is None


def test_above_rest_is_a_share_and_keeps_the_order():
    now = np.linspace(0, 1, 21)
    for rest in (0.0, 0.3, 0.95, 1.0):
        found = np.array([above_rest(value, rest) for value in now])
        assert found.min() == 0.0
        assert found.max() == pytest.approx(1.0)
        assert (np.diff(found) >= 0).all()
    assert [above_rest(value, 0.0) for value in now] == list(now)


def test_evidence_is_what_stands_out_against_the_own_neutral():
    cited = Calibration(cited={"neutral": ("brow_height-", "brow_height+")})
    flat = {name: 1 / 8 for name in reading().expression} | {"neutral": 0.5}
    resting = replace(at_rest(), expression=flat)
    raised = replace(at_rest(brows=0.0), expression=flat)
    assert relative(resting, baseline(), cited).evidence == ()
    assert relative(raised, baseline(), cited).evidence == ("brow_height",)


def test_a_file_gives_back_what_was_saved(tmp_path):
    path = tmp_path / "me.json"
    saved = baseline().save(path)
    assert Baseline.load(path) == saved
    assert saved.name.startswith("me.json:")
    other = tmp_path / "you.json"
    assert baseline(quality=0.5).save(other).name.split(":")[1] != saved.name.split(":")[1]


def test_the_file_holds_levels_and_nothing_of_a_face(tmp_path):
    record = json.loads(
        (baseline().save(tmp_path / "me.json"), tmp_path / "me.json")[1].read_text()
    )
    assert set(record) == {
        "kind", "version", "facellm", "command", "weights", "frames", "quality", "measures", "units"
    }  # fmt: skip
    assert set(record["measures"]) == set(MEASURES)
    assert len(record["units"]) == len(ACTION_UNITS)
    numbers = [
        v for kind in ("measures", "units") for x in record[kind].values() for v in x.values()
    ]
    assert len(numbers) == 2 * len(MEASURES) + 3 * len(ACTION_UNITS)


def test_a_reading_with_a_baseline_survives_its_record():
    own = replace(baseline(), name="me.json:0").apply(at_rest())
    assert Reading.from_dict(own.to_dict()) == own
    old = reading().to_dict()
    del old["baseline"]
    assert Reading.from_dict(old).baseline is None


# --- files that cannot be used --------------------------------------------------------------------


def changed(**changes):
    return json.dumps(baseline().to_dict() | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[1]", "not a baseline"),
        ('{"kind": "something"}', "not a baseline"),
        (changed(version=7), "version 7, this facellm reads version 1"),
        (changed(measures={}), "eye_open missing"),
        (changed(units={}), "AU01 missing"),
        (changed(weights={}), "weights is empty"),
        (changed(frames=None, quality="good"), "damaged"),
    ],
)
def test_a_file_that_is_none_is_refused_by_name_and_reason(tmp_path, text, message):
    path = tmp_path / "me.json"
    path.write_text(text)
    with pytest.raises(FaceLLMError, match=message) as error:
        Baseline.load(path)
    assert str(path) in str(error.value)


@pytest.mark.parametrize(("value", "said"), [(1.5, "1.5"), (float("nan"), "nan"), (-0.1, "-0.1")])
def test_levels_out_of_their_range_are_refused(tmp_path, value, said):
    record = baseline().to_dict()
    record["units"]["AU04"]["probability"] = value
    (tmp_path / "me.json").write_text(json.dumps(record))
    with pytest.raises(FaceLLMError, match=rf"AU04 probability {said} is not in \[0, 1\]"):
        Baseline.load(tmp_path / "me.json")


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(FaceLLMError, match="No such file"):
        Baseline.load(tmp_path / "none.json")


def test_other_weights_are_refused_with_both_digests():
    own = replace(baseline(), name="me.json:0")
    own.check_weights(WEIGHTS | {"calibration.json": "c" * 64})
    with pytest.raises(FaceLLMError, match=r"me.json:0.*landmarks.*b{16}, in use is d{16}"):
        own.check_weights(WEIGHTS | {"landmarks.safetensors": "d" * 64})


# --- words ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
def test_a_phrase_is_replaced_wherever_pieces_break(size):
    text = "up (+2 SD against neutral faces), against neutral fa, against all, against"
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    found = "".join(replaced(pieces, "against neutral faces", "against X"))
    assert found == text.replace("against neutral faces", "against X")
