"""Answers say what the context shows, hedge, refuse, and vary."""

import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facellm.answers import answer_contradictions
from facellm.context import CITED_GEOMETRY, reading_text
from facellm.instruct_data import grammar_phrases as phrases
from facellm.instruct_data import grammar_short as brief
from facellm.instruct_data.grammar import (
    NO_FACE,
    OFF_TOPIC,
    OUT_OF_BOUNDS,
    SENTENCES,
    compose_answer,
)
from facellm.instruct_data.grammar_sentences import AGREEMENT, unit_name
from facellm.instruct_data.synthetic_readings import sample_reading
from facellm.labels import ACTION_UNITS, EXPRESSIONS, FACS, INTENTS
from facellm.reading import AgeReading, UnitReading
from facellm.shown import shown

FACE_INTENTS = [name for name in INTENTS if name not in ("off_topic", "out_of_bounds")]


def reading(seed=0, **changes):
    """A sampled reading with some values set."""
    return replace(sample_reading(np.random.default_rng(seed)), **changes)


def shares(name, top, second="neutral", rest=0.0):
    """Expression shares: ``name`` gets ``top``, ``second`` the ``rest``."""
    return {e: 0.0 for e in EXPRESSIONS} | {second: rest, name: top}


def units(*active, intensity=0.9):
    """Unit readings with the given units active."""
    return {n: UnitReading(0.9 if n in active else 0.1, intensity) for n in ACTION_UNITS}


def answers(face, intent, number=60):
    """Answers over every style: the age is varied, which no other sentence states."""
    rng = np.random.default_rng(1)
    return [
        compose_answer([replace(face, age=AgeReading(30 + k % 10, 20, 50))], intent, rng)
        for k in range(number)
    ]


def test_answers_never_contradict_their_reading():
    rng = np.random.default_rng(11)
    for index in range(2000):
        faces = [
            sample_reading(rng) for _ in range(rng.choice((0, 1, 2, 3), p=(0.05, 0.7, 0.15, 0.1)))
        ]
        for intent in (INTENTS[index % len(INTENTS)], INTENTS[(index + 4) % len(INTENTS)]):
            answer = compose_answer(faces, intent, rng)
            assert answer_contradictions(answer, faces) == [], answer


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from(sorted(SENTENCES)))
def test_every_number_stands_in_the_context(seed, intent):
    face = sample_reading(np.random.default_rng(seed))
    answer = compose_answer([face], intent, np.random.default_rng(seed))
    context = {abs(int(n)) for n in re.findall(r"-?\d+", reading_text(face))}
    said = {int(n) for n in re.findall(r"\d+", answer)}
    assert said <= context


@pytest.mark.parametrize("intent", FACE_INTENTS)
def test_no_face_is_said_and_nothing_else(intent):
    assert compose_answer([], intent, np.random.default_rng(0)) == NO_FACE


@pytest.mark.parametrize(
    ("intent", "texts"), [("off_topic", OFF_TOPIC), ("out_of_bounds", OUT_OF_BOUNDS)]
)
def test_refusals_are_fixed_and_do_not_depend_on_the_face(intent, texts):
    rng = np.random.default_rng(0)
    drawn = {compose_answer([reading(k)] * (k % 3), intent, rng) for k in range(60)}
    assert drawn == set(texts)


def test_refusals_offer_what_can_be_answered():
    assert all(
        re.search(r"expression|apparent age|gaze", text) for text in OFF_TOPIC + OUT_OF_BOUNDS
    )


def test_expression_hedges_follow_the_share():
    for share, hedges in ((0.9, "high"), (0.6, "middle"), (0.45, "low")):
        face = reading(expression=shares("fear", share, "anger", 0.3), abstain=False)
        for answer in answers(face, "expression"):
            assert any(hedge in answer.lower() for hedge in phrases.HEDGES[hedges]), answer
            assert ("anger" in answer) == (hedges == "low")


def test_abstaining_names_two_and_cannot_tell():
    face = reading(expression=shares("fear", 0.35, "anger", 0.3), abstain=True)
    for answer in answers(face, "expression") + answers(face, "describe"):
        assert re.search(r"cannot tell|unclear", answer, re.I), answer
        assert "fear" in answer.lower()
        assert "anger" in answer.lower()


def test_nobody_is_said_to_feel_or_be_an_emotion():
    rng = np.random.default_rng(5)
    adjectives = "happy|sad|angry|afraid|surprised|disgusted"
    for _ in range(300):
        for intent in ("expression", "describe", "why"):
            answer = compose_answer([sample_reading(rng)], intent, rng)
            assert not re.search(rf"\bfeel|\b(?:{adjectives})\b", answer, re.I)


def test_age_says_apparent_or_looks_and_gives_the_interval():
    for answer in answers(reading(), "age"):
        assert re.search(r"apparent|appear|look|say|estimate", answer, re.I), answer
        assert "20" in answer
        assert "50" in answer


def test_gender_is_called_an_appearance():
    for answer in answers(reading(gender={"female": 0.9, "male": 0.1}), "gender"):
        assert re.search(r"look|appear|apparent", answer, re.I), answer
        assert "female" in answer.lower()


def test_units_have_number_name_and_strength():
    face = reading(action_units=units(12, 6, intensity=0.2))
    for answer in answers(face, "action_units"):
        for number in (6, 12):
            assert f"AU{number} ({FACS[number].name})" in answer
        assert answer.count("weak") == 2
        assert "rendered faces" in answer


def test_no_active_unit_is_said():
    for answer in answers(reading(action_units=units()), "action_units"):
        assert re.search(r"\bno\b|none|inactive", answer, re.I)
        assert "AU" not in answer


def test_reasons_cite_only_measures_that_stand_out():
    geometry = dict.fromkeys(CITED_GEOMETRY, 0.4)
    lifted = next(name for name, words in CITED_GEOMETRY.items() if words == "lip corners")
    face = reading(
        geometry=geometry | {lifted: 2.2, "brow_height": -2.0},
        evidence=(lifted,),  # lowered brows were measured, but may not be cited
        pose=(0, 0, 0),
        action_units=units(12, 15, 4),
        abstain=False,
    )
    for answer in answers(face, "why"):
        assert "he lip corners are lifted (+2 SD against neutral faces)" in answer
        assert unit_name(12) in answer
        assert unit_name(15) not in answer  # pulls the other way
        assert unit_name(4) not in answer  # active, but no measure agrees
        assert "brows" not in answer


def test_without_evidence_none_is_invented():
    face = reading(geometry=dict.fromkeys(CITED_GEOMETRY, 2.3), evidence=(), pose=(0, 0, 0))
    for answer in answers(face, "why"):
        assert "overall picture" in answer
        assert "AU" not in answer


def test_without_landmarks_no_reason_and_no_pose():
    face = reading(geometry=None, pose=None)
    for answer in answers(face, "why") + answers(face, "pose"):
        assert "landmarks" in answer
        assert "SD" not in answer
        assert "degrees" not in answer


def test_pose_words_follow_the_signs():
    for answer in answers(reading(pose=(20, -15, 30)), "pose"):
        assert "turned 20 degrees towards the image's right side" in answer
        assert "tilted 15 degrees down" in answer
        assert "leaning 30 degrees clockwise" in answer
    for answer in answers(reading(pose=(4, -6, 2)), "pose"):
        assert "straight" in answer


def test_gaze_is_marked_as_learned_on_renders():
    for answer in answers(reading(gaze=(-20.0, 3.0)), "gaze"):
        assert "20 degrees towards the image's left side" in answer
        assert "rendered faces" in answer


def test_deepfake_answers_carry_their_limit():
    for answer in answers(reading(generated=0.99), "deepfake"):
        assert "no proof" in answer
        assert "generated" in answer.lower()
        assert "clearly" not in answer.lower()


def test_count_is_in_words():
    rng = np.random.default_rng(0)
    assert "two faces" in compose_answer([reading()] * 2, "count", rng).lower()
    assert "one face" in compose_answer([reading()], "count", rng).lower()
    assert "12 faces" in compose_answer([reading()] * 12, "count", rng).lower()


@pytest.mark.parametrize("intent", [name for name in FACE_INTENTS if name != "count"])
def test_several_faces_are_numbered_from_the_left(intent):
    answer = compose_answer([reading(1), reading(2)], intent, np.random.default_rng(0))
    assert answer.startswith("Face 1: ")
    assert answer.count("Face 2: ") == 1


def test_most_sentences_over_two_hundred_faces_differ():
    rng = np.random.default_rng(8)
    faces = [sample_reading(rng) for _ in range(200)]
    for intent in SENTENCES:
        # One generator state for all: greedy decoding makes no free choice either.
        told = {compose_answer([face], intent, np.random.default_rng(0)) for face in faces}
        # Two states and eleven percentages leave less to say about a mask or the eyes.
        rich = intent in ("describe", "expression", "action_units", "age", "why")
        assert len(told) >= (120 if rich else 80), (intent, len(told))


def test_every_sentence_type_has_ten_templates():
    names = ("EXPRESSION", "EXPRESSION_LOW", "UNSURE", "UNITS", "AGE", "GENDER", "MASK", "STATE")
    for name in (*names, "POSE", "GAZE", "FAKE", "COUNT", "EVIDENCE"):
        assert len(set(getattr(phrases, name))) == 10, name
    for name in ("LOW", "UNSURE", "UNITS", "AGE", "STATE"):
        assert len(set(getattr(brief, name))) == 10, name


def test_every_cited_measure_has_words_and_every_agreement_a_measure():
    assert set(phrases.MEASURES) >= set(CITED_GEOMETRY.values())
    assert {measure for measure, _ in AGREEMENT.values()} <= set(phrases.MEASURES)
    assert set(AGREEMENT) <= set(ACTION_UNITS)


def test_unknown_intent_is_refused_by_name():
    with pytest.raises(ValueError, match="'weather'"):
        compose_answer([], "weather", np.random.default_rng(0))


def test_synthetic_readings_cover_the_ranges():
    rng = np.random.default_rng(4)
    faces = [sample_reading(rng) for _ in range(1500)]
    tops = [face.top_expression for face in faces]
    assert min(tops.count(name) for name in EXPRESSIONS) > 120
    assert {len(face.active_units()) for face in faces} == set(range(7))
    assert 0.06 < np.mean([face.geometry is None for face in faces]) < 0.15
    assert 0.1 < np.mean([face.abstain for face in faces]) < 0.4
    assert min(face.age.mean for face in faces) < 3
    assert max(face.age.mean for face in faces) > 107
    assert {z for face in faces for z in (shown(face).geometry or {}).values()} == {
        *range(-4, 5)
    } - {0}
    for face in faces:
        assert sum(face.expression.values()) == pytest.approx(1)
        assert shown(face).expressions[0][0] == face.top_expression
