"""Models that can be asked: an endpoint with faults, ours, any of transformers, functions."""

import shutil
import time

import eval_toys
import numpy as np
import pytest
from json_endpoint import picture_of, serving

from facellm.assistant import FaceAssistant
from facellm.crops import upright_crop
from facellm.errors import FaceLLMError
from facellm.eval.harness.asking import Request
from facellm.eval.harness.media import ALIGNED, CROP, FIND, Media
from facellm.eval.harness.models.endpoint import EndpointModel
from facellm.eval.harness.models.local import LocalModel, mean_of
from facellm.eval.harness.models.options import ModelOptions
from facellm.eval.harness.runner import Plan, run_task
from facellm.eval.harness.sample import Sample
from facellm.eval.harness.store import AnswerStore
from facellm.refine import whole_picture_face

FAST = ModelOptions(concurrency=4, retries=0, timeout=0.5)
IMAGE_SIDE = 96  # of the toy's crops


def measured(task, model, tmp_path, store=None, ask=""):
    plan = Plan(task, tmp_path, "valid", None, ask)
    return run_task(plan, model, store or AnswerStore(None, None))


def number_of(body):
    """Which of ``eval_toys.samples`` a request shows, by its picture."""
    shown = [picture_of({"messages": [{"content": [part]}]}) for part in parts_of(body)]
    return NUMBERS[next(uri for uri in shown if uri)]


def parts_of(body):
    content = body["messages"][0]["content"]
    return content if isinstance(content, list) else []


@pytest.fixture(scope="module", autouse=True)
def numbers():
    from facellm.eval.harness.models.pictures import data_uri

    NUMBERS.update(
        {data_uri(s.media[0].frames(1)[0]): n for n, s in enumerate(eval_toys.samples(12))}
    )


NUMBERS = {}


def test_every_fault_of_an_endpoint_has_a_name_and_the_run_goes_on(tmp_path):
    steps = {
        1: "",
        2: "happy " * 40,
        3: "I'm sorry, I can't help with identifying emotions.",
        4: lambda body: time.sleep(1.2) or "late",
        5: 400,
        6: 503,
        7: "It shows neither this nor that.",
        8: ("I think that", {"finish_reason": "length"}),
    }

    def answer(body):
        if not parts_of(body):
            return "A"  # the question whether it gives log-probabilities
        step = steps.get(number_of(body), "The face shows happiness.")
        return step(body) if callable(step) else step

    task = eval_toys.toy_task(eval_toys.samples(12), ways=("free",))
    with serving(answer) as server:
        model = EndpointModel.of(f"{server.url}#m", FAST)
        result = measured(task, model, tmp_path)
    assert result.outcomes() == {
        "answered": 4,
        "unparsed": 1,
        "refused": 1,
        "empty": 1,
        "repeated": 1,
        "cut off": 1,
        "timeout": 1,
        "unreachable": 1,
        "rejected by the endpoint": 1,
    }
    assert task.metrics[0].measure(result.rows).value == pytest.approx(4 / 12)


def test_failures_of_the_moment_are_asked_again_and_others_are_kept(tmp_path):
    task = eval_toys.toy_task(eval_toys.samples(2), ways=("free",))
    with serving("A", 503, "happiness", "happiness") as server:
        model = EndpointModel.of(f"{server.url}#m", ModelOptions(1, 0, 5.0))
        store = AnswerStore(tmp_path / "own.sqlite", None)
        first = measured(task, model, tmp_path, store)
        asked = len(server.requests)
        second = measured(task, model, tmp_path, store)
        assert len(server.requests) == asked + 1
    assert first.outcomes() == {"answered": 1, "unreachable": 1}
    assert second.outcomes() == {"answered": 2}


def test_options_are_scored_by_the_letters_log_probabilities(tmp_path):
    def top(token, probability):
        return {"token": token, "logprob": float(np.log(probability)), "bytes": None}

    likeliest = [top(" B", 0.5), top("b", 0.1), top("C", 0.2), top("The", 0.2)]
    logprobs = {"content": [top(" B", 0.5) | {"top_logprobs": likeliest}]}
    task = eval_toys.toy_task(eval_toys.samples(3))
    with serving(("B", {"logprobs": logprobs})) as server:
        result = measured(task, EndpointModel.of(f"{server.url}#m", FAST), tmp_path)
        request = server.requests[-1]
    assert result.way == "options"
    assert (request["max_tokens"], request["top_logprobs"]) == (1, 20)
    shares = result.rows[0].score.shares
    assert shares["happiness"] == pytest.approx(0.6 / 0.8, abs=1e-6)
    assert shares["surprise"] == pytest.approx(0.2 / 0.8, abs=1e-6)
    assert shares["neutral"] < 1e-6


def test_an_endpoint_without_log_probabilities_is_asked_for_the_letter(tmp_path):
    task = eval_toys.toy_task(eval_toys.samples(3))
    with serving("The answer is B.") as server:
        result = measured(task, EndpointModel.of(f"{server.url}#m", FAST), tmp_path)
        words = server.requests[-1]["messages"][0]["content"][-1]["text"]
    assert words.endswith("A. neutral\nB. happiness\nC. surprise\nAnswer with the letter only.")
    assert (result.way, result.outcomes()) == ("letter", {"answered": 3})
    assert {row.score.said for row in result.rows} == {"happiness"}


def test_as_many_questions_are_under_way_as_one_likes(tmp_path):
    task = eval_toys.toy_task(eval_toys.samples(12), ways=("free",))
    for count in (1, 6):
        barrier, most = [], []

        def answer(body, barrier=barrier, most=most):
            barrier.append(1)
            most.append(len(barrier))
            time.sleep(0.1)
            barrier.pop()
            return "happiness"

        with serving(answer) as server:
            model = EndpointModel.of(f"{server.url}#m", ModelOptions(count, 0, 30.0))
            assert measured(task, model, tmp_path).outcomes() == {"answered": 12}
        assert max(most) == count


@pytest.mark.parametrize("script", [(401,), ("A", "happiness", 404)])
def test_what_would_fail_every_question_ends_the_run(tmp_path, script):
    task = eval_toys.toy_task(eval_toys.samples(3), ways=("free",))
    told = f"{script[-1]}: .*made-up"
    with serving(*script) as server, pytest.raises(FaceLLMError, match=told):
        measured(task, EndpointModel.of(f"{server.url}#m", FAST), tmp_path)


def test_an_address_nobody_listens_at_is_told_at_once(tmp_path):
    task = eval_toys.toy_task(eval_toys.samples(3))
    with pytest.raises(FaceLLMError, match="cannot be reached"):
        measured(task, EndpointModel.of("http://127.0.0.1:9/v1#m", FAST), tmp_path)


@pytest.fixture(scope="module")
def ours(tiny_checkpoint):
    return LocalModel(FaceAssistant.load(tiny_checkpoint, engine="torch"))


def test_our_reading_is_that_of_the_product(ours, photo):
    crop = np.asarray(Media(path=photo, face=CROP).frames(1)[0])
    requests = [
        Request(Sample("a", (Media(path=photo, face=face),)), "reading", "", 1)
        for face in (CROP, ALIGNED, FIND)
    ]
    answers = dict(ours.answers(requests))
    (read,) = ours.assistant.read(crop, crops=True)
    found = answers[0].reading["expression"]
    assert found == pytest.approx(read.reading.to_dict()["expression"], abs=1e-5)
    boxes = [face.face.box_xyxy for face in ours.assistant.read(crop)]
    largest = int(np.argmax([box.area for box in boxes]))
    shown = ours.assistant.read(crop)[largest].reading.to_dict()["age"]
    assert answers[2].reading["age"] == pytest.approx(shown, abs=1e-3)
    face = whole_picture_face(crop, ours.assistant.checkpoint.landmark_net)
    (framed,) = ours.assistant.read_crops([upright_crop(crop, face, IMAGE_SIDE)])
    assert answers[1].reading["age"] == pytest.approx(framed.to_dict()["age"], abs=1e-3)


def test_a_picture_without_a_face_is_counted_as_such(ours, plain_wall, tmp_path):
    wall = Sample("w", (Media(path=plain_wall, face=FIND),), "Which?", ("a", "b"), "a")
    gone = Sample("g", (Media(path=tmp_path / "gone.png", face=FIND),), "Which?", ("a", "b"), "a")
    result = measured(eval_toys.toy_task([wall, gone]), ours, tmp_path)
    assert result.outcomes() == {"no face": 1, "picture unreadable": 1}


def test_a_frame_without_a_face_is_left_out_of_its_clip_and_told(ours, photo, plain_wall, tmp_path):
    folder = tmp_path / "frames"
    folder.mkdir()
    for name, source in (("1", photo), ("2", plain_wall), ("3", photo)):
        shutil.copy(source, folder / f"{name}{source.suffix}")
    clip = Media(path=folder, kind="frames", face=FIND)
    requests = [
        Request(Sample("a", (medium,)), "reading", "", 8) for medium in (clip, Media(path=photo))
    ]
    answers = dict(ours.answers(requests))
    assert answers[0].detail == "1 of 3 frames show no face"
    assert answers[1].detail == ""
    assert answers[0].reading["expression"] == pytest.approx(
        answers[1].reading["expression"], abs=1e-5
    )


def test_options_share_the_prompt_and_score_as_they_would_alone(ours, photo):
    crop = ours._crops(Media(path=photo, face=CROP), Request(Sample("a", ()), "options", "", 1))
    prompt = ours._prompt(crop, "Which expression does this face show?")
    options = ("neutral", "happiness", "a long option of many words", "fear")
    together = ours.option_logprobs(prompt, options)
    alone = ours.option_logprobs(prompt, options, shared=False)
    assert together == pytest.approx(alone, abs=1e-4)
    assert np.exp(together).sum() == pytest.approx(1.0)


def test_a_clip_is_read_as_the_mean_of_its_frames():
    first = {"a": 1.0, "b": [0.0, 2.0], "c": None, "d": "x", "e": True}
    second = {"a": 3.0, "b": [2.0, 4.0], "c": 5.0, "d": "y", "e": True}
    assert mean_of([first, second]) == {"a": 2.0, "b": [1.0, 3.0], "c": 5.0, "d": "x", "e": True}
