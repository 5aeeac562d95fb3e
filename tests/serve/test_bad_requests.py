"""Whatever a stranger sends gets a 4xx in OpenAI's form, and the server stays up."""

import asyncio
import json

import pytest
from gateways import JSON, client_of, data_uri, new_house, small_png, user

CHAT, READINGS = "/v1/chat/completions", "/v1/readings"
PNG = data_uri(small_png(), "image/png")
ROUTES = {
    ("POST", CHAT), ("POST", READINGS), ("GET", "/v1/models"), ("GET", "/v1/models/{name}"),
    ("GET", "/health/live"), ("GET", "/health/ready"), ("GET", "/metrics"),
    ("GET", "/openapi.json"), ("GET", "/"), ("GET", "/page/{name}"),
}  # fmt: skip
VLLM_ROUTES = [
    "/invocations",
    "/pooling",
    "/classify",
    "/score",
    "/rerank",
    "/pause",
    "/resume",
    "/update_weights",
    "/tokenize",
    "/detokenize",
    "/health",
    "/ping",
    "/version",
    "/load",
    "/collective_rpc",
    "/sleep",
    "/wake_up",
    "/reset_prefix_cache",
    "/reset_mm_cache",
    "/abort_requests",
    "/server_info",
    "/tokenizer_info",
    "/v1/completions",
    "/v1/embeddings",
    "/v1/responses",
    "/v1/messages",
    "/v1/load_lora_adapter",
    "/v1/unload_lora_adapter",
    "/init_weight_transfer_engine",
    "/docs",
    "/redoc",
    "/v1/audio/transcriptions",
    "/start_weight_update",
    "/reset_encoder_cache",
]


def chat(**fields):
    return {"messages": [user("How old?", PNG)], **fields}


def schema(record):
    form = {"type": "json_schema", "json_schema": {"name": "a", "schema": record}}
    return chat(response_format=form)


def deep(levels):
    return {"type": "object", "properties": {"faces": deep(levels - 1) if levels else {}}}


EXPONENTIAL = {
    "type": "object",
    "properties": {"age": {"$ref": "#/$defs/d0"}},
    "$defs": {
        **{f"d{n}": {"anyOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 8} for n in range(8)},
        "d8": {"type": "integer"},
    },
}
BAD_CHATS = {
    "n": (chat(n=16384), 400, "n"),
    "no messages": ({"messages": []}, 400, "messages"),
    "10,000 messages": ({"messages": [{"role": "user", "content": "a"}] * 10_000}, 400, "messages"),
    "unknown field": (chat(mm_processor_kwargs={}), 400, "mm_processor_kwargs"),
    "template": (chat(chat_template="{{ 1 }}"), 400, "chat_template"),
    "tools": (chat(tools=[]), 400, "tools"),
    "logprobs": (chat(logprobs=True), 400, "logprobs"),
    "hot": (chat(temperature=99), 400, "temperature"),
    "number as text": (chat(temperature="1"), 400, "temperature"),
    "no tokens": (chat(max_tokens=0), 400, "max_tokens"),
    "long question": (chat(messages=[user("a" * 1001, PNG)]), 400, "messages"),
    "1 MB of text": (chat(messages=[user("a" * 1_000_000, PNG)]), 400, None),
    "role": (chat(messages=[{"role": "root", "content": "a"}]), 400, None),
    "last is ours": (chat(messages=[{"role": "assistant", "content": "a"}]), 400, "messages"),
    "only system": (chat(messages=[{"role": "system", "content": "a"}]), 400, "messages"),
    "http": (chat(messages=[user("a", "http://169.254.169.254/latest")]), 400, None),
    "file": (chat(messages=[user("a", "file:///etc/passwd")]), 400, None),
    "path": (chat(messages=[user("a", "/etc/passwd")]), 400, None),
    "svg": (chat(messages=[user("a", data_uri(b"<svg/>", "image/svg+xml"))]), 415, None),
    "playlist": (chat(messages=[user("a", data_uri(b"#EXTM3U", "video/mp4"))]), 415, None),
    "not base64": (chat(messages=[user("a", "data:image/png;base64,%%%")]), 400, None),
    "empty": (chat(messages=[user("a", "data:image/png;base64,")]), 400, None),
    "cut off": (chat(messages=[user("a", data_uri(small_png()[:40], "image/png"))]), 400, None),
    "9 pictures": (chat(messages=[user("a", *[PNG] * 9)]), 400, None),
    "too long": (
        chat(messages=[user("a", data_uri(b"\0" * 10_000_001, "image/png"))]), 413, None
    ),
    "assistant's picture": (
        chat(messages=[{**user("a", PNG), "role": "assistant"}, user("b")]), 400, None
    ),
    "form without schema": (chat(response_format={"type": "json_schema"}), 400, None),
    "schema of nothing": (schema({}), 400, None),
    "unknown value": (schema({"type": "object", "properties": {"race": {}}}), 400, None),
    "pattern": (
        schema({"type": "object", "properties": {"age": {"pattern": "(a+)+$"}}}), 400, None
    ),
    "remote reference": (
        schema({"type": "object", "properties": {"age": {"$ref": "http://a/b"}}}), 400, None
    ),
    "recursion": (
        schema({
            "type": "object", "properties": {"age": {"$ref": "#/$defs/a"}},
            "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/a"}]}},
        }), 400, None,
    ),
    "exponential": (schema(EXPONENTIAL), 400, None),
    "deep schema": (schema(deep(20)), 400, None),
    "no label known": (
        schema({"type": "object", "properties": {"expression": {"enum": ["bored"]}}}), 400, None
    ),
}  # fmt: skip
BAD_BODIES = {
    "nothing": b"",
    "no JSON": b"{",
    "a list": b"[]",
    "NaN": b'{"messages": [{"role": "user", "content": "a"}], "temperature": NaN}',
    "infinite": b'{"messages": [{"role": "user", "content": "a"}], "temperature": 1e999}',
    "deep": b"[" * 100_000,
    "deep object": b'{"a":' * 50_000,
    "not UTF-8": b'{"messages": "\xff\xfe"}',
    "lone surrogate": b'{"messages": [{"role": "user", "content": "\\ud800"}]}',
    "a huge number": b'{"seed": ' + b"9" * 5000 + b"}",
}  # fmt: skip


@pytest.fixture
def ask(tiny_checkpoint):
    """``ask(requests)`` -> responses, one after the other, and one good request at the end."""

    def run(*requests, **settings):
        async def all_of_them():
            async with client_of(new_house(tiny_checkpoint, **settings)) as client:
                found = [
                    await client.request(method, path, **more) for method, path, more in requests
                ]
                assert (await client.post(CHAT, json=chat())).status_code == 200
                return found

        return asyncio.run(all_of_them())

    return run


def check_error(response, status):
    record = response.json()["error"]
    assert set(record) == {"message", "type", "param", "code"}
    assert (response.status_code, bool(record["message"])) == (status, True), record
    assert response.headers["x-request-id"]
    return record


def test_bad_chats_are_refused_with_their_field(ask):
    requests = [("POST", CHAT, {"json": body}) for body, _, _ in BAD_CHATS.values()]
    for name, response in zip(BAD_CHATS, ask(*requests), strict=True):
        _, status, param = BAD_CHATS[name]
        try:
            record = check_error(response, status)
        except AssertionError as error:
            raise AssertionError(name) from error
        assert param is None or record["param"] == param, name


@pytest.mark.parametrize("path", [CHAT, READINGS])
def test_bodies_that_are_no_json_of_ours_are_refused(ask, path):
    requests = [("POST", path, {"content": raw, "headers": JSON}) for raw in BAD_BODIES.values()]
    for name, response in zip(BAD_BODIES, ask(*requests), strict=True):
        assert check_error(response, 400)["type"] == "invalid_request_error", name


def test_another_content_type_is_415(ask):
    """Also what keeps a page of strangers from asking: JSON needs a preflight."""
    body = json.dumps(chat()).encode()
    (plain,) = ask(("POST", CHAT, {"content": body, "headers": {"content-type": "text/plain"}}))
    check_error(plain, 415)


def test_bad_readings_are_refused_and_a_bad_picture_among_good_ones_is_told(ask):
    cut = data_uri(small_png()[:40], "image/png")
    requests = [
        ("POST", READINGS, {"json": {"images": []}}),
        ("POST", READINGS, {"json": {"images": [PNG] * 9}}),
        ("POST", READINGS, {"json": {"images": [cut, cut]}}),
        ("POST", READINGS, {"json": {"images": [PNG], "model": "x"}}),
        ("POST", READINGS, {"files": {"photo": small_png()}}),
        ("POST", READINGS, {"data": {"image": "words"}, "files": {"other": b""}}),
        ("POST", READINGS, {"files": [("image", small_png())] * 9}),
        ("POST", READINGS, {"content": b"--x", "headers": {"content-type": "multipart/form-data"}}),
        ("POST", READINGS, {"json": {"images": [cut, PNG]}}),
        ("POST", READINGS, {"files": {"image": small_png()}, "data": {"landmarks": "true"}}),
    ]
    *bad, mixed, form = ask(*requests)
    for response, status in zip(bad, (400, 400, 400, 404, 400, 400, 400, 400), strict=True):
        check_error(response, status)
    first, second = mixed.json()["data"]
    assert first["error"]["code"] == "invalid_image"
    assert (second["error"], second["size"]) == (None, [48, 40])
    assert form.json()["usage"]["vision"]["size"] == [48, 40]


def test_a_long_body_is_refused_while_it_comes(ask):
    sent = 0

    async def endless():
        nonlocal sent
        for _ in range(100):
            sent += 1
            yield b'"' + b"a" * 100_000

    long = ("POST", CHAT, {"content": endless(), "headers": JSON})
    told = ("POST", CHAT, {"content": b"{}", "headers": JSON | {"content-length": "99999999999"}})
    for response in ask(long, told, body=1_000_000):
        check_error(response, 413)
    assert sent < 15


def test_the_routes_are_exactly_ours_and_vllms_are_not_there(tiny_checkpoint, ask):
    from facellm.serve.gateway.app import new_app

    app = new_app(new_house(tiny_checkpoint))
    assert {(m, r.path) for r in app.routes for m in r.methods if m != "HEAD"} == ROUTES
    requests = [(method, path, {}) for path in VLLM_ROUTES for method in ("GET", "POST")]
    for response in ask(*requests):
        assert check_error(response, 404)["code"] == "not_found"


def test_other_methods_are_405(ask):
    for response in ask(("GET", CHAT, {}), ("DELETE", "/v1/models", {}), ("PUT", "/metrics", {})):
        check_error(response, 405)
        assert response.headers["allow"]


def test_nothing_of_the_page_is_outside_its_folder(ask):
    paths = ["/page/../app.py", "/page/%2e%2e%2fapp.py", "/page/app.py", "/page//etc/passwd"]
    for response in ask(*[("GET", path, {}) for path in paths]):
        check_error(response, 404)


def test_the_description_names_our_routes_and_errors(ask):
    (response,) = ask(("GET", "/openapi.json", {}))
    record = response.json()
    described = {(m.upper(), p) for p, held in record["paths"].items() for m in held}
    left_out = {("GET", "/openapi.json"), ("GET", "/"), ("GET", "/page/{name}")}
    assert described == ROUTES - left_out
    assert "422" not in json.dumps(record["paths"])
    assert "4XX" in record["paths"][CHAT]["post"]["responses"]
