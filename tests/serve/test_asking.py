"""What measures the server: streams that are not whole are seen, memory that grows is told."""

import asyncio
import json
import subprocess
import sys
import time

import httpx
import pytest
from gateways import data_uri, new_house, serving_house, small_png

from facellm.errors import FaceLLMError
from facellm.serve import soak as soaking
from facellm.serve.asking import Answer, Asker, Question, stream_words
from facellm.serve.bench.engines import LEVELS, Side, ratio_lines, side_lines
from facellm.serve.running import Running
from facellm.serve.soak import Tally, one_client, told

DONE = "data: [DONE]"


def event(delta, finish=None, number="a"):
    choice = {"delta": delta, "finish_reason": finish}
    return "data: " + json.dumps({"id": number, "choices": [choice]})


OPENING = event({"role": "assistant", "content": ""})
HALLO, END = event({"content": "Hallo"}), event({}, "stop")
USAGE = 'data: {"id": "a", "choices": [], "usage": {"completion_tokens": 3}}'
ERROR = 'data: {"error": {"message": "the engine is not there"}}'


def test_words_of_a_stream_are_joined():
    assert stream_words([OPENING, HALLO, event({"content": " du"}), END, USAGE, DONE]) == (
        "Hallo du", 3
    )  # fmt: skip


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "without its one end"),
        ([OPENING, HALLO, END, USAGE], "without its one end"),
        ([OPENING, HALLO, END, USAGE, DONE, DONE], "without its one end"),
        ([OPENING, HALLO, ERROR, DONE], "broke: the engine is not there"),
        ([HALLO, END, USAGE, DONE], "not those of one answer"),
        ([OPENING, OPENING, HALLO, END, USAGE, DONE], "not those of one answer"),
        ([OPENING, HALLO, END, END, USAGE, DONE], "not those of one answer"),
        ([OPENING, HALLO, USAGE, DONE], "not those of one answer"),
        ([OPENING, event({"content": "x"}, number="b"), END, USAGE, DONE], "not those of one"),
    ],
)
def test_a_stream_that_is_not_whole_is_told(events, message):
    with pytest.raises(FaceLLMError, match=message):
        stream_words(events)


def test_a_second_question_brings_what_was_said():
    body = Question("And the gaze?", ("data:x",), 9, crops=True, earlier=("Age?", "34")).body()
    assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
    assert body["messages"][0]["content"][-1]["text"] == "Age?"
    assert (body["messages"][2]["content"], body["max_tokens"]) == ("And the gaze?", 9)


def test_a_lost_word_is_a_fault_of_the_soak(tiny_checkpoint):
    """A scripted engine answers all alike; what was expected holds a word more."""
    tally = Tally()
    question = Question("Age?", (data_uri(small_png(), "image/png"),))

    async def ask(url):
        async with httpx.AsyncClient(base_url=url, timeout=20) as client:
            asker = Asker(client)
            wanted = (await asker.whole(question)).text
            assert wanted == "word0 word1 word2 word3 word4"
            until = time.monotonic() + 0.5
            await one_client(asker, [(question, wanted)], tally, (0, until))
            assert set(tally.faults) <= {"readings: no face was read"}  # this engine sees none
            good = sum(tally.done.values())
            until = time.monotonic() + 0.5
            await one_client(asker, [(question, wanted + " word5")], tally, (0, until))
            return good

    with serving_house(new_house(tiny_checkpoint)) as url:
        good = asyncio.run(ask(url))
    assert good >= 2
    assert tally.faults["stream: another answer"] >= 2


def test_memory_that_grows_is_told_and_fails():
    flat = Tally(memory=[(float(n), 900.0 + n % 2) for n in range(30)])
    flat.done["stream"] = 7
    text, well = told(flat, 2)
    assert well
    assert "7 requests in 2 minutes: 7 stream" in text
    grown = Tally(memory=[(float(n), 900.0 + 10 * n) for n in range(30)])
    assert not told(grown, 2)[1]
    flat.faults["stream: another answer"] = 1
    assert not told(flat, 2)[1]
    with pytest.raises(FaceLLMError, match="2 looks at the memory are too few"):
        told(Tally(memory=flat.memory[:2]), 2)


def test_a_server_that_does_not_start_is_told_in_its_words(tmp_path):
    log = tmp_path / "log"
    code = "import sys; sys.exit('no weights')"
    with (
        log.open("wb") as out,
        subprocess.Popen([sys.executable, "-c", code], stderr=out) as one,
        pytest.raises(FaceLLMError, match="no weights"),
    ):
        Running(one, log).wait()


def test_children_count_in_a_familys_memory(tmp_path):
    code = "import subprocess, sys; subprocess.call([sys.executable, '-c', 'input()'])"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE) as one:
        running = Running(one, tmp_path / "log")
        while len(running.family()) < 2:
            assert one.poll() is None
        assert running.memory() > 5
        one.stdin.close()


def side(rate, first):
    found = Side(None)
    for level in LEVELS:
        found.answers[level] = [Answer("x", 5, first, first + 0.4)] * level
        found.rates[level] = [rate * level, 2 * rate * level]
    found.read, found.new, found.again = [8.0], [1.0], [0.1]
    return found


def test_lines_of_the_engines_hold_medians_and_goals():
    lines = {line.name: line for line in side_lines("local", side(1.0, 0.2), 2)}
    assert lines["local, 8 at once: first word"].value == pytest.approx(200)
    assert lines["local, 8 at once: a further token"].value == pytest.approx(100)
    assert lines["local, 8 at once: answers of 32 tokens"].value == pytest.approx(12)
    assert lines["local: first over second question"].reached
    ratios = ratio_lines(side(3.0, 0.2), side(1.0, 0.2), 2)
    assert [line.value for line in ratios] == [3.0] * 4
    assert [line.reached for line in ratios] == [None, None, True, None]


def test_soak_has_a_command():
    with pytest.raises(SystemExit):
        soaking.main(["--engine", "none"])
