"""Reading: round trips and table rows in which what is not known is blank, never 0."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.labels import ACTION_UNITS, EXPRESSIONS, MEASURED, REAL, RENDERS
from facellm.reading import AgeReading, Reading, UnitReading, value_scopes

share = st.floats(0, 1)
degrees = st.floats(-90, 90)
readings = st.builds(
    Reading,
    expression=st.fixed_dictionaries(dict.fromkeys(EXPRESSIONS, share)),
    action_units=st.fixed_dictionaries(
        dict.fromkeys(ACTION_UNITS, st.builds(UnitReading, share, share))
    ),
    age=st.builds(AgeReading, st.floats(0, 116), st.floats(0, 116), st.floats(0, 116)),
    gender=st.fixed_dictionaries({"female": share, "male": share}),
    mask=share,
    mouth_open=share,
    eyes_closed=share,
    gaze=st.tuples(degrees, degrees),
    generated=share,
    pose=st.none() | st.tuples(degrees, degrees, degrees),
    geometry=st.none() | st.dictionaries(st.sampled_from(["mouth_open", "brow_gap"]), degrees),
    quality=share,
    confidence=share,
    abstain=st.booleans(),
    scope=st.just(value_scopes()),
)


def reading(**changes) -> Reading:
    values = {
        "expression": {name: 0.125 for name in EXPRESSIONS} | {"anger": 0.5, "neutral": 0.0},
        "action_units": {n: UnitReading(n / 100, 0.5) for n in ACTION_UNITS},
        "age": AgeReading(34.5, 27.0, 42.0),
        "gender": {"female": 0.3, "male": 0.7},
        "mask": 0.1,
        "mouth_open": 0.2,
        "eyes_closed": 0.3,
        "gaze": (5.0, -10.0),
        "generated": 0.4,
        "pose": (12.0, -3.0, 1.5),
        "geometry": {"mouth_open": 2.0},
        "quality": 0.9,
        "confidence": 0.5,
    }
    return Reading(**(values | changes))


@given(readings)
def test_a_reading_survives_json(one):
    assert Reading.from_dict(json.loads(json.dumps(one.to_dict()))) == one


def test_active_units_are_those_from_one_half_on_most_probable_first():
    units = {n: UnitReading(0.1, 0.2) for n in ACTION_UNITS}
    units |= {4: UnitReading(0.5, 0.1), 25: UnitReading(0.9, 0.1), 12: UnitReading(0.499, 1.0)}
    assert reading(action_units=units).active_units() == [25, 4]


def test_every_value_says_where_its_truth_came_from():
    scopes = value_scopes()
    assert {scopes["expression"], scopes["age"], scopes["generated"]} == {REAL}
    assert {scopes["au12"], scopes["gaze_yaw"], scopes["eyes_closed"]} == {RENDERS}
    assert {scopes["pose"], scopes["geometry"]} == {MEASURED}
    values = {"gender", "mask", "mouth_open", "gaze_pitch", *(f"au{n}" for n in ACTION_UNITS)}
    assert values <= set(scopes)


def test_a_field_that_is_missing_is_an_error():
    record = reading().to_dict()
    del record["age"]
    with pytest.raises(KeyError, match="age"):
        Reading.from_dict(record)
