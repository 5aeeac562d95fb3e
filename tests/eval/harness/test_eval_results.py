"""Runs against each other, model cards, contamination, and what lmms-eval reads."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import eval_toys
import numpy as np
import pytest
from cli_runs import refused
from PIL import Image
from sklearn.metrics import roc_auc_score

from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.eval.harness import run_command
from facellm.eval.harness.card import card, missing, read_words
from facellm.eval.harness.files import read_rows, write_rows
from facellm.eval.harness.gather import limited
from facellm.eval.harness.groups import sliced
from facellm.eval.harness.lmms_export import exported_result
from facellm.eval.harness.measures import accuracy, area_under_curve, flip_rate, mean_error
from facellm.eval.harness.media import CROP, Change, Media
from facellm.eval.harness.sample import Answer, Row, Sample, Score, with_pairs
from facellm.eval.harness.scorers import age_scorer, label_scorer
from facellm.eval.scoring.lexicon import family
from facellm.eval.tasks import TASKS

LMMS = Path(os.environ.get("FACELLM_LMMS", "no lmms-eval"))  # a python that has it


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Three runs on one made-up set: right, constant, and right on the test split."""
    place = tmp_path_factory.mktemp("runs")
    eval_toys.write_ferplus(place / "fer")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FACELLM_EVAL", str(place / "kept"))
        patch.setattr(run_command, "drawn", lambda *_: {})
        words = ["eval", "run", "--tasks", "ferplus", "--data", f"ferplus={place / 'fer'}"]
        words += ["--no-floor", "--quiet"]
        for model, out, more in (
            ("sure", "a", []),
            ("constant", "b", []),
            ("sure", "final", ["--final"]),
        ):
            told = ["--model", f"eval_toys:{model}", "-o", str(place / out), *more]
            assert main([*words, *told]) == 0
    return place


def results(folder):
    return json.loads((folder / "results.json").read_text())


def test_two_runs_are_compared_sample_by_sample(runs, capsys):
    files = [str(runs / name / "results.json") for name in "ab"]
    assert main(["eval", "compare", *files, "--json"]) == 0
    records = {r["metric"]: r for r in json.loads(capsys.readouterr().out)}
    found = records["accuracy"]
    assert found["paired"]
    wrong = results(runs / "b")["tasks"]["ferplus"]["metrics"][0]["value"]
    assert found["difference"]["value"] == pytest.approx(1 - wrong)
    assert found["p_value"] == pytest.approx(2 * 0.5 ** round(12 * (1 - wrong)))
    assert found["differs"]
    assert main(["eval", "compare", *files]) == 0
    assert "| ferplus | accuracy | 100.0 %" in capsys.readouterr().out


def test_runs_without_their_samples_are_not_paired(runs, tmp_path, capsys):
    shutil.copy(runs / "b" / "results.json", tmp_path / "alone.json")
    first = str(runs / "a" / "results.json")
    assert main(["eval", "compare", first, str(tmp_path / "alone.json")]) == 0
    assert "not paired" in capsys.readouterr().out


def test_runs_that_do_not_fit_are_refused(runs, tmp_path, capsys):
    first = runs / "a" / "results.json"
    assert "split valid in" in refused(
        capsys, "eval", "compare", first, runs / "final" / "results.json"
    )
    (tmp_path / "other.json").write_text('{"format": 9}')
    assert "format 1" in refused(capsys, "eval", "compare", first, tmp_path / "other.json")


WORDS = "\n".join(
    f"{name}: words about {name}"
    for name in ("intended_use", "factors", "training_data", "ethical_considerations", "caveats")
)


def test_a_card_with_a_hole_is_refused_and_all_holes_are_named(runs, tmp_path, capsys):
    (tmp_path / "words.yaml").write_text(WORDS.replace("words about caveats", "''"))
    told = refused(
        capsys, "eval", "card", runs / "a" / "results.json", "--words", tmp_path / "words.yaml"
    )
    for part in ("caveats", "training_data.json", "test split (these are of valid)", "by group"):
        assert part in told
    (tmp_path / "words.yaml").write_text(WORDS.partition("\n")[2])
    told = refused(
        capsys, "eval", "card", runs / "a" / "results.json", "--words", tmp_path / "words.yaml"
    )
    assert "intended_use" in told


def test_a_whole_card_has_every_section_and_goes_between_its_marks(runs, tmp_path, capsys):
    record = results(runs / "final")
    record["model"]["training_data"] = {"utkface": ["train"]}
    group = {"column": "group", "metric": "accuracy", "too_small": {}, "difference": None}
    metric = record["tasks"]["ferplus"]["metrics"][0]
    record["tasks"]["ferplus"]["groups"] = [group | {"groups": [{"group": "one", **metric}]}]
    (tmp_path / "words.yaml").write_text(WORDS)
    words = read_words(tmp_path / "words.yaml")
    assert missing(record, words) == []
    titles = [line[3:] for line in card(record, words).splitlines() if line.startswith("## ")]
    assert [t for t in titles if t != "ferplus"] == [
        *("Intended use", "Factors", "Metrics", "Evaluation data", "Training data"),
        *("Quantitative analyses", "Ethical considerations", "Caveats"),
    ]
    (tmp_path / "CARD.md").write_text("before\n<!-- eval -->\nold\n<!-- end of eval -->\nafter\n")
    (tmp_path / "results.json").write_text(json.dumps(record))
    told = ["--words", str(tmp_path / "words.yaml"), "--card", str(tmp_path / "CARD.md")]
    assert main(["eval", "card", str(tmp_path / "results.json"), *told]) == 0
    text = (tmp_path / "CARD.md").read_text()
    assert text.startswith("before\n<!-- eval -->\n## Intended use")
    assert text.endswith("<!-- end of eval -->\nafter\n")
    assert "old" not in text
    capsys.readouterr()


def test_pictures_of_a_task_are_found_in_a_corpus_under_other_names(tmp_path, capsys, monkeypatch):
    eval_toys.write_ferplus(tmp_path / "fer")
    task = TASKS["ferplus"]()
    rng = np.random.default_rng(1)
    taken = [s for s in task.samples(tmp_path / "fer", "test") if isinstance(s, Sample)][:2]
    (tmp_path / "corpus").mkdir()
    for name, sample in zip("xy", taken, strict=True):
        picture = Image.fromarray(sample.media[0].frames(1)[0]).resize((96, 96))
        picture.save(tmp_path / "corpus" / f"{name}.jpg", quality=80)
    for number in range(3):
        noise = rng.integers(0, 255, (40, 40, 3), np.uint8)
        Image.fromarray(noise).resize((64, 64)).save(tmp_path / "corpus" / f"{number}.png")
    (tmp_path / "corpus" / "broken.jpg").write_bytes(b"none")
    words = ["eval", "contamination", "--task", "ferplus", "--corpus", str(tmp_path / "corpus")]
    words += ["--data", f"ferplus={tmp_path / 'fer'}"]
    assert main([*words, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert {(Path(one["corpus"]).stem, one["sample"]) for one in found} == {
        ("x", taken[0].id),
        ("y", taken[1].id),
    }
    assert main(words) == 1
    told = capsys.readouterr().out
    assert "2 of 10 samples look like one of 5 pictures" in told
    assert "1 pictures could not be looked at" in told
    assert main([*words, "--split", "train"]) == 0


def test_an_exported_task_is_loaded_by_lmms_eval_itself(tmp_path, capsys):
    if not LMMS.is_file():
        pytest.skip("optional: FACELLM_LMMS names no python that has lmms-eval")
    eval_toys.write_ferplus(tmp_path / "fer")
    words = ["eval", "export", "--tasks", "ferplus", "-o", str(tmp_path / "lmms")]
    assert main([*words, "--data", f"ferplus={tmp_path / 'fer'}", "--limit", "4"]) == 0
    assert "ferplus: 4 samples" in capsys.readouterr().out
    code = (
        "from lmms_eval.tasks import TaskManager, get_task_dict\n"
        f"m = TaskManager(include_path={str(tmp_path / 'lmms')!r}, include_defaults=False)\n"
        "t = get_task_dict(['facellm_ferplus'], m)['facellm_ferplus']\n"
        "d = t.test_docs()\n"
        "print(len(d), t.doc_to_text(d[0]).splitlines()[-1], t.doc_to_visual(d[0])[0].size)\n"
        "print(t.process_results(d[0], ['A']), t.process_results(d[1], ['A']))\n"
    )
    done = subprocess.run([LMMS, "-c", code], capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-800:]
    counted, scored = done.stdout.splitlines()[-2:]
    assert counted == "4 Answer with the letter only. (48, 48)"
    assert scored.startswith("{'accuracy': ")


def test_exported_answers_get_our_scorers_value():
    doc = {"id": "1", "images": [], "prompt": "?", "options": ["neutral", "anger"]}
    doc["target"] = json.dumps({"label": "anger", "votes": {}})
    values = [exported_result("ferplus", "letter", doc, text) for text in ("B", "A", "maybe")]
    assert values == [1.0, 0.0, 0.0]


def row(number, said, target, **more):
    score = Score(
        "answered" if said else "unparsed", said, float(said == target), more.get("shares")
    )
    columns, cluster = more.get("columns", {}), more.get("cluster")
    return Row(f"{number}", target, columns, cluster, more.get("pair"), Answer("free"), score)


def test_no_answer_is_wrong_and_stays_in_the_denominator():
    rows = [row(n, "a" if n < 6 else None, "a") for n in range(10)]
    found = accuracy().measure(rows)
    assert (found.value, found.n) == (0.6, 10)
    assert found.low < 0.6 < found.high


def test_rows_of_one_person_are_drawn_together():
    alone = [row(n, "a" if n % 4 else None, "a") for n in range(80)]
    people = [row(n, "a" if n // 20 % 4 else None, "a", cluster=f"p{n // 20}") for n in range(80)]
    narrow, wide = accuracy().measure(alone), accuracy().measure(people)
    assert narrow.value == wide.value == 0.75
    assert wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_the_area_under_the_curve_is_scikit_learns():
    rng = np.random.default_rng(0)
    shares = rng.random(60)
    truth = rng.random(60) < shares
    rows = [
        row(n, "y", "y" if t else "n", shares={"n": 1 - p, "y": p})
        for n, (t, p) in enumerate(zip(truth, shares, strict=True))
    ]
    assert area_under_curve("y").measure(rows).value == pytest.approx(roc_auc_score(truth, shares))


def test_a_planted_gap_is_flagged_and_a_small_group_is_not_shown():
    rows = [
        row(f"{group}{n}", "a" if n < right else None, "a", columns={"group": group})
        for group, right, count in (("one", 380, 400), ("two", 320, 400), ("few", 10, 12))
        for n in range(count)
    ]
    found = sliced(accuracy(), rows, "group")
    assert [group["group"] for group in found["groups"]] == ["one", "two"]
    assert found["too_small"] == {"few": 12}
    assert found["flagged"]
    assert found["difference"]["value"] == pytest.approx(0.15)
    assert (found["pair"]["better"], found["pair"]["worse"]) == ("one", "two")


def test_a_changed_copy_flips_an_answer_or_does_not():
    plain = [row(n, "a", "a") for n in range(4)]
    changed = [row(f"{n}x", "b" if n == 0 else "a", "a", pair=f"{n}") for n in range(4)]
    found = flip_rate().measure(with_pairs([*plain, *changed]))
    assert (found.value, found.n) == (0.25, 4)
    with pytest.raises(ValueError, match="copies without their sample, first '1x'"):
        with_pairs([plain[0], *changed])


def test_a_change_is_seen_and_is_part_of_the_digest():
    plain = Media(eval_toys.png(3), face=CROP)
    turned = Media(eval_toys.png(3), face=CROP, change=Change("dark", lambda p: p // 2))
    assert (turned.frames(1)[0] == plain.frames(1)[0] // 2).all()
    assert turned.digest() != plain.digest()
    copies = [*eval_toys.samples(6), Sample("x", (turned,), pair="s0")]
    kept = {sample.id for sample in limited(copies, 3)}
    assert "s0" in kept
    assert "x" in kept


@pytest.mark.parametrize(
    ("text", "outcome", "error"),
    [("About 30 years old.", "answered", 4.0), ("200 years", "out_of_range", None),
     ("", "empty", None), ("no idea", "unparsed", None)],
)  # fmt: skip
def test_an_age_is_read_or_counted(text, outcome, error):
    sample = Sample("a", (), target=34)
    score = age_scorer()(sample, Answer("free", text))
    assert (score.outcome, score.value) == (outcome, error)
    counted = Row.of(sample, Answer("free", text), score)
    assert mean_error("MAE", "years").measure([counted]).n == (error is not None)


def test_free_text_is_read_by_the_lexicon_and_other_labels_by_their_words():
    (sample,) = eval_toys.samples(1, target="sadness", options=("sadness", "anger"))
    score = label_scorer(words=family("expression"))
    assert score(sample, Answer("free", "Not angry but sad.")).value == 1.0
    (sample,) = eval_toys.samples(1, target="wavy", options=("wavy", "straight"))
    assert label_scorer()(sample, Answer("free", "The hair is straight.")).said == "straight"


def test_rows_come_back_from_disk_as_they_were(tmp_path):
    rows = [
        row(1, "a", "a", shares={"a": 0.7, "b": 0.3}, columns={"age": 3, "male": True}),
        row(2, None, "b", columns={"age": 4, "male": None}, cluster="p", pair="1"),
    ]
    write_rows(tmp_path / "rows.parquet", rows)
    back = read_rows(tmp_path / "rows.parquet")
    assert [(r.id, r.target, r.columns, r.cluster, r.pair, r.score) for r in back] == [
        (r.id, r.target, r.columns, r.cluster, r.pair, r.score) for r in rows
    ]
    (tmp_path / "no.parquet").write_text("no")
    with pytest.raises(FaceLLMError, match="not a file of scored samples"):
        read_rows(tmp_path / "no.parquet")
