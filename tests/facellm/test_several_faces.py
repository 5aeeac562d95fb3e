"""Several faces: each is answered as if it were alone, and nothing of another one is seen."""

import numpy as np
import pytest

from facellm.assistant import FaceAssistant
from facellm.chat import Chat
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.results import Written
from facellm.several_faces import (
    about,
    alone,
    asked_faces,
    counted,
    is_of_several,
    parts_of_answer,
)


def faces(count):
    points = np.full((68, 2), np.nan, np.float32)
    return [FacePart(np.full((8, 8, 3), n, np.uint8), points, f"reading {n}") for n in range(count)]


def asked(question, count=2, said=()):
    turns = [Turn("user", (*faces(count), TextPart(said[0] if said else question)))]
    if said:
        turns += [Turn("assistant", (TextPart(said[1]),)), Turn("user", (TextPart(question),))]
    return tuple(turns)


@pytest.mark.parametrize(
    ("question", "numbers"),
    [
        ("How old?", (1, 2, 3)),
        ("How old is face 2?", (2,)),
        ("faces 1 and 3, please", (1, 3)),
        ("Face #2 or face no. 3?", (2, 3)),
        ("Faces 1, 2 & 3", (1, 2, 3)),
        ("face 7?", (1, 2, 3)),
        ("face 2 or face 9", (2,)),
        ("a surface 2 metres away", (1, 2, 3)),
        ("facecream 2", (1, 2, 3)),
    ],
)
def test_faces_are_named_by_their_numbers_or_all_are_meant(question, numbers):
    assert asked_faces(question, 3) == numbers


def test_each_part_holds_one_face_and_its_own_earlier_answer():
    said = ("How old?", "<ask_age>Face 1: About <age_30>. Face 2: About <age_50>.")
    parts = parts_of_answer(asked("And the mouth?", said=said), "mouth")
    assert [heading for heading, _ in parts] == ["Face 1: ", " Face 2: "]
    for number, (_, turns) in enumerate(parts, start=1):
        assert [part.reading for part in Conversation(turns).faces()] == [f"reading {number - 1}"]
        told = turns[1].parts[0].text
        assert told == f"<ask_age>About <age_{30 if number == 1 else 50}>."
        assert turns[2].parts[0].text == "And the mouth?"


def test_the_number_of_the_face_is_not_said_where_it_is_alone():
    ((heading, turns),) = parts_of_answer(asked("How old does Face 2 look?"), "age")
    assert heading == "Face 2: "
    assert turns[0].parts[-1].text == "How old does this face look?"
    assert turns[0].parts[0].reading == "reading 1"


@pytest.mark.parametrize("intent", ["off_topic", "out_of_bounds"])
def test_what_is_declined_is_declined_once(intent):
    turns = asked("How many?")
    assert parts_of_answer(turns, intent) == [("", turns)]
    assert is_of_several(turns)


def test_several_faces_are_counted_and_not_guessed(assistant, make_face, monkeypatch):
    monkeypatch.setattr(assistant, "_intent", lambda turns: "count")
    parts = [assistant.read_crop(make_face(seed).crop)[1] for seed in (1, 2, 3, 4)]
    written = Written()
    pieces = list(assistant.converse((Turn("user", (*parts, TextPart("How many?"))),), written))
    assert pieces == ["Four faces are found, numbered from left to right."]
    assert written.tokens == f"<ask_count>{written.text}"
    assert counted(12).startswith("12 faces are found")


def test_one_face_or_none_is_never_numbered():
    for count in (0, 1):
        turns = asked("How old?", count)
        assert parts_of_answer(turns, "age") == [("", turns)]
        assert not is_of_several(turns)


def test_an_answer_without_headings_is_about_every_face():
    assert about("<ask_count>There are two faces.", 2) == "<ask_count>There are two faces."
    assert about("<ask_age>Face 1: About 30.", 2) == "<ask_age>"
    assert alone(asked("x", said=("y", "plain")), 1)[1].parts[0].text == "plain"


def test_every_part_is_about_the_intent_of_the_whole(assistant, make_face, monkeypatch):
    monkeypatch.setattr(assistant, "_intent", lambda turns: "gaze")
    parts = [assistant.read_crop(make_face(seed).crop)[1] for seed in (1, 2)]
    seen = []

    def reply(prompt, written, intent):
        seen.append((intent, prompt["pixel_values"].shape[0]))
        written += assistant.checkpoint.processor.intent_choices(intent).tolist()
        yield " straight ahead"

    monkeypatch.setattr(assistant, "reply", reply)
    written = Written()
    turns = (Turn("user", (*parts, TextPart("And?"))),)
    pieces = list(assistant.converse(turns, written))
    assert pieces == ["Face 1: ", "straight ahead", " Face 2: ", "straight ahead"]
    assert seen == [("gaze", 1)] * 2
    assert written.tokens == "<ask_gaze>Face 1:  Face 2: "
    assert (written.intent, written.count) == ("gaze", 2)


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint):
    return FaceAssistant.load(tiny_checkpoint)


def test_an_answer_about_two_faces_is_the_two_answers_about_each(assistant, make_face, monkeypatch):
    monkeypatch.setattr(assistant, "_intent", lambda turns: "age")
    parts = [assistant.read_crop(make_face(seed).crop)[1] for seed in (1, 2)]
    question = TextPart("How old?")
    single = []
    for part in parts:
        written = Written(intent="age")
        single.append("".join(assistant.converse((Turn("user", (part, question)),), written)))
        assert written.text == single[-1]
    written = Written()
    pieces = list(assistant.converse((Turn("user", (*parts, question)),), written))
    assert "".join(pieces) == written.text == f"Face 1: {single[0]} Face 2: {single[1]}"
    assert written.tokens.startswith("<ask_")
    assert written.intent


def test_a_second_question_sees_what_was_said_of_its_face(assistant, make_face, monkeypatch):
    monkeypatch.setattr(assistant, "_intent", lambda turns: "age")
    chat = Chat(assistant)
    chat._parts = [assistant.read_crop(make_face(seed).crop)[1] for seed in (1, 2)]
    list(chat.ask("How old?"))
    for number, part in enumerate(chat._parts, start=1):
        written = Written(intent="age")
        list(assistant.converse((Turn("user", (part, TextPart("How old?"))),), written))
        told = alone(chat._turns("And?"), number)[1].parts[0].text
        assert told.partition(">")[2] == written.tokens.partition(">")[2]  # after the intent
