"""The parser reads claims, and contradictions catch a reading that differs."""

from dataclasses import replace

import numpy as np
import pytest

from facellm.answers import answer_contradictions, contradictions, parse_answer
from facellm.context import CITED_GEOMETRY
from facellm.instruct_data.grammar import compose_answer
from facellm.instruct_data.synthetic_readings import sample_reading
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.reading import AgeReading, Reading, UnitReading

GEOMETRY = {name: 0.0 for name in CITED_GEOMETRY}


def reading(**changes) -> Reading:
    """Happiness, AU12 strong, 34 years, female, no mask, mouth open, eyes open, straight, real."""
    base = Reading(
        expression={name: 0.01 for name in EXPRESSIONS} | {"happiness": 0.9, "surprise": 0.05},
        action_units={n: UnitReading(0.95 if n == 12 else 0.05, 0.9) for n in ACTION_UNITS},
        age=AgeReading(34.2, 27, 42),
        gender={"female": 0.95, "male": 0.05},
        mask=0.02,
        mouth_open=0.9,
        eyes_closed=0.1,
        gaze=(0.0, 0.0),
        generated=0.1,
        pose=(20.0, 0.0, 0.0),
        geometry=GEOMETRY,
        confidence=0.9,
    )
    return replace(base, **changes)


def only(text):
    """Claims of a one-face answer."""
    (claims,) = parse_answer(text)
    return claims


def test_a_description_is_read_back():
    claims = only(
        "The face clearly shows happiness (90 %). Active: AU12 (Lip Corner Puller), AU43 (Eyes "
        "Closed). Apparent age about 34 years (27 to 42), looks female. No mask, mouth open, eyes "
        "closed. Head turned to the image's right, tilted down."
    )
    assert claims.expressions == ("happiness",)
    assert claims.percents["expression"] == 90
    assert set(claims.units) == {12, 43}
    assert (claims.age, claims.age_range, claims.gender) == (34, (27, 42), "female")
    assert (claims.mask, claims.mouth_open, claims.eyes_closed) == (False, True, True)
    assert claims.pose == {"yaw": ("right", None), "pitch": ("down", None)}
    assert claims.generated is None
    assert claims.gaze == {}


def test_unit_names_are_not_claims_about_mouth_and_eyes():
    claims = only("Active: strong AU25 (Lips Part) and weak AU43 (Eyes Closed).")
    assert claims.units == {25: "strong", 43: "weak"}
    assert claims.mouth_open is None
    assert claims.eyes_closed is None


def test_neutral_faces_and_measures_are_not_labels():
    claims = only("What stands out: the mouth opening is large (+2 SD against neutral faces).")
    assert claims.expressions == ()
    assert claims.mouth_open is None
    assert claims.measures == {"mouth opening": (2, True)}


def test_gaze_and_pose_are_told_apart():
    claims = only("The gaze goes 20 degrees towards the image's left side and 10 degrees up.")
    assert claims.gaze == {"yaw": ("left", 20), "pitch": ("up", 10)}
    assert claims.pose == {}


def test_limits_and_refusals_claim_nothing():
    for text in (
        "I learned this from one generator and blended swaps; it is no proof.",
        "I can describe the expression, the apparent age, the head pose or the gaze.",
    ):
        assert only(text) == only("")


def test_faces_are_split():
    first, second = parse_answer("Face 1: It looks female (90 %). Face 2: It looks male (80 %).")
    assert (first.gender, second.gender) == ("female", "male")


def test_count_is_read():
    assert only("There are two faces.").count == 2
    assert only("I see no face in this picture.").count == 0
    assert only("This was learned on rendered faces only.").count is None
    assert answer_contradictions("There are two faces.", [reading()]) == ["2 faces, found 1"]


@pytest.mark.parametrize(
    "text",
    [
        "The face clearly shows happiness (90 %).",
        "Perhaps surprise (5 %), or happiness (90 %).",
        "I cannot tell: surprise or happiness may show.",
        "AU12 (Lip Corner Puller) strong.",
        "About 35 years (27 to 42).",
        "The face looks female (95 %).",
        "No mask is worn, clearly (100 %).",
        "The head is turned 20 degrees towards the image's right side.",
        "The gaze goes straight towards the camera.",
        "Nothing measured stands out; this rests on the overall picture.",
        "I cannot say anything about that.",
    ],
)
def test_true_claims_pass(text):
    assert contradictions(only(text), reading()) == []


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("The face clearly shows surprise (5 %).", "surprise"),
        ("The face clearly shows surprise.", "surprise"),
        ("Perhaps anger, or happiness.", "anger"),
        ("The face clearly shows happiness (60 %).", "60 %"),
        ("AU4 (Brow Lowerer) weak.", "AU4"),
        ("AU12 (Lip Corner Puller) weak.", "AU12"),
        ("No action unit is active.", "no unit"),
        ("About 37 years (27 to 42).", "37"),
        ("About 34 years (20 to 42).", "low 20"),
        ("The face looks male.", "gender"),
        ("The face wears a mask.", "mask"),
        ("The mouth is closed.", "mouth_open"),
        ("The eyes are closed.", "eyes_closed"),
        ("The picture is probably generated or edited.", "generated"),
        ("The head is turned 20 degrees towards the image's left side.", "pose yaw left"),
        ("The head is turned 40 degrees towards the image's right side.", "40"),
        ("The head is straight, facing the camera.", "straight"),
        ("The gaze goes 20 degrees up.", "gaze pitch"),
        ("Measured: the brows are raised (+2 SD against neutral faces).", "brows"),
        ("Without landmarks I cannot name a measured reason.", "landmarks"),
    ],
)
def test_false_claims_are_caught(text, word):
    found = contradictions(only(text), reading())
    assert len(found) == 1
    assert word in found[0]


def test_a_label_for_a_reading_that_abstains_is_caught():
    open_reading = reading(abstain=True)
    assert contradictions(only("The face shows happiness."), open_reading)
    assert not contradictions(only("I cannot tell: happiness or surprise."), open_reading)


def test_pose_without_landmarks_is_caught():
    assert contradictions(only("The head is straight."), reading(pose=None, geometry=None))


def _reversed_shares(face):
    ranked = sorted(face.expression.values())
    names = sorted(EXPRESSIONS, key=lambda name: -face.expression[name])
    return replace(face, expression=dict(zip(names, ranked, strict=True)), abstain=False)


def _away(angle):
    return -angle if abs(angle) >= 10 else 45.0


CHANGES = {
    "expression": _reversed_shares,
    "describe": lambda face: replace(face, age=AgeReading(face.age.mean + 4, 0, 116)),
    "why": _reversed_shares,
    "action_units": lambda face: replace(
        face,
        action_units={
            n: UnitReading(1 - unit.probability, 0.5) for n, unit in face.action_units.items()
        },
    ),
    "age": lambda face: replace(face, age=AgeReading(face.age.mean + 3, 0, 116)),
    "gender": lambda face: replace(face, gender=_swapped(face.gender)),
    "mask": lambda face: replace(face, mask=0.98 if face.mask < 0.5 else 0.02),
    "mouth": lambda face: replace(face, mouth_open=0.98 if face.mouth_open < 0.5 else 0.02),
    "eyes": lambda face: replace(face, eyes_closed=0.98 if face.eyes_closed < 0.5 else 0.02),
    "deepfake": lambda face: replace(face, generated=0.98 if face.generated < 0.5 else 0.02),
    "pose": lambda face: replace(
        face, pose=None if face.pose is None else tuple(map(_away, face.pose))
    ),
    "gaze": lambda face: replace(face, gaze=tuple(map(_away, face.gaze))),
}


def _swapped(gender):
    return (
        {"female": 0.98, "male": 0.02} if gender["male"] > 0.5 else {"female": 0.02, "male": 0.98}
    )


@pytest.mark.parametrize("intent", sorted(CHANGES))
def test_deliberately_wrong_readings_are_caught(intent):
    rng = np.random.default_rng(21)
    caught = tried = 0
    for _ in range(200):
        face = sample_reading(rng)
        if intent == "pose" and face.pose is None:
            continue
        answer = compose_answer([face], intent, rng)
        caught += bool(answer_contradictions(answer, [CHANGES[intent](face)]))
        tried += 1
    assert caught >= 0.99 * tried
