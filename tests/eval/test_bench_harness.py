"""The bench of the harness: who takes turns, what a ratio is of, what is no figure."""

import re
from itertools import count

import numpy as np
import pytest
from json_endpoint import serving
from PIL import Image

from facellm.assistant import FaceAssistant
from facellm.bench_lines import table
from facellm.errors import FaceLLMError
from facellm.eval import bench_endpoints, bench_harness, bench_samples
from facellm.eval.harness.models.function import FunctionModel
from facellm.eval.harness.models.local import LocalModel
from facellm.eval.harness.store import AnswerStore


@pytest.fixture
def small(monkeypatch):
    """Few and small pictures; photographs take half a second each."""
    for module, name in ((bench_harness, "ASKED"), (bench_harness, "PLAIN")):
        monkeypatch.setattr(module, name, 3)
    shades = count()

    def grey(index):
        return np.full((64, 64, 3), 50 + next(shades), np.uint8)

    monkeypatch.setattr(bench_samples, "small_photo", grey)


def test_the_first_turn_does_not_count_and_no_turn_is_taken_in_vain():
    taken = []

    def pairs():
        for pair in [(99.0, 1.0), (4.0, 2.0), (8.0, 1.0), (6.0, 3.0), (0.0, 0.0)]:
            taken.append(pair)
            yield pair

    assert bench_samples.turns(pairs(), 3) == (6.0, 2.0)
    assert len(taken) == 4


def test_pictures_are_never_shown_twice(small, tmp_path):
    files = bench_samples.pictures(tmp_path, 3) + bench_samples.pictures(tmp_path, 3)
    assert len({file.read_bytes() for file in files}) == 6


def test_a_failure_is_no_fast_answer(small, tmp_path):
    def broken(pictures, prompt, options):
        raise RuntimeError("out of order")

    task = bench_samples.task_of(bench_samples.pictures(tmp_path, 1), "crop", ("free",))
    with pytest.raises(FaceLLMError, match=r"model error \(RuntimeError: out of order\)"):
        bench_samples.timed(task, FunctionModel("x:broken", broken), AnswerStore(None, None))


def test_kept_answers_are_not_asked_again(small, tmp_path, tiny_checkpoint, photo, monkeypatch):
    local = LocalModel(FaceAssistant.load(tiny_checkpoint, engine="torch"))
    picture = np.asarray(Image.open(photo).convert("RGB"))
    monkeypatch.setattr(bench_harness, "small_photo", lambda index: picture)
    asked = []
    answers = local.answers
    monkeypatch.setattr(local, "answers", lambda r: asked.append(len(r)) or answers(r))
    lines = bench_harness.cache_lines(local, tmp_path, 1)
    assert asked == [3, 3]  # a turn that does not count, and one; nothing of the kept ones
    ratio = lines[-1]
    assert (ratio.unit, ratio.goal, ratio.at_least) == ("x", 100.0, True)
    assert ratio.value == pytest.approx(lines[0].value / lines[1].value)
    assert ratio.value > 1
    prefix = bench_harness.prefix_lines(local, 1)
    assert [line.unit for line in prefix] == ["ms", "x"]


def test_the_overhead_is_what_the_bare_loop_leaves(small, tmp_path):
    bare, each, ratio = bench_harness.overhead_lines(tmp_path, 2)
    assert ratio.value > 0  # what it is depends on the machine and on who else uses it
    assert bare.value + each.value == pytest.approx(bare.value * ratio.value)


def test_one_by_one_takes_what_the_endpoint_takes(small, tmp_path, monkeypatch):
    monkeypatch.setattr(bench_endpoints, "FAR", 0.1)
    with bench_endpoints.far_away() as address:
        lines = bench_endpoints.at_once_lines("far", address, tmp_path, 1)
    assert lines[0].value >= 100  # ms
    assert lines[1].value > 0  # how much faster depends on the machine and on who else uses it
    assert lines[1].name == "far: 8 at once over one by one"


def test_a_question_that_is_not_answered_ends_the_bench(small, tmp_path):
    with serving("A", 503) as server, pytest.raises(FaceLLMError, match="unreachable"):
        bench_endpoints.at_once_lines("bad", f"{server.url}#m", tmp_path, 1)


def test_a_server_that_does_not_start_is_a_line_without_a_value(tmp_path):
    opened = bench_endpoints.serving(tmp_path / "no weights")
    (line,) = bench_endpoints.endpoint_lines("ours", opened, tmp_path, 1)
    assert line.value is None
    assert re.search(r"facellm serve is not ready: .*no weights", line.name)
    assert "missing" in table([line])
