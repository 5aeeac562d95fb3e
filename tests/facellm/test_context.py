"""The context shows rounded values in reserved tokens, and they can be read back."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.context import (
    CITED_GEOMETRY,
    COUNT_WORDS,
    MAX_UNITS,
    NO_EVIDENCE,
    NO_UNITS,
    SIDES,
    age_token,
    angles_text,
    probability_token,
    reading_text,
    standing_out,
    untrue_words,
    yes_no,
    zscore_token,
)
from facellm.instruct_data.synthetic_readings import sample_reading
from facellm.labels import reserved_tokens
from facellm.reading import UnitReading
from facellm.shown import shown, shown_in

RESERVED = set(reserved_tokens())


@given(st.floats(-0.5, 1.5), st.floats(-400, 400), st.floats(-50, 50), st.floats(-10, 200))
def test_every_value_has_a_reserved_token(probability, degrees, z, years):
    tokens = (
        probability_token(probability),
        *re.findall("<.*?>", angles_text("head", (degrees, -degrees, degrees))),
        *re.findall("<.*?>", angles_text("gaze", (degrees, -degrees), 40)),
        zscore_token(z),
        age_token(years),
    )
    assert set(tokens) <= RESERVED


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        (probability_token(0.93), "<p_95>"),
        (probability_token(0.994), "<p_95>"),  # certainty is not rounded up to
        (probability_token(0.996), "<p_100>"),
        (probability_token(0.01), "<p_0>"),
        (angles_text("head", (12.0, -12.0, 7.4)), " head right<deg_10> head down<deg_-10>"),
        (angles_text("head", (-200.0, 0, 8)), " head left<deg_-90> head clockwise<deg_10>"),
        (angles_text("gaze", (77.0, 12.0), 40), " gaze right<deg_40> gaze up<deg_10>"),
        (angles_text("gaze", (7.4, -7.4)), " gaze straight"),
        (zscore_token(1.8), "<z_+2>"),
        (zscore_token(-9.0), "<z_-4>"),
        (zscore_token(-0.2), "<z_+0>"),
        (age_token(34.4), "<age_34>"),
        (yes_no("<q_mask>", 0.1), "<q_mask><no><p_90>"),
    ],
)
def test_rounding(token, expected):
    assert token == expected


def test_the_context_holds_reserved_tokens_and_known_words_only():
    said = {
        f"{part} {word}" for part in ("head", "gaze") for words in SIDES.values() for word in words
    }
    said |= {"head straight", "gaze straight", NO_UNITS.strip(), NO_EVIDENCE.strip()}
    said |= {*CITED_GEOMETRY.values()}
    rng = np.random.default_rng(0)
    for _ in range(200):
        text = reading_text(sample_reading(rng))
        assert set(re.findall(r"<[^<>]+>", text)) <= RESERVED
        found = {words.strip() for words in re.split(r"<[^<>]+>", text)} - {""}
        ends = {f"head straight{NO_EVIDENCE}", *(f"head straight {words}" for words in said)}
        assert found <= said | ends


def test_no_more_units_than_a_sentence_may_say():
    rng = np.random.default_rng(1)
    for _ in range(100):
        face = sample_reading(rng)
        units = [unit.number for unit in shown(face).units]
        assert units == face.active_units()[:MAX_UNITS]


def test_values_are_read_back():
    rng = np.random.default_rng(2)
    for _ in range(200):
        face = sample_reading(rng)
        values = shown(face)
        assert values.expressions[0][0] == face.top_expression
        assert abs(values.expressions[0][1] / 100 - max(face.expression.values())) <= 0.0451
        assert values.age == tuple(
            min(116, round(y)) for y in (face.age.mean, face.age.low, face.age.high)
        )
        assert values.gender[0] == ("male" if face.gender["male"] > 0.5 else "female")
        assert values.mask[0] == (face.mask >= 0.5)
        assert values.generated[0] == (face.generated >= 0.5)
        assert values.unsure == face.abstain
        assert (values.pose is None) == (face.pose is None)
        if face.geometry is not None:
            assert values.geometry == {
                CITED_GEOMETRY[name]: max(-4, min(4, round(face.geometry[name])))
                for name in face.evidence
            }
            rounded = [max(-90, min(90, 5 * round(angle / 5))) for angle in face.pose]
            assert values.pose == tuple(a if abs(a) >= 10 else 0 for a in rounded)
        rounded = [max(-40, min(40, 5 * round(angle / 5))) for angle in face.gaze]
        assert values.gaze == tuple(a if abs(a) >= 10 else 0 for a in rounded)


def test_what_is_absent_is_said():
    face = sample_reading(np.random.default_rng(5))
    quiet = {number: UnitReading(0.1, 0.0) for number in face.action_units}
    face = replace(
        face, action_units=quiet, pose=(1, 2, 3), geometry=dict.fromkeys(CITED_GEOMETRY, 0.0),
        evidence=(), gaze=(0, 0),
    )  # fmt: skip
    text = reading_text(face)
    for words in (NO_UNITS, NO_EVIDENCE, " head straight", " gaze straight"):
        assert text.count(words) == 1


def test_what_stands_out_rounds_to_one_deviation():
    zscores = {"lip_corner_lift": -0.6, "mouth_open": 0.4, "brow_height": 3.0, "eye_open": 9.0}
    assert standing_out(zscores) == ["lip_corner_lift", "brow_height"]


def test_missing_landmarks_are_said():
    face = replace(sample_reading(np.random.default_rng(3)), pose=None, geometry=None)
    assert "<no_geometry>" in reading_text(face)
    assert shown(face).geometry is None


def test_a_text_that_is_no_reading_is_refused():
    with pytest.raises(ValueError, match="in the context"):
        shown_in("hello")


@pytest.mark.parametrize(("faces", "true"), [(0, "no"), (1, "one"), (3, "three"), (12, None)])
def test_an_answer_cannot_count_other_than_was_found(faces, true):
    shown = " ".join(f"Face {n}: <face><face> <reading></reading>" for n in range(1, faces + 1))
    banned = untrue_words(f"<|user|>{shown}\nIs Face 7: <reading> there?", "count")
    assert set(COUNT_WORDS) - set(banned) == ({true} if true else set())
