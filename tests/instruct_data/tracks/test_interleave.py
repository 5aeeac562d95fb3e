"""Words and codes as one text and back: order by time, gaps, exact round trips."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.instruct_data.tracks.interleave import (
    Utterance,
    Word,
    by_time,
    frame_of,
    interleave,
    parse,
    plain_words,
)
from facellm.labels import reserved_tokens

codes = st.lists(st.none() | st.integers(0, 511), max_size=12).map(tuple)
ODD = [
    "<FACE_3>",
    "<gap>",
    "<gap><gap>",
    "<t_3>x",
    "</s>",
    "<|end|>",
    "a<BODY_1>b",
    "<t_900>x",
    "<",
]
words = st.lists(
    st.tuples(st.integers(0, 120), st.text(max_size=6) | st.sampled_from(ODD)), max_size=10
)


def spoken(items):
    """Words at frames, in order, as an aligner's words become plain ones."""
    return tuple(
        w for frame, text in sorted(items, key=lambda i: i[0]) for w in plain_words(text, frame)
    )


@settings(max_examples=60)
@given(words, codes, codes)
def test_round_trip_is_exact_with_stamps(items, face, body):
    utterance = Utterance(spoken(items), face, body)
    text = interleave(utterance)
    again = parse(text)
    assert again == utterance.filled()
    assert again.face[: len(face)] == face
    assert not any(code is not None for code in again.face[len(face) :])
    assert interleave(again) == text


@settings(max_examples=40)
@given(words, codes, codes)
def test_without_stamps_words_are_right_to_eight_frames(items, face, body):
    utterance = Utterance(spoken(items), face, body)
    again = parse(interleave(utterance, stamps=False))
    assert [w.text for w in again.words] == [w.text for w in utterance.words]
    for old, new in zip(utterance.words, again.words, strict=True):
        assert new.frame == old.frame // 8 * 8
    assert (again.face, again.body) == (utterance.filled().face, utterance.filled().body)


@given(st.floats(0, 600), st.floats(0, 60))
def test_times_come_back_to_one_frame(start, after):
    frame = frame_of(start + after, start)
    again = parse(interleave(Utterance((Word("so", frame),), (), ()))).words[0].frame
    assert abs(again / 25 - after) <= 1 / 25


def test_the_text_by_hand():
    utterance = Utterance(
        (Word("Well", 0), Word("I", 6), Word("think", 9), Word("so", 33)), (12, 12, 7), (87, None)
    )
    assert interleave(utterance) == (
        "<FACE_12><BODY_87> <t_0>Well <t_6>I <FACE_12><gap> <t_1>think <FACE_7><gap> "
        "<gap><gap> <gap><gap> <t_1>so"
    )
    assert interleave(utterance, stamps=False) == (
        "<FACE_12><BODY_87> Well I <FACE_12><gap> think <FACE_7><gap> <gap><gap> <gap><gap> so"
    )


def test_frame_zero_is_kept():
    assert parse(interleave(Utterance((Word("a", 0),), (0,), (0,)))).words == (Word("a", 0),)
    assert by_time((5,), (0,)) == (5,)


def test_a_gap_in_detection_does_not_shift_time():
    assert by_time((1, 2, 3), (0, 8, 32)) == (1, 2, None, None, 3)
    text = interleave(Utterance((Word("late", 32),), by_time((1, 2, 3), (0, 8, 32)), ()))
    assert text.endswith("<FACE_3><gap> <t_0>late")


def test_nothing_gives_nothing():
    assert interleave(Utterance((), (), ())) == ""
    assert parse("") == Utterance((), (), ())


def test_tokens_are_those_of_the_frozen_vocabulary():
    text = interleave(Utterance((Word("a", 7),), (511, None), (0,)))
    known = set(reserved_tokens())
    assert {"<FACE_511>", "<BODY_0>", "<gap>", "<t_7>"} <= known
    assert text == "<FACE_511><BODY_0> <t_7>a <gap><gap>"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("hello <FACE_1><BODY_1>", "piece 1, 'hello': a word before the first pair"),
        ("<FACE_1><BODY_1> <t_8>x", "not in 0..7"),
        ("<FACE_512><BODY_1>", "face code 0 is 512"),
        ("<FACE_1><BODY_999>", "body code 0 is 999"),
        ("<FACE_1><gap> <t_5>a <t_2>b", "'b' at frame 2 is before 5"),
        ("<gap><gap> <FACE_1>", "'<FACE_1>' is not one plain word"),
        ("<gap><gap> <BODY_1><FACE_1>", "is not one plain word"),
    ],
)
def test_a_malformed_text_is_an_error(text, message):
    with pytest.raises(FaceLLMError, match=message):
        parse(text)


@pytest.mark.parametrize(
    ("words", "face", "message"),
    [
        ((Word("a", 5), Word("b", 4)), (), "'b' at frame 4 is before 5"),
        ((Word("a", -1),), (), "frame -1 is before 0"),
        ((Word("a b", 0),), (), "not one plain word"),
        ((Word("", 0),), (), "not one plain word"),
        ((Word("<gap>", 0),), (), "not one plain word"),
        ((), (-1,), "face code 0 is -1"),
    ],
)
def test_an_unusable_utterance_is_an_error(words, face, message):
    with pytest.raises(FaceLLMError, match=message):
        Utterance(words, face, ())


@pytest.mark.parametrize(
    ("frames", "message"),
    [((0, 8, 16), "2 codes for 3"), ((-8, 0), "frame -8"), ((8, 15), "same 8 frames")],
)
def test_codes_that_have_no_place_are_an_error(frames, message):
    with pytest.raises(FaceLLMError, match=message):
        by_time((1, 2), frames)


def test_work_grows_in_line_with_length():
    def seconds(count):
        utterance = Utterance(
            tuple(Word(f"w{n}", 5 * n) for n in range(count)), (1,) * count, (2,) * count
        )
        best = float("inf")
        for _ in range(3):
            start = time.process_time()
            parse(interleave(utterance))
            best = min(best, time.process_time() - start)
        return best

    assert seconds(4000) < 20 * seconds(500)  # 8 in line, 64 squared
