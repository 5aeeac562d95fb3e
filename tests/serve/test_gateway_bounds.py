"""Who may come in, how many, for how long; and what happens to those who leave."""

import asyncio
import io
import json
import socket
import threading
import time

import httpx
import pytest
from gateways import client_of, data_uri, new_house, serving_house, small_png, user

from facellm.serve.engines import EngineDown

CHAT = "/v1/chat/completions"
PNG = data_uri(small_png(), "image/png")
BODY = {"messages": [user("How old?", PNG)]}
SLOW = {"pause": 0.2, "words": 100}


def run(work):
    return asyncio.run(asyncio.wait_for(work, 30))


def events_of(text):
    return [json.loads(line[6:]) for line in text.split("\n\n") if line.startswith("data: {")]


# --- keys and rates -------------------------------------------------------------------------------


def test_a_key_opens_and_nothing_else_does(tiny_checkpoint):
    async def work():
        async with client_of(
            new_house(tiny_checkpoint, keys=("first-key", "second-key"))
        ) as client:

            def given(key):
                return {"authorization": f"Bearer {key}"}

            for key in ("first-key", "second-key"):
                assert (await client.post(CHAT, json=BODY, headers=given(key))).status_code == 200
            for headers in ({}, given("first-ke"), given(""), {"authorization": "Basic first-key"}):
                for path in (CHAT, "/v1/readings"):
                    refused = await client.post(path, json=BODY, headers=headers)
                    assert refused.status_code == 401
                    assert refused.json()["error"]["type"] == "authentication_error"
                assert (await client.get("/metrics", headers=headers)).status_code == 401
            assert (await client.get("/health/live")).status_code == 200

    run(work())


def test_a_rate_is_kept_per_key_and_says_when_to_come_back(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint, keys=("first-key", "second-key"), rate="3/minute")
        async with client_of(house) as client:

            async def status(key):
                headers = {"authorization": f"Bearer {key}"}
                return await client.get("/v1/models", headers=headers)

            assert [(await status("first-key")).status_code for _ in range(3)] == [200] * 3
            refused = await status("first-key")
            assert refused.status_code == 429
            assert 1 <= int(refused.headers["retry-after"]) <= 60
            assert (await status("second-key")).status_code == 200

    run(work())


def test_wrong_keys_are_counted_too(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint, keys=("first-key",), rate="3/minute")
        async with client_of(house) as client:
            wrong = {"authorization": "Bearer guessed-key"}
            found = [await client.get("/v1/models", headers=wrong) for _ in range(5)]
            assert [response.status_code for response in found] == [401] * 3 + [429] * 2
            right = {"authorization": "Bearer first-key"}
            assert (await client.get("/v1/models", headers=right)).status_code == 200

    run(work())


def test_a_server_of_this_machine_is_not_called_by_strangers_names(tiny_checkpoint):
    async def work():
        async with client_of(new_house(tiny_checkpoint, hosts=frozenset({"127.0.0.1"}))) as client:
            good = await client.get("/v1/models", headers={"host": "127.0.0.1:8000"})
            bad = await client.get("/v1/models", headers={"host": "evil.example:8000"})
            assert (good.status_code, bad.status_code) == (200, 421)

    run(work())


# --- queue, deadline, engine ----------------------------------------------------------------------


def test_a_full_house_answers_429_and_lets_in_again(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint, {"pause": 0.05, "words": 4}, running=1, waiting=2)
        async with client_of(house) as client:
            found = await asyncio.gather(*(client.post(CHAT, json=BODY) for _ in range(6)))
            statuses = sorted(response.status_code for response in found)
            assert statuses == [200] * 3 + [429] * 3
            busy = next(response for response in found if response.status_code == 429)
            assert busy.json()["error"]["code"] == "queue_full"
            assert int(busy.headers["retry-after"]) >= 1
            assert (await client.post(CHAT, json=BODY)).status_code == 200
            assert house.admission.inside == house.admission.running == 0

    run(work())


def test_the_deadline_is_504_or_an_event_and_ends_generation(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint, SLOW, deadline=0.5)
        async with client_of(house) as client:
            late = await client.post(CHAT, json=BODY)
            assert late.status_code == 504
            assert late.json()["error"]["code"] == "deadline_exceeded"
            stream = await client.post(CHAT, json=BODY | {"stream": True})
            events = events_of(stream.text)
            assert events[1]["choices"][0]["delta"]["content"] == "word0"
            assert events[-1]["error"]["code"] == "deadline_exceeded"
            assert stream.text.endswith("data: [DONE]\n\n")
        assert house.engine.dropped == house.engine.begun == 2
        assert house.admission.inside == house.held == 0

    run(work())


def test_a_dead_engine_is_503_and_readiness_says_so(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint, canary=0.0)
        async with client_of(house) as client:
            assert (await client.get("/health/ready")).json() == {"status": "ready"}
            house.engine.down = EngineDown("killed")
            for response in (
                await client.post(CHAT, json=BODY),
                await client.post(CHAT, json=BODY | {"stream": True}),
                await client.get("/health/ready"),
            ):
                assert response.status_code == 503
                assert response.json()["error"]["code"] == "engine_down"
            assert (await client.get("/health/live")).status_code == 200
            assert 'facellm_engine_up{engine="local"} 0.0' in (await client.get("/metrics")).text
            house.engine.down = None
            assert (await client.post(CHAT, json=BODY)).status_code == 200

    run(work())


def test_the_canary_is_remembered(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint, canary=60.0)
        async with client_of(house) as client:
            assert (await client.get("/health/ready")).status_code == 200
            house.engine.hung = EngineDown("no token came")
            assert (await client.get("/health/ready")).status_code == 200

    run(work())


def test_an_engine_that_is_known_to_be_down_is_so_at_once_and_asked_anew_when_back(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint, canary=60.0)
        async with client_of(house) as client:
            assert (await client.get("/health/ready")).status_code == 200
            house.engine.down = EngineDown("killed")
            assert (await client.get("/health/ready")).status_code == 503
            house.engine.down, house.engine.hung = None, EngineDown("no token came")
            assert (await client.get("/health/ready")).status_code == 503
            house.canary.seconds, house.engine.hung = 0.0, None
            assert (await client.get("/health/ready")).status_code == 200

    run(work())


def test_a_bug_is_500_without_a_word_about_it_and_its_place_in_the_log(tiny_checkpoint):
    async def work():
        log = io.StringIO()
        house = new_house(tiny_checkpoint, log=log)
        async with client_of(house) as client:
            house.engine.down = RuntimeError("secret words")
            failed = await client.post(CHAT, json=BODY)
            assert failed.status_code == 500
            assert "secret" not in failed.text + log.getvalue()
            assert "RuntimeError at " in log.getvalue()
            assert json.loads(log.getvalue())["id"] == failed.headers["x-request-id"]

    run(work())


# --- metrics and log ------------------------------------------------------------------------------


def test_metrics_count_and_the_log_holds_no_word_and_no_pixel(tiny_checkpoint):
    async def work():
        log = io.StringIO()
        async with client_of(new_house(tiny_checkpoint, log=log)) as client:
            await client.post(CHAT, json=BODY, headers={"x-request-id": "mine-1"})
            await client.get("/nowhere/secret-path")
            text = (await client.get("/metrics")).text
        assert f'facellm_requests_total{{route="{CHAT}",status="200"}} 1.0' in text
        assert 'facellm_requests_total{route="none",status="404"} 1.0' in text
        assert 'facellm_tokens_total{kind="answer"} 5.0' in text
        first = json.loads(log.getvalue().splitlines()[0])
        assert first["id"] == "mine-1"
        (picture,) = first["pictures"]
        assert (picture["size"], picture["faces"], len(picture["sha256"])) == ([48, 40], 0, 12)
        for hidden in ("How old", "word0", PNG[30:60], "secret-path"):
            assert hidden not in log.getvalue()

    run(work())


# --- clients that leave, servers that stop --------------------------------------------------------


@pytest.mark.parametrize("stream", [True, False])
def test_a_client_that_leaves_ends_generation(tiny_checkpoint, stream):
    house = new_house(tiny_checkpoint, SLOW)
    with serving_house(house) as url:
        raw = json.dumps(BODY | {"stream": stream}).encode()
        host, port = url.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as client:
            head = f"POST {CHAT} HTTP/1.1\r\nhost: {host}\r\ncontent-type: application/json\r\n"
            client.sendall(f"{head}content-length: {len(raw)}\r\n\r\n".encode() + raw)
            if stream:
                assert b"200 OK" in client.recv(100)
            wait_for(lambda: house.engine.begun == 1)
        wait_for(lambda: house.engine.dropped == 1)
        wait_for(lambda: house.admission.inside == 0)
        assert httpx.get(f"{url}/metrics").text.count("facellm_clients_gone_total 1.0") == 1


def wait_for(true, seconds=10):
    until = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_a_stopped_server_finishes_what_runs_and_takes_nothing_new(tiny_checkpoint):
    house = new_house(tiny_checkpoint, {"pause": 0.1, "words": 10})
    with serving_house(house) as url:
        found = []
        ask = threading.Thread(
            target=lambda: found.append(httpx.post(url + CHAT, json=BODY, timeout=20))
        )
        with httpx.Client() as kept:
            assert kept.get(f"{url}/health/live").status_code == 200
            ask.start()
            wait_for(lambda: house.engine.begun == 1)
            house.server.handle_exit(15, None)
            assert house.draining
            ask.join(20)
        assert found[0].status_code == 200
        assert found[0].json()["choices"][0]["message"]["content"].endswith("word9")
        with pytest.raises(httpx.HTTPError):
            httpx.get(f"{url}/health/ready", timeout=5)


def test_while_draining_readiness_is_false_and_new_work_is_refused(tiny_checkpoint):
    async def work():
        house = new_house(tiny_checkpoint)
        async with client_of(house) as client:
            house.draining = True
            assert (await client.get("/health/ready")).status_code == 503
            refused = await client.post(CHAT, json=BODY)
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "shutting_down"
            assert (await client.get("/health/live")).status_code == 200

    run(work())
