"""The annotator and the rater behind an endpoint: what is sent, kept and rejected."""

import json

import numpy as np
import pytest
from corpus_drafts import SIDE, draft, points
from json_endpoint import picture_of, serving

from facellm.errors import FaceLLMError
from facellm.instruct_data.annotate.leaks import leaks_in
from facellm.instruct_data.annotate.openai_annotator import RULES, OpenAIAnnotator
from facellm.instruct_data.annotate.rating import KEYS, RatingStep, rating_of
from facellm.instruct_data.corpus.record import Draft, Exchange
from facellm.readers.row import Rejection

SAD = (0, 0, 0, 8, 2, 0, 0, 0, 0, 0)
TEXT = "The lip corners point down and the inner brows are drawn up."
GOOD = {key: 8 for key in KEYS} | {"Reason": "It fits."}


@pytest.fixture
def picture():
    return np.random.default_rng(0).integers(0, 255, (SIDE, SIDE, 3)).astype(np.uint8)


@pytest.fixture
def sad(picture):
    return draft(face=points(), picture=picture, votes=SAD, age=34)


def told(body):
    """All text that goes with the picture of a request."""
    return " ".join(part.get("text", "") for part in body["messages"][1]["content"])


def test_the_answer_is_our_label_sentence_and_the_endpoints_reasons(sad):
    with serving({"expression": TEXT, "age": TEXT, "more": "left out"}) as server:
        annotator = OpenAIAnnotator(url=server.url, model="m")
        (exchanges,) = annotator.annotate([sad])
        body = server.requests[0]
    assert [e.task for e in exchanges] == ["expression", "age"]
    assert exchanges[0].answer.endswith(TEXT)
    assert exchanges[0].answer.lower().startswith("sadness")
    assert picture_of(body).startswith("data:image/jpeg;base64,")
    assert body["response_format"] == {"type": "json_object"}
    assert "8 of 10 people" in told(body)
    assert "head pose" in told(body)


def test_the_prompt_forbids_to_tell_that_a_label_was_given():
    assert "Never hint that you were told" in RULES
    assert leaks_in(RULES)  # it names the very words


def test_a_text_that_misses_or_runs_away_rejects_its_draft_only(sad, picture):
    def answer(body):
        return {"age": "x" * 5000} if "90 years" in told(body) else {"age": TEXT}

    old, young = (draft(str(a), picture=picture, age=a) for a in (90, 20))
    bare = draft("bare", picture=picture)
    with serving(answer) as server:
        found = OpenAIAnnotator(url=server.url, model="m", attempts=2).annotate([old, young, bare])
        assert len(server.requests) == 3
    assert isinstance(found[0], Rejection)
    assert (found[0].step, found[0].reason) == ("openai", "unusable answer")
    assert "'age' has 5000 characters, not 20 to 1200" in found[0].detail
    assert isinstance(found[1][0], Exchange)
    assert found[2] == ()


def test_a_rerun_of_the_annotator_costs_nothing(sad, tmp_path):
    with serving({"expression": TEXT, "age": TEXT}) as server:
        options = {"url": server.url, "model": "m", "cache": str(tmp_path / "c.sqlite")}
        first = OpenAIAnnotator(**options).annotate([sad])
        assert OpenAIAnnotator(**options).annotate([sad]) == first
        assert len(server.requests) == 1


def test_an_endpoint_that_is_not_there_stops_the_run(sad):
    annotator = OpenAIAnnotator(url="http://127.0.0.1:9/v1", model="m", retries=0)
    with pytest.raises(FaceLLMError, match="cannot be reached"):
        annotator.annotate([sad])


def test_rated_drafts_carry_the_rating_low_ones_are_rejected(picture):
    def answer(body):
        return GOOD if "good" in told(body) else GOOD | {"overall quality": 5}

    def rated(word):
        made = draft(word, picture=picture, votes=SAD)
        exchange = Exchange("expression", "expression", f"Sadness, {word}.", "Which one?")
        return Draft(made.row, made.seed, made.picture, made.faces, (exchange,))

    with serving(answer) as server:
        kept, low = RatingStep(url=server.url, model="m")([rated("good"), rated("poor")])
        bodies = server.requests
    assert kept.rating.overall == 8
    assert kept.rating.rater == "m"
    assert low == Rejection(
        "made-up", "poor", "rate", "rated low", "overall 5 is under 6: It fits."
    )
    assert all("Q: Which one?\nA: Sadness" in told(body) for body in bodies)
    assert all("Annotation:\n" in told(body) for body in bodies)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"overall quality": 11}, "'overall quality' is 11, not in 1..10"),
        ({"overall quality": 0}, "not in 1..10"),
        ({"overall quality": 7.5}, "not a whole number"),
        ({"overall quality": "8"}, "not a whole number"),
        ({"overall quality": True}, "not a whole number"),
        ({"overall quality": float("nan")}, "not a whole number"),
        ({"Reason": 3}, "no text under 'Reason'"),
    ],
)
def test_a_rating_out_of_range_is_asked_for_again_then_rejected(change, wrong, picture):
    with serving(GOOD | change) as server:
        step = RatingStep(url=server.url, model="m", attempts=2)
        (found,) = step([draft(picture=picture, votes=SAD)])
        assert len(server.requests) == 2
    assert found.reason == "unusable answer"
    assert wrong in found.detail


def test_a_whole_float_counts_and_a_missing_key_does_not():
    assert rating_of(GOOD | {"overall quality": 9.0}, "m").overall == 9
    for key in KEYS:
        broken = {name: value for name, value in GOOD.items() if name != key}
        with pytest.raises(ValueError, match=key):
            rating_of(json.loads(json.dumps(broken)), "m")
