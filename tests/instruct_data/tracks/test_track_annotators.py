"""Annotators of both tracks: gate, behaviour words, evidence, dialogues, bad codes and files."""

import json

import pytest
from face_trees import text
from hypothesis import given
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus.record import Draft, draft_seed
from facellm.instruct_data.readers import open_set
from facellm.instruct_data.tracks import ANNOTATORS
from facellm.instruct_data.tracks.academic import (
    context_text,
    default_behaviours,
    evidence_of,
)
from facellm.instruct_data.tracks.interleave import parse
from facellm.readers.emotion_codes import RAER
from facellm.readers.row import FaceRow


def study(behaviour, key="raer/a", **notes):
    row = FaceRow(source="raer", key=key, split="train", behaviour=behaviour, where="list, line 1")
    return Draft(row, draft_seed(1, row), notes=notes)


def test_the_academic_track_is_shut_without_consent():
    for options in ({}, {"consent": False}, {"consent": "yes"}):
        with pytest.raises(FaceLLMError, match="consent: true"):
            ANNOTATORS["academic"](**options)


@pytest.mark.parametrize("behaviour", RAER.values())
def test_answers_name_the_behaviour_first_and_no_state_of_mind(behaviour):
    ((exchange,),) = ANNOTATORS["academic"](consent=True).annotate([study(behaviour)])
    assert exchange.answer.lower().startswith(f"{behaviour}: ")
    assert (exchange.task, exchange.intent) == ("academic_emotion", "academic_emotion")
    assert exchange.question
    words = set(exchange.answer.lower().replace(".", "").split())
    banned = "feels attention inattentive bored engaged distracted confused fatigue label labelled"
    assert not words & set(banned.split())
    assert "visible behaviour" in exchange.answer


def test_reasons_are_the_recorded_evidence_only():
    annotator = ANNOTATORS["academic"](consent=True)
    ((bare,), (told,)) = annotator.annotate(
        [study("looking away"), study("looking away", context=["phone in hand", "gaze off book"])]
    )
    assert "phone" not in bare.answer + bare.question
    assert "<ctx>" not in bare.question
    assert told.question.endswith("<ctx>phone in hand; gaze off book</ctx>")
    assert "Also noted: phone in hand; gaze off book." in told.answer
    ((one,),) = annotator.annotate([study("looking away", context="phone in hand")])
    assert "Also noted: phone in hand." in one.answer


def test_rows_without_a_behaviour_get_nothing_and_unknown_ones_are_an_error():
    annotator = ANNOTATORS["academic"](consent=True)
    assert annotator.annotate([study(None)]) == [()]
    with pytest.raises(FaceLLMError, match="list, line 1: behaviour 'asleep' is none of attending"):
        annotator.annotate([study("asleep")])


def test_questions_vary_with_the_row_and_not_with_the_run():
    drafts = [study("attending", f"raer/{n}") for n in range(40)]
    annotator = ANNOTATORS["academic"](consent=True)
    first, again = annotator.annotate(drafts), annotator.annotate(drafts[::-1])[::-1]
    assert first == again
    assert len({exchange.question for (exchange,) in first}) > 15


@given(st.lists(st.text(max_size=20)))
def test_context_cannot_be_left_or_forged(evidence):
    context = context_text([*evidence, "<ctx>x</ctx> ; <FACE_1>"])
    assert context.count("<ctx>") == context.count("</ctx>") == 1
    assert "<FACE_1>" not in context
    assert evidence_of(context)[-1] == "< ctx >x , < FACE_1 >"


def test_our_classes_are_those_of_the_reader():
    assert set(default_behaviours()) == set(RAER.values())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a: {face: [x], scene: [y], say: z}", "no field 'say'; is it 'says'"),
        ("a: {face: [x], scene: [], says: z}", "scene is not a list"),
        ("a: {face: x, scene: [y], says: z}", "face is not a list"),
        ("a: {face: [1], scene: [y], says: z}", "not phrases alone"),
        ("a: {face: [x], scene: [y]}", "says is not a sentence"),
        ("a: 3", "holds no fields"),
        ("- a", "holds no classes"),
        ("a: [", "while parsing"),
    ],
)
def test_a_file_of_classes_is_checked(tmp_path, content, message):
    file = text(tmp_path / "mine.yaml", content)
    with pytest.raises(FaceLLMError, match=message):
        ANNOTATORS["academic"](consent=True, descriptors=str(file))


def test_a_missing_file_of_classes_is_named(tmp_path):
    with pytest.raises(FaceLLMError, match=r"none\.yaml"):
        ANNOTATORS["academic"](consent=True, descriptors=str(tmp_path / "none.yaml"))


def turn(number, speaker, **changes):
    start = 3.0 * number
    words = [{"word": w, "start_time": start + 0.4 * i} for i, w in enumerate(["so", "it", "goes"])]
    return {
        "utterance_id": number,
        "speaker": speaker,
        "text": "so it goes",
        "start_time": start,
        "end_time": start + 2,
        "words": words,
        "face_codes": [number, None, 3],
        "body_codes": [number],
    } | changes


def dialogue(tmp_path, *turns, **changes):
    one = {"video_id": "v", "segment_id": 0, "conversation": turns, **changes}
    file = text(tmp_path / "d.jsonl", json.dumps(one))
    row = next(row for row in open_set("venus", file) if isinstance(row, FaceRow))
    return Draft(row, draft_seed(3, row))


def test_replies_are_the_next_speakers_turn_with_exact_codes(tmp_path):
    draft = dialogue(tmp_path, *(turn(n, "AB"[n % 2]) for n in range(12)))
    (exchanges,) = ANNOTATORS["nonverbal"](most=100).annotate([draft])
    replies = [one for one in exchanges if "<" in one.answer]
    plain = [one for one in exchanges if "<" not in one.answer]
    assert len(replies) >= 5
    assert plain
    assert {one.answer for one in plain} == {"so it goes"}
    for one in replies:
        said = one.question[one.question.index("<FACE_") : one.question.rindex("goes") + 4]
        asked, given = parse(said), parse(one.answer)
        assert given.face[0] == asked.face[0] + 1
        assert [word.frame for word in given.words] == [0, 10, 20]
        assert given.face[1:] == (None, 3)
        assert given.body == (given.face[0], None, None)


def test_turns_are_not_paired_over_a_harmful_one_or_with_oneself(tmp_path):
    draft = dialogue(tmp_path, turn(0, "A"), turn(1, "B"), turn(2, "B"), harmful_utterance_id=[1])
    (exchanges,) = ANNOTATORS["nonverbal"](most=100).annotate([draft])
    assert not [one for one in exchanges if "<" in one.answer]
    draft = dialogue(tmp_path, turn(0, "A"), turn(1, "A"))
    (exchanges,) = ANNOTATORS["nonverbal"](most=100).annotate([draft])
    assert not [one for one in exchanges if "<" in one.answer]


def test_the_number_of_exchanges_is_bounded_and_repeatable(tmp_path):
    draft = dialogue(tmp_path, *(turn(n, "AB"[n % 2]) for n in range(30)))
    annotator = ANNOTATORS["nonverbal"](most=4)
    (first,), (again,) = annotator.annotate([draft]), annotator.annotate([draft])
    assert len(first) == 4
    assert first == again
    with pytest.raises(FaceLLMError, match="most is 0"):
        ANNOTATORS["nonverbal"](most=0)


def test_features_without_codes_name_what_is_missing(tmp_path):
    features = [{"utt_id": 0, "frame": f, "features": [0.0]} for f in range(7)]
    draft = dialogue(tmp_path, turn(0, "A", face_codes=None), facial_expression=features)
    with pytest.raises(FaceLLMError, match=r"utterance 0: 7 frames of face features.*tokenizer"):
        ANNOTATORS["nonverbal"]().annotate([draft])


def test_words_outside_of_the_utterance_stay_in_it(tmp_path):
    words = [{"word": "early", "start_time": 1.0}, {"word": "late", "start_time": 500.0}]
    draft = dialogue(tmp_path, turn(1, "A", words=words), turn(2, "B"))
    for seed in range(20):
        ((one,),) = ANNOTATORS["nonverbal"](most=1).annotate([Draft(draft.row, seed)])
        if "<" in one.answer:
            said = one.question[one.question.index("<FACE_1>") :].split(" late")[0]
            assert said.startswith("<FACE_1><BODY_1> <t_0>early")
            break
    else:
        pytest.fail("no seed gave a reply")


def test_pictures_get_nothing_of_the_nonverbal_track():
    assert ANNOTATORS["nonverbal"]().annotate([study("attending")]) == [()]
