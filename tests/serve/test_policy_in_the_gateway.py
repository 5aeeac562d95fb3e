"""Where the policy stands in a request: before the pictures, before each word, by context."""

import asyncio
from dataclasses import dataclass

import pytest
from gateways import OpenGuard, OpenPolicy, client_of, data_uri, new_house, small_png, user

from facellm.errors import FaceLLMError
from facellm.serve.doorkeepers import new_policy
from facellm.serve.gateway.turns import conversed
from facellm.serve.local_engine import LocalEngine

CHAT = "/v1/chat/completions"
PNG = data_uri(small_png(), "image/png")


@dataclass(frozen=True)
class No:
    text: str = "I cannot say that."
    kind: str = "identity"


class Prohibited(FaceLLMError):
    status, code = 403, "use_context_prohibited"


class StrictPolicy(OpenPolicy):
    """Refuses questions with "who", answers with "word3", hiring, and emotions at school."""

    def check_context(self, requested):
        if requested == "hiring":
            raise Prohibited("not for hiring")
        return requested or self.use_context

    def check_question(self, texts, context):
        if context == "school" and "mood" in texts[0]:
            raise Prohibited("not at school")

    def before(self, texts):
        return No() if any("who" in text.lower() for text in texts) else None

    def after(self, text):
        return No() if "word3" in text else None

    def emotions_allowed(self, context):
        return context != "school"


def answers(folder, *bodies):
    async def work():
        house = new_house(folder, {"words": 3}, policy=StrictPolicy("personal"), guard=OpenGuard())
        async with client_of(house) as client:
            return [await client.post(CHAT, json=body) for body in bodies], house

    return asyncio.run(work())


def test_a_refused_question_is_not_looked_at(tiny_checkpoint):
    body = {"messages": [user("Who is she?", PNG)]}
    (whole, stream), house = answers(tiny_checkpoint, body, body | {"stream": True})
    choice = whole.json()["choices"][0]
    assert choice["message"]["content"] == No.text
    assert choice["finish_reason"] == "content_filter"
    assert whole.json()["facellm"]["refused"] == "identity"
    assert No.text in stream.text
    assert house.looker.guard.decoded == house.engine.begun == 0


def test_a_refused_question_of_before_is_not_shown_to_the_model(tiny_checkpoint):
    said = [user("Who is she?", PNG), {"role": "assistant", "content": No.text}]
    (found,), house = answers(tiny_checkpoint, {"messages": [*said, user("How old?")]})
    assert found.status_code == 200
    assert list(house.engine.turns) == list(conversed((), (), "How old?"))


@pytest.mark.parametrize("stream", [True, False])
def test_a_forbidden_word_is_never_sent(tiny_checkpoint, stream):
    async def work():
        house = new_house(tiny_checkpoint, {"words": 6}, policy=StrictPolicy("personal"))
        async with client_of(house) as client:
            body = {"messages": [user("How old?", PNG)], "stream": stream}
            return (await client.post(CHAT, json=body)).text

    text = asyncio.run(work())
    assert "word3" not in text
    assert No.text in text
    assert "content_filter" in text
    assert ("word2" in text) == stream  # what was harmless is out already


def test_contexts_are_refused_with_403_whole_or_for_emotions(tiny_checkpoint):
    ask = {"messages": [user("What does it show?", PNG)]}  # its intent is expression
    bodies = [ask | {"use_context": "hiring"}, ask | {"use_context": "school"}]
    bodies += [body | {"stream": True} for body in bodies]
    found, house = answers(tiny_checkpoint, *bodies, ask)
    assert [response.status_code for response in found] == [403] * 4 + [200]
    assert {response.json()["error"]["code"] for response in found[:4]} == {
        "use_context_prohibited"
    }
    assert house.admission.inside == 0


def test_the_real_policy_leaves_expressions_out_of_readings_at_work(tiny_checkpoint, photo):
    """What a server for a prohibited context still tells: everything but emotions."""
    image = data_uri(photo)

    async def work():
        engine = LocalEngine(tiny_checkpoint, readings="torch")
        house = new_house(tiny_checkpoint, engine, policy=new_policy("hiring"))
        schema = {"type": "object", "properties": {"expression": {}}}
        form = {"type": "json_schema", "json_schema": {"name": "a", "schema": schema}}
        asked = {"messages": [user("Does she look happy?", image)]}
        filled = {"messages": [user("", image)], "response_format": form}
        async with client_of(house) as client:
            read = await client.post("/v1/readings", json={"images": [image]})
            other = {"images": [image], "use_context": "personal"}  # the server's forbids more
            again = await client.post("/v1/readings", json=other)
            refused = [await client.post(CHAT, json=body) for body in (asked, filled)]
            unknown = await client.post(CHAT, json=asked | {"use_context": "fun"})
            return read, again, refused, unknown

    read, again, refused, unknown = asyncio.run(work())
    for response in (read, again):
        reading = response.json()["data"][0]["faces"][0]["reading"]
        assert not {"expression", "confidence", "abstain", "evidence"} & set(reading)
        assert reading["age"]["mean"] > 0
    assert [response.status_code for response in refused] == [403, 403]
    assert unknown.status_code == 400
