"""`facellm eval run`: what it writes, what it keeps, what it refuses, and being killed."""

import json
import os
import signal
import time
from pathlib import Path

import eval_toys
import pyarrow.parquet as pq
import pytest
from cli_runs import refused, start

from facellm.cli import main
from facellm.eval.harness import run_command
from facellm.response_cache import ResponseCache

SUPPORT = Path(eval_toys.__file__).parent


@pytest.fixture
def place(tmp_path, monkeypatch, request):
    """A folder with the made-up set, and an evaluation folder of its own; plots where asked for."""
    if "report" not in request.node.name:  # a second each
        monkeypatch.setattr(run_command, "drawn", lambda *_: {})
    monkeypatch.setenv("FACELLM_EVAL", str(tmp_path / "kept"))
    monkeypatch.setenv("FACELLM_DATA", str(tmp_path / "none"))
    eval_toys.write_ferplus(tmp_path / "fer")
    return tmp_path


def run(place, *more, model="eval_toys:sure", out="out", floor=False):
    words = ["eval", "run", "--tasks", "ferplus", "--data", f"ferplus={place / 'fer'}"]
    words += ["--model", model, "-o", str(place / out), "--quiet", *more]
    return main(words if floor else [*words, "--no-floor"])


def results(place, out="out"):
    return json.loads((place / out / "results.json").read_text())["tasks"]["ferplus"]


def test_a_run_says_what_was_measured_on_what(place):
    assert run(place) == 0
    task = results(place)
    assert (task["split"], task["n"], task["way"]) == ("valid", 12, "options")
    figures = {metric["name"]: metric for metric in task["metrics"]}
    assert figures["accuracy"]["value"] == 1.0
    assert 0.5 < figures["accuracy"]["low"] < 1.0  # twelve right rows are no certainty
    assert figures["accuracy"]["n"] == 12
    assert (task["seen"], task["data"]["rejected"]) == ("unknown", {})
    assert len(task["data"]["digest"]) == 64
    rows = pq.read_table(place / "out" / "samples" / "ferplus.parquet").to_pylist()
    assert len(rows) == 12
    assert {row["outcome"] for row in rows} == {"answered"}


def test_the_report_holds_figures_and_pictures_and_loads_nothing(place):
    run(place)
    page = (place / "out" / "report.html").read_text()
    assert "100.0 %" in page
    assert page.count("data:image/svg+xml;base64,") == 3
    assert "http://" not in page
    assert "<script" not in page
    assert "| ferplus | valid | accuracy | 100.0 %" in (place / "out" / "report.md").read_text()
    assert (place / "out" / "plots" / "ferplus-confusion.svg").is_file()


def test_the_small_network_stands_beside_every_score_and_is_kept(place):
    run(place, floor=True)
    floor = {metric["name"]: metric for metric in results(place)["floor"]}
    assert 0 <= floor["accuracy"]["value"] <= 1
    (file,) = (place / "kept" / "floors").glob("ferplus-*.safetensors")
    before = file.stat().st_mtime_ns
    run(place, out="again", floor=True)
    assert file.stat().st_mtime_ns == before
    assert results(place, "again")["floor"] == results(place)["floor"]


def test_a_killed_run_resumes_to_the_same_bytes(place, monkeypatch):
    words = [
        "eval",
        "run",
        "--tasks",
        "ferplus",
        "--data",
        f"ferplus={place / 'fer'}",
        "--no-floor",
    ]
    words += ["--model", "eval_toys:slow", "--quiet"]
    path = os.pathsep.join([str(SUPPORT), os.environ.get("PYTHONPATH", "")])
    child = start(*words, "-o", "cut", cwd=place, env=os.environ | {"PYTHONPATH": path})
    answers = place / "cut" / "answers.sqlite"
    until = time.monotonic() + 60
    while time.monotonic() < until and kept(answers) < 2:
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    begun = kept(answers)
    assert 2 <= begun < 12
    monkeypatch.chdir(place)
    assert "--resume goes on" in str(refused_run(words, "cut"))
    before = eval_toys.sure.asked
    assert main([*words, "-o", "cut", "--resume"]) == 0
    assert eval_toys.sure.asked == before + 12 - begun
    monkeypatch.setenv("FACELLM_EVAL", str(place / "other"))
    (place / "whole").mkdir()
    monkeypatch.chdir(place / "whole")
    assert main([*words, "-o", "cut"]) == 0
    for name in ("results.json", "samples/ferplus.parquet", "report.html"):
        assert (place / "cut" / name).read_bytes() == (place / "whole" / "cut" / name).read_bytes()


def refused_run(words, out):
    with pytest.raises(ValueError, match="holds a run already") as error:
        run_command.main([*words[2:], "-o", out])
    return error.value


def kept(file):
    """Answers in a file that another process may be writing."""
    if not file.is_file():
        return 0
    try:
        return len(ResponseCache(file)._do("SELECT key FROM replies"))
    except ValueError:
        return 0


def test_answers_of_a_deterministic_model_are_not_asked_for_again(place):
    run(place)
    before = eval_toys.sure.asked
    run(place, out="again")
    assert eval_toys.sure.asked == before
    run(place, "--no-cache", out="third")
    assert eval_toys.sure.asked == before + 12


def test_answers_of_a_model_without_a_version_are_never_shared(place):
    run(place, model="eval_toys:chance")
    before = eval_toys.chance.asked
    run(place, model="eval_toys:chance", out="again")
    assert eval_toys.chance.asked == before + 12


def test_what_is_no_answer_is_counted_by_name_and_wrong(place):
    run(place, model="eval_toys:chance")
    task = results(place)
    assert set(task["outcomes"]) == {"answered", "several", "refused"}
    assert sum(task["outcomes"].values()) == 12
    figures = {metric["name"]: metric for metric in task["metrics"]}
    assert figures["accuracy"]["n"] == 12
    assert figures["answered"]["value"] == pytest.approx(task["outcomes"]["answered"] / 12)
    assert figures["ECE against a drawn rater"]["value"] is None  # it gives no probabilities


def test_fail_on_turns_outcomes_into_an_exit_code(place):
    assert run(place, "--fail-on", "model error", model="eval_toys:broken") == 1
    assert results(place)["outcomes"] == {"model error": 12}
    assert run(place, "--fail-on", "refused=0.9", model="eval_toys:chance", out="b") == 0
    assert run(place, "--fail-on", "any", model="eval_toys:chance", out="c") == 1


def test_the_test_split_is_sealed_and_every_use_is_told(place, capsys):
    words = ("eval", "run", "--tasks", "ferplus", "--data", f"ferplus={place / 'fer'}")
    assert "sealed" in refused(capsys, *words, "--split", "test", "-o", place / "no")
    assert not (place / "no").exists()
    assert run(place, "--final") == 0
    assert results(place)["split"] == "test"
    assert results(place)["n"] == 10
    run(place, "--final", model="eval_toys:constant", out="again")
    lines = (place / "kept" / "final_uses.jsonl").read_text().splitlines()
    assert [json.loads(line)["n"] for line in lines] == [10, 10]
    assert len({json.loads(line)["digest"] for line in lines}) == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--tasks", "ferplus"), "fer2013new.csv, or one parquet file; get it from https://"),
        (("--tasks", "ferplu"), "did you mean 'ferplus'?"),
        (("--tasks", "ferplus,ferplus"), "each once"),
        (("--tasks", "ferplus", "--data", "fer"), "must be NAME=PATH"),
        (("--tasks", "ferplus", "--fail-on", "sleepy"), "must be any, or of several"),
        (("--tasks", "ferplus", "--fail-on", "any=2"), "0..1"),
        (("--tasks", "ferplus", "--split", "dev"), "must be one of train, valid, test"),
        (("--tasks", "ferplus", "--limit", "0"), "less than 1"),
    ],
)
def test_a_wrong_run_is_refused_in_one_line(place, capsys, words, told):
    assert told in refused(capsys, "eval", "run", "--model", "eval_toys:sure", *words)


def test_another_run_is_not_resumed(place, capsys):
    run(place)
    words = (
        "eval",
        "run",
        "--tasks",
        "ferplus",
        "--data",
        f"ferplus={place / 'fer'}",
        "--no-floor",
    )
    words += ("--model", "eval_toys:sure", "-o", place / "out", "--resume")
    assert "was begun with limit None, now it is 3" in refused(capsys, *words, "--limit", "3")
    (place / "mine").mkdir()
    (place / "mine" / "a.txt").write_text("a")
    assert "holds files, but no run" in refused(capsys, *words, "-o", place / "mine")


def test_tasks_are_listed_with_where_their_data_are(place, capsys):
    assert main(["eval", "tasks", "--data", f"ferplus={place / 'fer'}"]) == 0
    told = capsys.readouterr().out
    assert str(place / "fer") in told
    assert "not here; get it from https://susanqq.github.io" in told
