"""Tasks of one label a sample on made-up trees: figures by hand, bad labels, sets missing."""

import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import task_trees
from cli_runs import refused
from face_trees import picture, text
from PIL import Image
from task_trees import grey, place_in, run, valid_names

from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.eval.harness import run_command
from facellm.eval.harness.gather import gather, needs
from facellm.eval.harness.task import SHOWN_SHARE
from facellm.eval.tasks import TASKS, task_named
from facellm.labels import split_of

ITEMS = [
    ("happiness", "happiness"),
    ("happiness", "happiness"),
    ("sadness", "happiness"),
    ("neutral", "neutral"),
    ("neutral", "sadness"),
]  # 3 of 5 right; recalls 1, 0 and 1/2
FOLDERS = ("rafdb", "fer2013", "affectnet", "dfew", "crema_d", "mafw", "ferv39k", "raer")


@pytest.mark.parametrize("name", FOLDERS)
def test_expressions_are_scored_by_hand_and_a_label_outside_the_set_is_counted(name, tmp_path):
    split = getattr(task_trees, name)(tmp_path, ITEMS)
    result, found = run(task_named(name), tmp_path, split)
    assert found.get("accuracy", found.get("WAR")) == pytest.approx(3 / 5)
    assert found["UAR"] == pytest.approx((1 + 0 + 1 / 2) / 3)
    assert result.gathered.rejected["label outside the set"] == 1
    assert result.outcomes() == {"answered": 5}


def test_faces_of_one_actor_are_drawn_together(tmp_path):
    split = task_trees.crema_d(tmp_path, ITEMS)
    samples = gather(task_named("crema_d"), tmp_path, split).samples
    assert len({sample.cluster for sample in samples}) == 1
    assert samples[0].cluster is not None


@pytest.mark.parametrize("name", TASKS)
def test_a_set_without_its_files_says_which_where_to_get_it_and_its_terms(name, tmp_path):
    task = task_named(name)
    with pytest.raises(FaceLLMError) as error:
        gather(task, tmp_path, "valid")
    for told in (str(tmp_path), task.data.where, *task.data.described()):
        assert told in str(error.value)


def test_every_task_is_listed_with_its_data_size_figures_and_where_to_get_it(capsys, monkeypatch):
    monkeypatch.setenv("FACELLM_DATA", "nowhere")
    assert main(["eval", "tasks", "--json"]) == 0
    records = json.loads(capsys.readouterr().out)
    assert [record["name"] for record in records] == list(TASKS)
    for record in records:
        assert all(record[key] for key in ("size", "layout", "terms", "where", "metrics", "title"))
        assert record["found"] is None
    assert main(["eval", "tasks"]) == 0
    told = capsys.readouterr().out
    for record in records:
        assert all(str(record[key]) in told for key in ("size", "layout", "terms", "where"))
    assert "accuracy of 5_o_Clock_Shadow ... Young (32)" in told
    assert "F1 of AU1 ... AU26 (8)" in told
    assert "say --agreed raer" in told


@pytest.mark.parametrize("name", TASKS)
def test_a_task_tells_its_data_and_its_published_rows_stand_beside_figures_it_has(name):
    task = task_named(name)
    layout, terms = task.data.described()
    assert task.name == name
    assert all((layout, terms, task.data.where, task.data.size, task.data.places))
    assert layout in needs(task)
    metrics = {metric.name: metric for metric in task.metrics}
    assert len(metrics) == len(task.metrics)
    for row in task.published:
        most = (
            1 if metrics[row.metric].unit == SHOWN_SHARE else 200
        )  # REGE is two figures up to 100
        assert 0 < row.value < most
    assert all(row.source for row in task.published)


def test_clips_of_students_are_not_read_before_the_agreement_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("FACELLM_EVAL", str(tmp_path / "kept"))
    monkeypatch.setattr(run_command, "drawn", lambda *_: {})
    task_trees.raer(tmp_path / "set", ITEMS)
    words = ["eval", "run", "--tasks", "raer", "--data", f"raer={tmp_path / 'set'}", "--final"]
    words += ["--model", "task_trees:chosen", "--quiet", "-o", str(tmp_path / "out")]
    assert main(words) == 2
    assert "to faculty alone: say --agreed raer" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()
    assert main([*words, "--agreed", "raer"]) == 0
    data = ("--data", f"raer={tmp_path / 'set'}")
    export = ("eval", "export", "--tasks", "raer", *data, "-o", tmp_path / "lmms")
    assert "say --agreed raer" in refused(capsys, *export)
    corpus = ("eval", "contamination", "--task", "raer", *data, "--corpus", tmp_path)
    assert "say --agreed raer" in refused(capsys, *corpus)


def fairface(folder, rows):
    head = "file,age,gender,race,service_test"
    lines = []
    for n, (band, sex, level) in enumerate(rows):
        picture(folder / f"val/{n}.jpg", level)
        lines.append(f"val/{n}.jpg,{band},{sex},White,True")
    text(folder / "fairface_label_val.csv", head, *lines, f"val/0.jpg,old,{sex},White,True")
    return "test"


def test_gender_of_utkface_and_fairface(tmp_path):
    rows = [("Male", 1), ("Male", 0), ("Male", 1), ("Female", 0)]  # recalls 2/3 and 1
    utk = valid_names("3_0_1_{:05d}.jpg", "utkface/{}", 3)
    utk += valid_names("64_1_0_{:05d}.jpg", "utkface/{}", 1)
    for name, (_, said) in zip(utk, rows, strict=True):
        picture(tmp_path / "utk" / name, grey(said))
    fairface(tmp_path / "fair", [("3-9", sex, grey(said)) for sex, said in rows])
    for name, folder, split in (
        ("utkface_gender", "utk", "valid"),
        ("fairface_gender", "fair", "test"),
    ):
        result, found = run(task_named(name), tmp_path / folder, split)
        assert found["accuracy"] == pytest.approx(3 / 4)
        assert found["balanced accuracy"] == pytest.approx((2 / 3 + 1) / 2)
        assert set(result.rows[0].columns) == {"group", "gender", "age_band"}
        assert "group" not in result.gathered.samples[0].question
    assert {row.columns["age_band"] for row in result.rows} == {"3-9"}


def test_a_mask_is_a_yes_or_no_also_in_words(tmp_path):
    rows, kept = [], 0
    truth = ["with_mask", "with_mask", "without_mask", "without_mask"]
    said = [1, 0, 0, 0]
    while kept < 4:
        valid = split_of(f"face_mask/{len(rows)}") == "valid"
        out = io.BytesIO()
        Image.new("L", (8, 8), grey(said[kept])).save(out, "PNG")
        label = truth[kept] if valid else "without_mask"
        rows.append({"image": {"bytes": out.getvalue(), "path": ""}, "label": label})
        kept += valid
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "m.parquet")
    task = task_named("face_mask")
    _, found = run(task, tmp_path / "m.parquet", "valid")
    assert found["accuracy"] == pytest.approx(3 / 4)
    assert found["AUC"] == pytest.approx(0.75)  # one pair of two is won, the other two are ties

    def words(pictures, prompt, options):
        return "Yes, a blue one." if place_in(pictures) else "There is no mask."

    result, found = run(task, tmp_path / "m.parquet", "valid", words, ("free",))
    assert (found["accuracy"], result.outcomes()) == (pytest.approx(3 / 4), {"answered": 4})
