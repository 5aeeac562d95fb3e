"""Requests made up from our own description: never a 5xx, always the form that is promised."""

import asyncio
import json
import threading

import pytest
from gateways import JSON, client_of, new_house, serving_house
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

schemathesis = pytest.importorskip("schemathesis", reason="optional: pip install schemathesis")
QUIET = list(HealthCheck)


@pytest.fixture(scope="module")
def house(tiny_checkpoint):
    return new_house(tiny_checkpoint, {"words": 2})


@pytest.fixture(scope="module")
def url(house):
    with serving_house(house) as url:
        yield url


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/readings", "/v1/models/{name}"])
def test_what_the_description_allows_and_what_it_forbids_is_answered_as_it_says(url, path):
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi.checks import (
        content_type_conformance,
        response_schema_conformance,
        status_code_conformance,
    )

    checks = [
        not_a_server_error, status_code_conformance, content_type_conformance,
        response_schema_conformance,
    ]  # fmt: skip
    schema = schemathesis.openapi.from_url(f"{url}/openapi.json")
    operation = schema[path]["GET" if "{" in path else "POST"]
    modes = schemathesis.GenerationMode
    for mode in (modes.POSITIVE, modes.NEGATIVE):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=25, deadline=None, suppress_health_check=QUIET, database=None)
        def ask(case):
            case.call_and_validate(base_url=url, checks=checks, timeout=20)

        ask()


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)  # fmt: skip
FIELDS = st.sampled_from(
    ["messages", "model", "stream", "n", "stop", "response_format", "max_tokens", "seed", "images"]
)


def test_any_json_and_any_bytes_get_an_answer_below_500(tiny_checkpoint):
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    house = new_house(tiny_checkpoint, {"words": 2})

    async def post(path, raw):
        async with client_of(house) as client:
            return await client.post(path, content=raw, headers=JSON)

    bodies = st.binary(max_size=60) | st.dictionaries(FIELDS, JSONS, max_size=4)

    @given(path=st.sampled_from(["/v1/chat/completions", "/v1/readings"]), body=bodies)
    @settings(max_examples=80, deadline=None, suppress_health_check=QUIET, database=None)
    def ask(path, body):
        raw = body if isinstance(body, bytes) else json.dumps(body).encode("utf-8", "replace")
        found = asyncio.run_coroutine_threadsafe(post(path, raw), loop).result(20)
        assert 400 <= found.status_code < 500
        assert set(found.json()["error"]) == {"message", "type", "param", "code"}

    ask()
    loop.call_soon_threadsafe(loop.stop)
