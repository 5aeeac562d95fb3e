"""EMER and MME-Emotion: open reasons rated by judges, and how far two judges agree."""

import json
import re

import benchmark_trees as trees
import numpy as np
import pytest
from json_endpoint import serving
from sklearn.metrics import cohen_kappa_score

from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.eval.harness import run_command
from facellm.eval.harness.compare import paired
from facellm.eval.harness.files import read_rows, write_rows
from facellm.eval.harness.gather import gather
from facellm.eval.harness.judging import judges_lines, judges_record
from facellm.eval.harness.models.function import FunctionModel
from facellm.eval.harness.runner import Judges, Plan, run_task
from facellm.eval.harness.store import AnswerStore
from facellm.eval.tasks import task_named

CLIPS = [(f"sample_{n:04}", f"In the picture number {n}, she frowns; anger.") for n in range(6)]


def model(name, function, version=None):
    def call(pictures, prompt, options):
        return function(prompt)

    call.ways = ("free",)
    call.version = version
    return FunctionModel(name, call)


GOOD = model("j:good", lambda prompt: '{"picture": 7, "reference": 8, "completeness": 6}')


def rater(name, picture, other=5):
    """A judge: ``picture`` of the number in the reference, 5 on the other axes."""

    def rate(prompt):
        number = int(re.findall(r"number (\d+)", prompt)[-1])
        axes = {"picture": picture(number), "reference": other, "completeness": 5}
        return json.dumps(axes)

    return model(name, rate)


def judged(task, folder, answers, *judges):
    given = iter(answers)
    under_test = model("m:under_test", lambda prompt: next(given))
    kept = AnswerStore(None, None)
    asked = Judges([(judge, kept) for judge in judges])
    return run_task(Plan(task_named(task), folder, "test"), under_test, kept, asked)


def test_ratings_are_means_over_judges_and_silence_is_rated_lowest(tmp_path):
    trees.emer(tmp_path, CLIPS)
    answers = ["She frowns: anger."] * 4 + ["", "I cannot tell."]
    first, second = rater("j:one", lambda n: 2 + n), rater("j:two", lambda n: 4 + n, 9)
    result = judged("emer", tmp_path, answers, first, second)
    assert result.outcomes() == {"answered": 4, "refused": 1, "empty": 1}
    found = {m.name: m.measure(result.rows) for m in result.plan.task.metrics}
    assert found["rated: picture"].value == pytest.approx((3 + 4 + 5 + 6 + 1 + 1) / 6)
    assert found["rated: reference"].value == pytest.approx((4 * 7 + 1 + 1) / 6)
    assert found["rated: picture"].n == 6
    assert result.judges == (("j:one", first.digest), ("j:two", second.digest))


def test_a_reply_that_is_no_rating_is_counted_for_its_judge_and_never_guessed_at(tmp_path):
    trees.emer(tmp_path, CLIPS)
    chatty = model("j:chatty", lambda prompt: "I would say 8 out of 10.")
    result = judged("emer", tmp_path, ["Anger."] * 6, rater("j:one", lambda n: 3), chatty)
    record = judges_record(result.judges, result.rows)
    counts = [(one["rated"], one["no_rating"]) for one in record["judges"]]
    assert counts == [(6, 0), (0, 6)]
    assert record["agreement"][0] == {"first": "j:one", "second": "j:chatty", "n": 0, "axes": {}}
    found = {m.name: m.measure(result.rows) for m in result.plan.task.metrics}
    assert found["rated: picture"].value == 3.0
    alone = judged("emer", tmp_path, ["Anger."] * 6, chatty)
    assert alone.plan.task.metrics[0].measure(alone.rows).n == 0


def test_agreement_of_two_judges_is_scikit_learns_kappa(tmp_path):
    trees.emer(tmp_path, CLIPS)
    places = [1, 4, 9, 2, 5, 7], [2, 4, 7, 3, 3, 9]
    judges = [rater(f"j:{k}", lambda n, p=p: p[n]) for k, p in enumerate(places)]
    result = judged("emer", tmp_path, ["Anger."] * 6, *judges)
    record = judges_record(result.judges, result.rows)
    (pair,) = record["agreement"]
    found = pair["axes"]["picture"]
    expected = cohen_kappa_score(*places, labels=range(1, 11), weights="quadratic")
    assert found["kappa"]["value"] == pytest.approx(expected)
    assert found["difference"]["value"] == pytest.approx(np.mean(np.subtract(*places)))
    assert found["kappa"]["low"] < expected < found["kappa"]["high"]
    assert pair["axes"]["completeness"]["kappa"]["value"] is None  # both give 5 throughout
    lines = judges_lines(record)
    assert "j:0 and j:1 both rated 6:" in lines
    assert f"| picture | {expected:.2f} [" in "\n".join(lines)


def test_rows_from_disk_give_the_same_ratings(tmp_path):
    trees.emer(tmp_path, CLIPS)
    result = judged("emer", tmp_path, ["Anger."] * 5 + [""], rater("j:one", lambda n: 2 + n))
    write_rows(tmp_path / "rows.parquet", result.rows)
    back = read_rows(tmp_path / "rows.parquet")
    headline = result.plan.task.headline
    again = paired(result.plan.task, back, back)[headline.name]
    assert again.first.value == pytest.approx(headline.measure(result.rows).value)


@pytest.mark.parametrize("name", ["final-EMER-reason.csv", "gt-eng.csv"])
def test_both_files_of_emer_are_read_and_what_is_missing_is_counted(tmp_path, name):
    trees.emer(tmp_path, [*CLIPS[:2], ("lost_1", "a reason"), ("sample_9", " ")], name)
    found = gather(task_named("emer"), tmp_path, "test")
    assert found.rejected == {"picture missing": 1, "value missing": 1}
    assert [sample.target["reference"] for sample in found.samples] == [t for _, t in CLIPS[:2]]
    assert gather(task_named("emer"), tmp_path / name, "test").available == 2


def test_a_file_of_emer_without_its_columns_is_named(tmp_path):
    (tmp_path / "gt-eng.csv").write_text("names,emotions\na,b\n")
    with pytest.raises(FaceLLMError, match=r"gt-eng.csv, line 2: needs the columns"):
        gather(task_named("emer"), tmp_path, "test")
    with pytest.raises(FaceLLMError, match=r"final-EMER-reason\.csv"):
        gather(task_named("emer"), tmp_path / "empty", "test")


def test_a_clip_of_several_emotions_is_right_where_all_are_said_and_no_other(tmp_path):
    labels = ["Anger", "Disgust", "Happiness"]
    right = ["anger", "anger,disgust", "anger,disgust", "fear"]
    rows = [(f"{number}.avi", label, labels) for number, label in enumerate(right)]
    trees.mme_emotion(tmp_path, "ML-ER", rows)
    answers = ["It is anger.", "Anger and disgust: the nose is wrinkled.", "Disgust."]
    result = judged("mme_emotion", tmp_path, answers, GOOD)
    assert result.gathered.rejected == {"label outside the set": 1}
    assert [row.score.value for row in result.rows] == [1.0, 1.0, 0.0]
    found = {m.name: m.measure(result.rows) for m in result.plan.task.metrics}
    assert found["accuracy"].value == pytest.approx(2 / 3)
    assert found["rated: reference"].value == 8.0
    assert result.rows[1].target == {"label": "anger+disgust"}
    assert result.rows[1].columns == {"part": "ML-ER"}


def test_words_that_name_no_option_still_have_their_reasons_rated(tmp_path):
    trees.mme_emotion(tmp_path, "ER-Lab", [("a.avi", "anger", ["anger", "fear"])])
    result = judged("mme_emotion", tmp_path, ["The brows are low and drawn together."], GOOD)
    assert result.outcomes() == {"unparsed": 1}
    found = {m.name: m.measure(result.rows) for m in result.plan.task.metrics}
    assert (found["accuracy"].value, found["rated: picture"].value) == (0.0, 7.0)


def test_a_row_of_mme_emotion_that_is_not_as_published_is_named(tmp_path):
    trees.write_json(tmp_path / "SA" / "question" / "SA.json", [{"video_id": "a"}])
    with pytest.raises(FaceLLMError, match=r"SA.json, item 0: not a row of MME-Emotion"):
        gather(task_named("mme_emotion"), tmp_path, "test")
    with pytest.raises(FaceLLMError, match=r"holds no TASK/question/TASK\.json"):
        gather(task_named("mme_emotion"), tmp_path / "none", "test")


@pytest.mark.parametrize(
    ("names", "told"),
    [
        (["http://b:1/v1 x"], None),
        (["org/Model-7B at http://elsewhere/v1"], "cannot be its own judge"),
        (["gpt-latest at http://b:1/v1"], "is another model tomorrow"),
        (["a at http://b:1/v1", "a at http://c:2/v1"], "named twice"),
    ],
)
def test_a_judge_is_pinned_another_model_and_named_once(names, told):
    judges = Judges([(model(name, str), AnswerStore(None, None)) for name in names])
    under_test = model("Model-7B at http://here/v1", str)
    if told is None:
        judges.check(under_test, task_named("emer"))
        return
    with pytest.raises(FaceLLMError, match=told):
        judges.check(under_test, task_named("emer"))


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(run_command, "drawn", lambda *_: {})
    monkeypatch.setenv("FACELLM_EVAL", str(tmp_path / "kept"))
    monkeypatch.setenv("FACELLM_DATA", str(tmp_path / "none"))
    trees.emer(tmp_path / "emer", CLIPS)
    return tmp_path


def test_a_judged_run_reports_agreement_and_asks_no_judge_twice(place):
    def rate(body):
        number = int(re.findall(r"number (\d+)", json.dumps(body["messages"]))[-1])
        axis = min(10, 1 + number + (body["model"] == "judge-b"))
        return {"picture": axis, "reference": 4, "completeness": 9}

    def answer(body):
        text = json.dumps(body["messages"])
        return rate(body) if "You rate" in text else "She frowns: anger."

    with serving(answer) as server:
        words = ["eval", "run", "--tasks", "emer", "--data", f"emer={place / 'emer'}", "--quiet"]
        words += ["--final", "--model", f"{server.url}#seven-b", "--temperature", "0.7"]
        words += ["--judge", f"{server.url}#judge-a", "--judge", f"{server.url}#judge-b"]
        assert main([*words, "-o", str(place / "out")]) == 0
        rated = [body for body in server.requests if "You rate" in json.dumps(body["messages"])]
        assert len(rated) == 12
        assert {body["temperature"] for body in rated} == {0.0}
        assert all("image_url" in json.dumps(body) for body in rated)  # judges see the clip
        assert main([*words, "-o", str(place / "again")]) == 0
        again = [body for body in server.requests if "You rate" in json.dumps(body["messages"])]
        assert len(again) == 12  # the same words, so the same verdicts, from the shared cache
    task = json.loads((place / "out" / "results.json").read_text())["tasks"]["emer"]
    (pair,) = task["judges"]["agreement"]
    assert pair["axes"]["picture"]["difference"]["value"] == -1.0
    assert pair["axes"]["picture"]["spearman"]["value"] == pytest.approx(1.0)
    for name in ("report.md", "report.html"):
        page = (place / "out" / name).read_text()
        assert "judge-a at" in page
        assert "-1.00 [-1.00, -1.00]" in page


def test_a_judged_task_without_a_judge_is_refused_in_words(place, capsys):
    words = ["eval", "run", "--tasks", "emer", "--data", f"emer={place / 'emer'}", "--final"]
    assert main([*words, "--model", "eval_toys:chance", "-o", str(place / "out")]) != 0
    assert "task emer needs a judge: --judge URL#MODEL" in capsys.readouterr().err
