"""A task of a user's own file: run as any other; what is wrong with it is told in words."""

import json

import eval_toys
import pytest

from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.eval.harness import run_command
from facellm.eval.tasks import task_named

OWN = """
from dataclasses import dataclass

import eval_toys


@dataclass
class Asked:
    count: int = 3


def task():
    groups = ["a", "b", "a"]
    listed = [
        eval_toys.samples(Asked().count, columns={"group": group})[place]
        for place, group in enumerate(groups)
    ]
    return eval_toys.toy_task(listed, name="mine")


other = eval_toys.toy_task(eval_toys.samples(2), name="other")
taken = eval_toys.toy_task([], name="ferplus")
nothing = 7


def failing():
    return 1 / 0


def needs(one):
    return one
"""


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(run_command, "drawn", lambda *_: {})
    monkeypatch.setenv("FACELLM_EVAL", str(tmp_path / "kept"))
    monkeypatch.setenv("FACELLM_DATA", str(tmp_path / "none"))
    (tmp_path / "data").mkdir()
    (tmp_path / "mine.py").write_text(OWN)
    return tmp_path


def run(place, *told, out="out"):
    words = ["eval", "run", "--model", "eval_toys:constant", "-o", str(place / out), "--quiet"]
    return main([*words, "--data", f"toy={place / 'data'}", *told])


def test_a_file_with_a_task_is_run_as_any_other(place):
    assert run(place, "--task-file", str(place / "mine.py")) == 0
    record = json.loads((place / "out" / "results.json").read_text())["tasks"]
    assert (list(record), record["mine"]["n"]) == (["mine"], 3)
    assert run(place, "--task-file", f"{place / 'mine.py'}:other", out="b") == 0
    assert "other" in json.loads((place / "b" / "results.json").read_text())["tasks"]


def test_a_task_is_named_once(place, capsys):
    own = str(place / "mine.py")
    assert run(place, "--task-file", own, "--task-file", f"{own}:task") != 0
    assert "a task 'mine' is named already" in capsys.readouterr().err


def test_a_file_is_run_once_however_often_it_is_named(place):
    own = place / "once.py"
    own.write_text(
        "import eval_toys\neval_toys.LOADED = getattr(eval_toys, 'LOADED', 0) + 1\n" + OWN
    )
    task_named(f"{own}:task")
    task_named(str(own))
    assert eval_toys.LOADED == 1


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("gone.py", "gone.py: no such file"),
        ("mine.py:nobody", "holds no 'nobody'; say which, as .*mine.py:NAME"),
        ("mine.py:nothing", "gives int, not a facellm.eval.harness.task.Task"),
        ("mine.py:failing", "mine.py:failing: ZeroDivisionError: division by zero"),
        ("mine.py:needs", "mine.py:needs: TypeError"),
        ("mine.py:taken", "there is a task 'ferplus' already"),
        ("broken.py", r"broken.py: cannot be run \(SyntaxError"),
    ],
)
def test_what_is_no_task_is_told_with_its_place(place, name, told):
    (place / "broken.py").write_text("def task(:\n")
    with pytest.raises(FaceLLMError, match=told):
        task_named(f"{place}/{name}")


def test_a_module_of_ones_own_goes_too_and_a_missing_one_is_told():
    assert task_named("eval_toys:own").name == "toy"
    with pytest.raises(FaceLLMError, match=r"task 'no_such:task'.* cannot be imported"):
        task_named("no_such:task")
    with pytest.raises(FaceLLMError, match="did you mean 'emer'"):
        task_named("emeer")


def test_a_run_without_any_task_is_refused(place, capsys):
    assert run(place) != 0
    assert "--tasks ''" in capsys.readouterr().err


def test_any_column_slices_and_an_unknown_one_is_told_before_a_question_is_asked(place, capsys):
    told = ["--task-file", str(place / "mine.py"), "--by"]
    assert run(place, *told, "group") == 0
    (group,) = json.loads((place / "out" / "results.json").read_text())["tasks"]["mine"]["groups"]
    assert (group["column"], group["too_small"]) == ("group", {"a": 2, "b": 1})
    assert run(place, *told, "group & gnder", out="b") != 0
    assert "no column 'gnder' to slice by; it has group" in capsys.readouterr().err
