"""The official client works unchanged, over a real socket, with the toy weights."""

import json

import openai
import pytest
from gateways import data_uri, user

from facellm.assistant import FaceAssistant
from facellm.cli import NOTICE

QUESTION = "What expression does this face show?"
pytestmark = pytest.mark.usefixtures("short_toy_answers")


@pytest.fixture(scope="module")
def client(toy_url):
    return openai.OpenAI(base_url=f"{toy_url}/v1", api_key="none", max_retries=0)


@pytest.fixture(scope="module")
def local(tiny_checkpoint, photo):
    """What ``facellm ask`` says."""
    return FaceAssistant.load(tiny_checkpoint, engine="torch").ask(photo, QUESTION)


@pytest.fixture(scope="module")
def messages(photo):
    return [user(QUESTION, data_uri(photo))]


def test_a_served_answer_is_the_local_one(client, messages, local):
    found = client.chat.completions.create(model="facellm", messages=messages)
    assert found.choices[0].message.content == local.text
    assert found.facellm["intent"] == local.intent
    vision = found.usage.vision
    assert {name: vision[name] for name in local.usage} == local.usage
    assert found.usage.total_tokens == local.usage["tokens"]
    assert found.facellm["notice"] == NOTICE.removeprefix("Note: ")
    assert found.choices[0].finish_reason in ("stop", "length")
    served = [face["reading"]["age"]["mean"] for face in found.facellm["faces"]]
    assert served == pytest.approx([face.reading.age.mean for face in local.faces], abs=1e-3)


def test_a_stream_joined_is_the_whole_answer(client, messages, local):
    chunks = list(
        client.chat.completions.create(
            model="facellm", messages=messages, stream=True, stream_options={"include_usage": True}
        )
    )
    words = [c.choices[0].delta.content for c in chunks if c.choices]
    assert "".join(w for w in words if w).strip() == local.text
    assert len({c.id for c in chunks}) == 1
    assert len(chunks[0].facellm["faces"]) == len(local.faces)
    assert [c.choices[0].finish_reason for c in chunks if c.choices][-1] in ("stop", "length")
    assert chunks[-1].choices == []
    assert chunks[-1].usage.total_tokens == local.usage["tokens"]


def test_several_turns_are_answered_with_the_first_picture_in_view(client, messages):
    first = client.chat.completions.create(model="facellm", messages=messages, max_tokens=6)
    later = [
        *messages,
        {"role": "assistant", "content": first.choices[0].message.content},
        {"role": "user", "content": "How old does she look?"},
    ]
    found = client.chat.completions.create(model="facellm", messages=later, max_tokens=6)
    assert found.usage.prompt_tokens > first.usage.prompt_tokens
    assert found.usage.vision["faces"] == first.usage.vision["faces"]


def test_a_picture_that_comes_again_is_not_decoded_again(client, toy_house, photo):
    again = [user("How old?", data_uri(photo))]
    client.chat.completions.create(model="facellm", messages=again, max_tokens=2)
    before = toy_house.looker.guard.decoded
    client.chat.completions.create(model="facellm", messages=again, max_tokens=2)
    assert toy_house.looker.guard.decoded == before


def test_tokens_are_bounded_and_the_finish_says_so(client, messages):
    found = client.chat.completions.create(model="facellm", messages=messages, max_tokens=3)
    assert found.usage.completion_tokens == 3
    assert found.choices[0].finish_reason == "length"


def test_a_json_object_is_answer_and_readings(client, messages, local):
    found = client.chat.completions.create(
        model="facellm", messages=messages, response_format={"type": "json_object"}, max_tokens=9
    )
    record = json.loads(found.choices[0].message.content)
    assert local.text.startswith(record["answer"])
    assert len(record["faces"]) == len(local.faces)


def test_a_schema_is_filled_from_the_reading_without_a_token(client, messages, local):
    schema = {
        "type": "object",
        "properties": {"face_count": {"type": "integer"}, "age": {"type": "integer"}},
        "required": ["face_count", "age"],
        "additionalProperties": False,
    }
    form = {"type": "json_schema", "json_schema": {"name": "face", "schema": schema}}
    found = client.chat.completions.create(model="facellm", messages=messages, response_format=form)
    largest = max(local.faces, key=lambda face: face.face.box_xyxy.area)
    assert json.loads(found.choices[0].message.content) == {
        "face_count": len(local.faces), "age": round(largest.reading.age.mean)
    }  # fmt: skip
    assert found.usage.completion_tokens == 0


def test_a_schema_of_a_picture_without_a_face_is_a_refusal(client, plain_wall):
    schema = {"type": "object", "properties": {"age": {"type": "integer"}}}
    form = {"type": "json_schema", "json_schema": {"name": "face", "schema": schema}}
    found = client.chat.completions.create(
        model="facellm", messages=[user("?", data_uri(plain_wall, "image/png"))],
        response_format=form,
    )  # fmt: skip
    assert found.choices[0].message.content is None
    assert "no face" in found.choices[0].message.refusal


def test_sampling_follows_its_seed(client, messages):
    def words(seed):
        found = client.chat.completions.create(
            model="facellm", messages=messages, temperature=1.5, seed=seed, max_tokens=12
        )
        return found.choices[0].message.content

    assert words(1) == words(1)
    assert len({words(seed) for seed in range(4)}) > 1


def test_the_models_are_listed_with_what_serves_them(client):
    (model,) = client.models.list().data
    assert model.id == "facellm"
    assert model.engine["name"] == "local"
    assert len(model.weights["model.safetensors"]) == 64
    assert client.models.retrieve("facellm").id == "facellm"


def test_errors_are_the_clients_own(client, messages):
    with pytest.raises(openai.NotFoundError) as missing:
        client.chat.completions.create(model="gpt-5", messages=messages)
    assert missing.value.code == "model_not_found"
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(model="facellm", messages=messages, n=16384)
    assert refused.value.param == "n"
    with pytest.raises(openai.NotFoundError):
        client.models.retrieve("another")
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="facellm", input="a face")
