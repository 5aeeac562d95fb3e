"""Asking an endpoint: retries, what is retried and what is not, the cache, counts, errors."""

import json
import time

import pytest
from json_endpoint import serving

from facellm.errors import FaceLLMError
from facellm.instruct_data.annotate.endpoint import BadReply, Endpoint, Unanswered, parsed
from facellm.instruct_data.annotate.endpoint_options import EndpointOptions
from facellm.response_cache import Reply, ResponseCache, request_key


def new(server, **options):
    return Endpoint(EndpointOptions(url=server.url, model="m", **options))


def ask(endpoint, text="hello", check=lambda found: found["x"]):
    return endpoint.ask([{"role": "user", "content": text}], check)


def check_small(found):
    if found.get("x", 99) > 5:
        raise BadReply(f"x is {found.get('x')}, not at most 5")
    return found["x"]


def test_busy_and_broken_endpoints_are_asked_again_and_tokens_counted():
    with serving(429, 503, {"x": 1}) as server:
        endpoint = new(server, prompt_price=2.0, completion_price=10.0)
        assert ask(endpoint) == 1
        assert len(server.requests) == 3
        counted = endpoint.usage.to_dict()
    assert counted == {
        "requests": 1, "cached": 0, "retried": 2, "unusable": 0,
        "prompt_tokens": 1000, "completion_tokens": 100,
    }  # fmt: skip
    assert endpoint.usage.cost(endpoint.options) == pytest.approx(0.002 + 0.001)


def test_retry_after_is_honoured():
    with serving(429, {"x": 1}) as server:
        server.headers = {"Retry-After": "1"}
        start = time.monotonic()
        ask(new(server))
        assert 0.9 < time.monotonic() - start < 5


def test_an_unusable_answer_is_asked_for_again_with_the_complaint():
    with serving("I think it is happy.", {"x": 9}, '```json\n{"x": 3}\n```') as server:
        endpoint = new(server)
        assert ask(endpoint, check=check_small) == 3
        last = server.requests[-1]["messages"]
    assert endpoint.usage.unusable == 2
    assert "x is 9, not at most 5" in last[-1]["content"]
    assert last[-2] == {"role": "assistant", "content": '{"x": 9}'}


def test_after_so_many_attempts_the_request_is_unanswered_not_the_run(tmp_path):
    with serving("no JSON, ever") as server:
        endpoint = new(server, attempts=2, cache=str(tmp_path / "cache.sqlite"))
        with pytest.raises(Unanswered) as found:
            ask(endpoint)
        assert len(server.requests) == 2
        assert found.value.reason == "unusable answer"
        with pytest.raises(Unanswered):  # nothing unusable was cached
            ask(endpoint)
        assert len(server.requests) == 4


def test_a_request_the_endpoint_refuses_is_unanswered_a_wrong_key_is_an_error():
    with serving(400) as server:
        with pytest.raises(Unanswered, match=r"refused by the endpoint.*made-up error 400"):
            ask(new(server))
        server.script = [401]
        with pytest.raises(FaceLLMError, match=r"401: .*made-up error 401"):
            ask(new(server))
        assert len(server.requests) == 2  # neither is tried again


def test_no_endpoint_is_one_clear_error_with_its_address():
    options = EndpointOptions(url="http://127.0.0.1:9/v1", model="m", retries=0)
    with pytest.raises(FaceLLMError, match=r"http://127.0.0.1:9/v1: cannot be reached, tried 1"):
        ask(Endpoint(options))


def test_something_else_at_the_address_is_told():
    with serving("") as server:
        server.raw = b"<html>welcome</html>"
        with pytest.raises(FaceLLMError, match="does not answer like a chat endpoint"):
            ask(new(server))


def test_an_endpoint_that_breaks_off_slowly_times_out():
    def slow(_):
        time.sleep(1)
        return {"x": 1}

    with serving(slow) as server, pytest.raises(FaceLLMError, match="cannot be reached"):
        ask(new(server, timeout=0.2, retries=0))


def test_a_rerun_asks_for_nothing_and_costs_nothing(tmp_path):
    path = str(tmp_path / "sub" / "cache.sqlite")
    with serving(lambda body: {"x": len(body["messages"][0]["content"])}) as server:
        first = new(server, cache=path)
        told = [ask(first, "a" * k) for k in (1, 2, 3)]
        again = new(server, cache=path)
        assert [ask(again, "a" * k) for k in (1, 2, 3)] == told == [1, 2, 3]
        assert len(server.requests) == 3
        assert again.usage.to_dict()["cached"] == 3
        assert again.usage.cost(again.options) == 0
        warmer = new(server, cache=path, temperature=0.5)
        ask(warmer, "a")
        assert len(server.requests) == 4  # another request, another key


def test_a_cached_answer_that_a_stricter_check_refuses_is_asked_for_again(tmp_path):
    path = str(tmp_path / "cache.sqlite")
    with serving({"x": 9}, {"x": 2}) as server:
        assert ask(new(server, cache=path)) == 9
        assert ask(new(server, cache=path), check=check_small) == 2


def test_many_at_once_come_back_in_order():
    def answer(body):
        number = int(body["messages"][0]["content"])
        time.sleep(0.1 if number % 4 == 0 else 0)
        return "no JSON" if number == 5 else {"x": number}

    with serving(answer) as server:
        endpoint = new(server, threads=8, attempts=1)
        start = time.monotonic()
        found = list(endpoint.ask_all(range(16), lambda k: ask(endpoint, str(k))))
        took = time.monotonic() - start
    assert isinstance(found.pop(5), Unanswered)
    assert found == [k for k in range(16) if k != 5]
    assert took < 2


def test_the_key_covers_address_and_everything_sent():
    request = {"model": "m", "messages": [{"role": "user", "content": "a"}]}
    keys = {
        request_key("u", request), request_key("v", request),
        request_key("u", request | {"model": "n"}),
        request_key("u", request | {"messages": [{"role": "user", "content": "b"}]}),
    }  # fmt: skip
    assert len(keys) == 4
    assert request_key("u", dict(reversed(request.items()))) == request_key("u", request)


def test_a_cache_that_is_none_or_cannot_be_made_is_told(tmp_path):
    kept = ResponseCache(tmp_path / "ok.sqlite")
    kept.put("k", Reply("text", 1, 2))
    assert ResponseCache(tmp_path / "ok.sqlite").get("k") == Reply("text", 1, 2)
    assert ResponseCache(None).get("k") is None
    (tmp_path / "bad.sqlite").write_text("not a database at all, just text" * 50)
    with pytest.raises(FaceLLMError, match=r"bad.sqlite: the cache of replies cannot be used"):
        ResponseCache(tmp_path / "bad.sqlite")
    with pytest.raises(FaceLLMError, match="cannot be used"):
        ResponseCache(tmp_path / "ok.sqlite" / "under-a-file")


@pytest.mark.parametrize("text", ["", "[1, 2]", "{", "null", '{"a": }', "happy"])
def test_what_holds_no_json_object_is_refused(text):
    with pytest.raises(BadReply):
        parsed(text)
    assert parsed(f"Sure! {json.dumps({'a': 1})} Bye.") == {"a": 1}


@pytest.mark.parametrize(
    ("options", "told"),
    [({"url": " "}, "url: ' ' is not a text"), ({"threads": 0}, "threads: 0 is under 1"),
     ({"temperature": 3}, "temperature: 3 is not in 0..2"), ({"retries": -1}, "retries: -1")],
)  # fmt: skip
def test_options_out_of_bounds_are_refused(options, told):
    with pytest.raises(FaceLLMError, match=told):
        EndpointOptions(**{"url": "http://x/v1", "model": "m"} | options)
