"""Conversation: lossless round trips through JSON, checked values."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from facellm.conversation import Conversation, FacePart, ScenePart, TextPart, Turn, part_from_dict

crops = st.integers(1, 5).flatmap(lambda s: arrays.arrays(np.uint8, (s, s, 3)))
points = arrays.arrays(
    np.float32, (68, 2), elements=st.floats(-2, 3, width=32), fill=st.floats(0, 1, width=32)
)
texts = st.text(max_size=30)
face_parts = st.builds(FacePart, crops, st.none() | points, st.none() | texts)
parts = st.builds(TextPart, texts) | face_parts | st.builds(ScenePart, texts)
turns = st.builds(
    Turn, st.sampled_from(["system", "user", "assistant"]), st.lists(parts, max_size=3).map(tuple)
)
labels = st.dictionaries(texts, st.integers() | texts | st.lists(st.integers(), max_size=3))
conversations = st.builds(
    Conversation, st.lists(turns, max_size=3).map(tuple), texts, texts, texts, texts, labels
)


@settings(max_examples=40, deadline=None)
@given(conversations)
def test_a_conversation_survives_json(conversation):
    again = Conversation.from_dict(json.loads(json.dumps(conversation.to_dict())))
    assert again == conversation
    for old, new in zip(conversation.faces(), again.faces(), strict=True):
        assert np.array_equal(old.crop, new.crop)
        assert old.reading == new.reading
        if old.landmarks_unit is not None:
            assert new.landmarks_unit.dtype == np.float32
            assert np.array_equal(old.landmarks_unit, new.landmarks_unit)


def test_missing_landmarks_survive_json_as_missing():
    face = FacePart(np.zeros((2, 2, 3), np.uint8), np.full((68, 2), np.nan, np.float32))
    again = part_from_dict(json.loads(json.dumps(face.to_dict(), allow_nan=False)))
    assert again == face
    assert np.isnan(again.landmarks_unit).all()
    assert FacePart(face.crop) != face  # "compute them" is not "they are missing"


def test_faces_come_in_reading_order():
    faces = [FacePart(np.full((1, 1, 3), value, np.uint8)) for value in range(3)]
    conversation = Conversation(
        (
            Turn("user", (faces[0], TextPart("and"), faces[1])),
            Turn("assistant", (TextPart("two"),)),
            Turn("user", (faces[2],)),
        )
    )
    assert [int(face.crop[0, 0, 0]) for face in conversation.faces()] == [0, 1, 2]


@pytest.mark.parametrize("change", ["crop", "landmarks", "reading"])
def test_faces_that_differ_are_not_equal(change):
    crop, unit = np.zeros((2, 2, 3), np.uint8), np.zeros((68, 2), np.float32)
    one = FacePart(crop, unit, "a")
    crop, unit = crop.copy(), unit.copy()
    if change == "crop":
        crop[1, 1, 2] = 1
    elif change == "landmarks":
        unit[67, 1] = 1e-6
    assert FacePart(crop, unit, "b" if change == "reading" else "a") != one
    assert FacePart(one.crop.copy(), one.landmarks_unit.copy(), "a") == one


@pytest.mark.parametrize(
    "crop", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 4), np.uint8), np.zeros((4, 4, 3))]
)
def test_a_crop_of_another_kind_is_refused_with_its_shape(crop):
    with pytest.raises(ValueError, match=r"\(4, 4"):
        FacePart(crop)


def test_an_unknown_role_or_part_is_refused_by_name():
    with pytest.raises(ValueError, match=r"'human'.*user"):
        Turn("human", ())
    with pytest.raises(ValueError, match="'video'"):
        part_from_dict({"type": "video"})
