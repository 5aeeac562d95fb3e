"""A timeline in words: what is said stands in it, with its times, and nothing is left out."""

import numpy as np
import pytest
from timelines import shows, timeline_of, units_on

from facellm.clip.asking import evidence, timeline_record
from facellm.clip.events import Stretch, across_gaps, out_of_sight, stretches, track_events
from facellm.clip.following import ReadFrame
from facellm.clip.telling import OVERVIEW, TOPICS, asks_for_overview, tell
from facellm.clip.timeline import Thinner, spread_rate
from facellm.labels import DECLINED, INTENTS
from facellm.reasoner import flag_numbers, known_numbers

CALM, GLAD = shows("neutral"), shows("happiness", 0.95)


def values(found):
    return [(s.value, s.start, s.end, s.samples) for s in found]


def points(*values, step=0.5):
    return [(i, i * step, v, 0.5 + i / 100) for i, v in enumerate(values) if v is not None]


# --- stretches ------------------------------------------------------------------------------------


def test_runs_of_a_value_are_stretches_with_their_peak():
    assert stretches(points("a", "a", "b", "b", "b")) == [
        Stretch("a", 0.0, 0.5, 2, 0.51, 0.5),
        Stretch("b", 1.0, 2.0, 3, 0.54, 2.0),
    ]


def test_a_single_weak_frame_between_two_that_agree_is_noise_but_not_for_blinks():
    blink = points("a", "a", "b", "a", "a")
    assert values(stretches(blink)) == [("a", 0.0, 2.0, 5)]
    assert [s.value for s in stretches(blink, 0.0)] == ["a", "b", "a"]


def test_a_clear_smile_in_a_single_frame_is_told():
    for share, told in ((0.95, ["neutral", "happiness", "neutral"]), (0.6, ["neutral"])):
        timeline = timeline_of([CALM, CALM, shows("happiness", share), CALM, CALM])
        found = track_events(timeline.tracks[0], timeline)["expression"]
        assert [stretch.value for stretch in found] == told


def test_an_alternation_is_told_as_it_is():
    assert len(stretches(points("a", "a", "b", "b", "a", "a"))) == 3
    assert len(stretches(points("a", "b", "b", "a"))) == 3


def test_a_gap_ends_a_stretch_and_is_told():
    found = stretches(points("a", "a", None, None, "a"))
    assert values(found) == [("a", 0.0, 0.5, 2), ("a", 2.0, 2.0, 1)]
    assert values(across_gaps(found)) == [("a", 0.0, 2.0, 3)]
    (line,) = timeline_of([CALM, CALM, None, None, CALM]).tracks
    assert out_of_sight(line) == [(0.5, 2.0)]


def test_an_open_expression_is_unclear():
    timeline = timeline_of([CALM, shows("anger", 0.2, abstain=True)] * 1)
    found = track_events(timeline.tracks[0], timeline)["expression"]
    assert [s.value for s in found] == ["neutral", "unclear"]
    assert "no clear expression at 0:00.5" in tell(timeline, "expression")


# --- sentences ------------------------------------------------------------------------------------


def test_the_overview_tells_changes_with_their_times():
    timeline = timeline_of(
        [
            *[CALM] * 4,
            *[shows("happiness", 0.95, mouth_open=0.9, action_units=units_on(12))] * 3,
            *[shows("neutral", pose=(25.0, 0.0, 0.0), eyes_closed=0.8)] * 2,
        ]
    )
    text = tell(timeline, OVERVIEW)
    for said in (
        "I looked at 9 frames of the clip, 0:00.0 to 0:04.0, 0.5 seconds apart.",
        "Face 1 (0:00.0 to 0:04.0, in 9 frames) shows neutral until 0:01.5, happiness from 0:02.0 "
        "to 0:03.0 and neutral from 0:03.5 on.",
        "Clearest is happiness at 0:02.0 (95 %).",
        "The mouth is open from 0:02.0 to 0:03.0.",
        "The eyes look closed from 0:03.5 to 0:04.0.",
        "The head is turned to the image's right from 0:03.5 to 0:04.0, most at 0:03.5 (25 degr",
        "AU12 (Lip Corner Puller) is on from 0:02.0 to 0:03.0, clearest at 0:02.0 (80 %).",
        "Apparent age 34",
    ):
        assert said in text, said
    assert "feel" not in text


def test_where_nothing_changes_that_is_said():
    text = tell(timeline_of([CALM] * 5), OVERVIEW)
    assert "shows neutral throughout" in text
    assert "Nothing else that I read changes." in text


def test_a_clip_without_a_face_and_gaps_are_told():
    empty = tell(timeline_of([None] * 6, lost=["2 times: damaged, left out (at 0:01.0)"]), "age")
    assert empty == (
        "I looked at 6 frames of the clip, 0:00.0 to 0:02.5, 0.5 seconds apart, and see no face in "
        "any of them. Not everything could be read: 2 times: damaged, left out (at 0:01.0)."
    )
    text = tell(timeline_of([CALM, None, CALM]), OVERVIEW)
    assert "out of sight 0:00.0 to 0:01.0" in text
    assert "No face is found in 1 frame: 0:00.5." in text


def test_thirty_faces_are_counted_and_the_most_seen_told():
    text = tell(timeline_of([CALM] * 4, *[[GLAD]] * 29), OVERVIEW)
    assert "26 more faces seen in fewer frames are left out." in text
    count = tell(timeline_of([CALM] * 4, *[[GLAD]] * 29), "count")
    assert "I follow 30 faces, at most 30 in one frame (first at 0:00.0)" in count


@pytest.mark.parametrize("intent", [OVERVIEW, *(i for i in INTENTS if i not in DECLINED)])
def test_every_question_has_an_answer_about_the_whole_clip(intent):
    text = tell(timeline_of([CALM] * 3 + [GLAD] * 3), intent)
    assert "0:00.0 to 0:02.5" in text
    assert text.endswith(".")


def test_declined_questions_are_not_told():
    assert set(TOPICS) <= set(INTENTS) - set(DECLINED)
    with pytest.raises(ValueError, match="declined"):
        tell(timeline_of([CALM]), DECLINED[0])


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("What changes?", True),
        ("what's happening in this clip", True),
        ("What happens over time?", True),
        ("", True),
        (None, True),
        ("Does the expression change?", False),
        ("How does the weather change over time?", False),
        ("Who is this?", False),
        ("What is this?", False),
    ],
)
def test_general_questions_are_known_by_their_words(question, expected):
    assert asks_for_overview(question) is expected


# --- records --------------------------------------------------------------------------------------


def test_another_models_times_are_known_numbers():
    given = evidence(timeline_of([CALM] * 140 + [GLAD] * 10))
    known = known_numbers(given)
    said = "".join(flag_numbers(["It shows happiness from 1:10.0, at 70 s; 33.3 % not."], known))
    assert said == "It shows happiness from 1:10.0, at 70 s; 33.3 [not in the evidence] % not."


def test_the_record_says_where_no_face_was_found():
    record = timeline_record(timeline_of([CALM, None, GLAD]))
    assert record["clip"]["without_a_face"] == [0.5]
    (track,) = record["tracks"]
    assert [s["value"] for s in track["stretches"]["expression"]] == ["neutral", "happiness"]


@pytest.mark.parametrize("seconds", [0.3, 2.0, 20.0, 7200.0])
def test_samples_are_bounded_and_spread_over_the_whole_clip(seconds):
    rate = spread_rate(seconds, 48)
    assert 7 <= rate * seconds <= 47.01
    assert spread_rate(0.0, 48) == 0.0


def test_a_clip_longer_than_it_promises_is_thinned_evenly():
    thinner = Thinner(16)
    for number in thinner.every(range(1000)):
        thinner.keep(ReadFrame(number, float(number), (), ()))
    kept = [frame.index for frame in thinner.kept]
    assert len(kept) < 16
    assert kept[0] == 0
    assert kept[-1] > 800
    assert len(set(np.diff(kept))) == 1
