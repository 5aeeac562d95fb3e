"""Requests made up from our own description: never a 5xx, always the form that is promised."""

import json

import httpx
import pytest
from gateways import JSON, new_house, serving_house
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
    for mode in [modes.POSITIVE] + [modes.NEGATIVE] * ("{" not in path):

        @given(case=operation.as_strategy(generation_mode=mode))
        @settings(max_examples=15, deadline=None, suppress_health_check=QUIET, database=None)
        def ask(case):
            case.call_and_validate(base_url=url, checks=checks, timeout=20)

        ask()


JSONS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)
FIELDS = st.sampled_from(
    ["messages", "model", "stream", "n", "stop", "response_format", "max_tokens", "seed", "images"]
)
BODIES = st.binary(max_size=60) | st.dictionaries(FIELDS, JSONS, max_size=4)


def test_any_json_and_any_bytes_get_an_answer_below_500(url):
    with httpx.Client(base_url=url, timeout=20) as client:

        @given(path=st.sampled_from(["/v1/chat/completions", "/v1/readings"]), body=BODIES)
        @settings(max_examples=80, deadline=None, suppress_health_check=QUIET, database=None)
        def ask(path, body):
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            found = client.post(path, content=raw, headers=JSON)
            assert 400 <= found.status_code < 500
            assert set(found.json()["error"]) == {"message", "type", "param", "code"}

        ask()
        assert client.get("/health/live").status_code == 200
