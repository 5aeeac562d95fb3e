"""What is asked of vLLM and how its answers are read, without vLLM."""

import base64
import io
import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from facellm.checkpoint import load_processor
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.labels import QUERIES
from facellm.serve.engines import Bounds, EngineDown
from facellm.serve.vllm_requests import (
    N_LABELS,
    answer_ids,
    answer_sampling,
    body,
    reading_body,
    reading_tables,
    stream_tokens,
)

READING = "<reading><expr_anger><p_85></reading>"


@pytest.fixture(scope="module")
def processor(tiny_checkpoint):
    return load_processor(tiny_checkpoint)


def crop(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (96, 96, 3), np.uint8)


def table_answer(tables: list[np.ndarray]) -> dict:
    """As the plugin's table of log-probabilities comes back over HTTP."""
    flat = np.concatenate(tables) - math.log(len(tables))
    entries = [{"token_id": index, "logprob": float(value)} for index, value in enumerate(flat)]
    entries.reverse()  # vLLM sorts by rank
    return {"choices": [{"logprobs": {"content": [{"top_logprobs": entries}]}}]}


def some_tables() -> list[np.ndarray]:
    torch.manual_seed(0)
    return [torch.randn(len(query.labels)).log_softmax(0).numpy() for query in QUERIES]


def test_a_crop_arrives_as_it_was(processor):
    pixels = crop()
    sent = reading_body(processor, "facellm", FacePart(pixels))
    (part,) = sent["content_parts"]
    data = base64.b64decode(part["url"].removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(data)) as picture:
        np.testing.assert_array_equal(np.asarray(picture), pixels)


def test_the_reading_prompt_is_the_processors(processor):
    sent = reading_body(processor, "facellm", FacePart(crop()))
    place = processor.image_token_id
    spread = [i for t in sent["token_ids"] for i in [t] * (9 if t == place else 1)]
    assert spread == processor.reading_ids()
    assert sent["sampling_params"]["logprobs"] == N_LABELS == 295


def test_the_answer_prompt_is_the_processors(processor):
    turns = (Turn("user", (FacePart(crop(), None, READING), TextPart("How old?"))),)
    short, whole = answer_ids(processor, turns)
    assert whole == processor.answer_prompt(Conversation(turns))["input_ids"][0].tolist()
    assert short.count(processor.image_token_id) == 1
    assert len(whole) == len(short) + processor.n_patches - 1


def test_what_an_answer_must_not_hold_is_that_of_the_local_engine(processor):
    turns = (Turn("user", (FacePart(crop(), None, READING), TextPart("How old?"))),)
    _, whole = answer_ids(processor, turns)
    asked = answer_sampling(processor, whole, Bounds())["extra_args"]["facellm"]
    asked = json.loads(json.dumps(asked))
    assert asked["first"] == processor.intent_ids.tolist()
    for intent in asked["first"]:
        found = {*asked["absent"], *asked["after"][str(intent)]}
        assert found == set(processor.absent_ids(torch.tensor(whole), intent).tolist())


def test_bounds_are_handed_on(processor):
    known = answer_sampling(processor, [9, 11], Bounds(intent="gaze"))["extra_args"]["facellm"]
    assert known["first"] == [processor.token_id("<ask_gaze>")]
    assert set(known["after"]) == {str(known["first"][0])}
    sampling = answer_sampling(processor, [9, 11], Bounds(7, 0.5, 0.9, 3))
    kept = {name: sampling[name] for name in ("max_tokens", "temperature", "top_p", "seed")}
    assert kept == {"max_tokens": 7, "temperature": 0.5, "top_p": 0.9, "seed": 3}
    assert "seed" not in answer_sampling(processor, [9, 11], Bounds())
    assert body("facellm", [1], [], {})["content_parts"] is None


def test_a_table_comes_back_query_by_query():
    tables = some_tables()
    found = reading_tables(table_answer(tables))
    assert len(found) == len(QUERIES)
    for one, other in zip(found, tables, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_a_missing_label_is_an_error_and_never_a_floor():
    answer = table_answer(some_tables())
    del answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"][17]
    with pytest.raises(EngineDown, match="lacks 1 of 295"):
        reading_tables(answer)


def test_ordinary_log_probabilities_are_not_taken_for_a_reading():
    flat = torch.randn(N_LABELS).log_softmax(0).numpy() + math.log(len(QUERIES))
    parts = np.split(flat, np.cumsum([len(query.labels) for query in QUERIES])[:-1])
    with pytest.raises(EngineDown, match="reading of expr sums to"):
        reading_tables(table_answer(parts))


@pytest.mark.parametrize("answer", [{}, {"choices": []}, {"choices": [{"logprobs": None}]}])
def test_an_answer_without_log_probabilities_is_refused(answer):
    with pytest.raises(EngineDown, match="without log-probabilities"):
        reading_tables(answer)


def test_lines_of_a_stream():
    line = 'data: {"choices": [{"token_ids": [5, 6], "finish_reason": null}]}'
    assert stream_tokens(line) == ([5, 6], None)
    assert stream_tokens('data: {"choices": [], "usage": {}}') is None
    assert stream_tokens("data: [DONE]") is None
    assert stream_tokens("") is None
    ended = 'data: {"choices": [{"token_ids": null, "finish_reason": "length"}]}'
    assert stream_tokens(ended) == ([], "length")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('data: {"error": {"message": "EngineCore died"}}', "EngineCore died"),
        ('data: {"choices": [{"token_ids": [], "finish_reason": "abort"}]}', "ended.*abort"),
        ("data: {", "cannot be read"),
        ('data: {"choices": 5}', "cannot be read"),
    ],
)
def test_a_line_that_tells_of_an_end_is_one(line, message):
    with pytest.raises(EngineDown, match=message):
        stream_tokens(line)
