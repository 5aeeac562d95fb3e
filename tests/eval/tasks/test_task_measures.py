"""Figures that only some tasks have: raters, a fitted temperature, means over parts, age bounds."""

import json
from dataclasses import replace

import eval_toys
import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import accuracy_score, balanced_accuracy_score
from task_trees import run

from facellm.cli import main
from facellm.eval.harness import run_command
from facellm.eval.harness.measures import fresh_panel, one_human
from facellm.eval.harness.part_measures import mean_accuracy, mean_balanced
from facellm.eval.harness.report import said_by
from facellm.eval.harness.runner import with_temperature
from facellm.eval.harness.sample import Answer, Row, Sample, Score
from facellm.eval.harness.temperature import HALF, NAME, WHOLE, fit, for_fitting
from facellm.eval.tasks import task_named
from facellm.eval.tasks.ages import BANDS


def row(number, said, target, shares=None, **columns):
    score = Score("answered", said, 0.0, shares)
    return Row(f"{number}", target, columns, None, None, Answer("options"), score)


def voted(*votes):
    """Rows whose label is ``a``, by votes for ``a`` and ``b``; one more has no label."""
    rows = [
        row(n, "b", {"label": "a", "votes": {"a": v[0], "b": v[1]}}) for n, v in enumerate(votes)
    ]
    return [*rows, row("x", "b", {"label": None, "votes": {"a": 5, "b": 5}})]


def test_one_rater_and_a_fresh_panel_are_figures_of_the_votes_not_of_the_model():
    found = one_human().measure(voted((8, 2), (6, 4)))
    assert (found.value, found.n) == (pytest.approx(0.7), 2)
    assert fresh_panel().measure(voted((10, 0), (7, 0))).value == 1.0
    # Of two new raters at even odds both say a in 1 of 4 draws, and 2 of 4 are ties: 1/2.
    many = fresh_panel().measure(voted(*[(1, 1)] * 200))
    assert many.value == pytest.approx(0.5, abs=0.02)
    # Three raters at 2 : 1 agree on a by two or three votes.
    panel = fresh_panel().measure(voted(*[(2, 1)] * 200)).value
    assert panel == pytest.approx((2 / 3) ** 3 + 3 * (2 / 3) ** 2 / 3, abs=0.02)


def sharp_rows(count, seed, sharpness):
    """Rows whose labels are drawn from shares that the model raised to ``sharpness``."""
    rng = np.random.default_rng(seed)
    rows = []
    for n, share in enumerate(rng.uniform(0.05, 0.95, count)):
        label = "a" if rng.random() < share else "b"
        p = share**sharpness / (share**sharpness + (1 - share) ** sharpness)
        rows.append(row(f"{seed}-{n}", "a" if p >= 0.5 else "b", label, {"a": p, "b": 1 - p}))
    return rows


def least_loss(rows):
    """The temperature of scipy's own search over two classes' log-odds."""
    p = np.array([r.score.shares["a"] for r in rows])
    odds, truth = np.log(p / (1 - p)), np.array([r.target == "a" for r in rows])

    def loss(t):
        return np.mean(np.log1p(np.exp(np.where(truth, -odds, odds) / t)))

    return minimize_scalar(loss, bounds=(0.05, 20), method="bounded").x


def test_the_temperature_is_of_validation_rows_and_the_error_of_others():
    lessons, rows = sharp_rows(3000, 1, 2.5), sharp_rows(3000, 2, 2.5)
    fitted = fit(rows, lessons)
    assert (fitted.rows, fitted.source) == (3000, WHOLE)
    assert fitted.value == pytest.approx(least_loss(lessons), rel=0.01)
    assert fitted.value == pytest.approx(2.5, rel=0.1)
    before = replace(fitted, value=1.0).error().measure(rows)
    after = fitted.error().measure(rows)
    assert after.n == 3000
    assert after.value < 0.04 < 0.1 < before.value


def test_on_the_validation_split_one_half_is_fitted_on_and_the_other_measured():
    rows = sharp_rows(400, 3, 2.5)
    fitted = fit(rows, None)
    half = [one for one in rows if for_fitting(one)]
    assert fitted.source == HALF
    assert fitted.rows == len(half)
    assert fitted.error().measure(rows).n == 400 - len(half)
    assert fitted.value == pytest.approx(least_loss(half), rel=0.01)


def test_without_probabilities_there_is_no_temperature(tmp_path):
    assert fit([row(1, "a", "a")], None) is None
    eval_toys.write_ferplus(tmp_path)
    result, found = run(
        task_named("ferplus"), tmp_path, "test", lambda *_: "It shows happiness.", ("free",)
    )
    again = with_temperature(result, lambda plan: result)
    assert again.temperature is None
    assert NAME not in found


def test_the_report_tells_the_temperature_its_rows_and_where_published_figures_are_from(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("FACELLM_EVAL", str(tmp_path / "kept"))
    monkeypatch.setattr(run_command, "drawn", lambda *_: {})
    eval_toys.write_ferplus(tmp_path / "fer")
    words = ["eval", "run", "--tasks", "ferplus", "--data", f"ferplus={tmp_path / 'fer'}"]
    words += ["--model", "eval_toys:sure", "--no-floor", "--quiet", "-o", str(tmp_path / "out")]
    assert main([*words, "--final"]) == 0
    record = json.loads((tmp_path / "out/results.json").read_text())["tasks"]["ferplus"]
    figures = {metric["name"]: metric for metric in record["metrics"]}
    assert record["temperature"]["source"] == WHOLE
    assert record["temperature"]["rows"] == 12  # of the validation split
    assert figures[NAME]["n"] == record["n"] == 10
    assert figures["one human rater"]["value"] == pytest.approx(0.8)
    for report in ("report.md", "report.html"):
        told = (tmp_path / "out" / report).read_text()
        assert "fitted on 12 rows of the validation split" in told
        assert "VGG13, trained on FER+ 85.0 %" in told
        assert "arXiv 1608.01041" in told


def test_a_report_says_what_was_fixed_beforehand_and_how_a_published_figure_came_here():
    assert "probability .5" in task_named("ffpp").fixed
    rows = [row for row in task_named("rafdb").published if row.system == "POSTER V2"]
    told = said_by(vars(rows[0]))
    assert told == (
        "arXiv 2504.07198, result tables, read off a picture of the table: trained on the set; "
        "official test split"
    )


def test_means_over_parts_are_scikit_learns_part_by_part():
    rng = np.random.default_rng(0)
    rows = [
        row(n, "yes" if rng.random() < 0.6 else "no", "yes" if rng.random() < 0.3 else "no", part=p)
        for n, p in enumerate(rng.choice(["hat", "beard", "bangs"], 90, p=[0.6, 0.3, 0.1]))
    ]
    parts = [[r for r in rows if r.columns["part"] == p] for p in ("hat", "beard", "bangs")]
    for metric, reference in (
        (mean_accuracy("part"), accuracy_score),
        (mean_balanced("part"), balanced_accuracy_score),
    ):
        by_part = [reference([r.target for r in p], [r.score.said for r in p]) for p in parts]
        found = metric.measure(rows)
        assert found.value == pytest.approx(np.mean(by_part))
        assert found.low < found.value < found.high
    # A weight of two is the row twice.
    weights = rng.integers(0, 3, (1, 90))
    repeated = [one for one, weight in zip(rows, weights[0], strict=True) for _ in range(weight)]
    statistic = mean_accuracy("part").of(rows)(weights.astype(float))
    assert statistic[0] == pytest.approx(
        mean_accuracy("part").of(repeated)(np.ones((1, len(repeated))))[0]
    )


@pytest.mark.parametrize(
    ("text", "band"),
    [("70 and over", "70 and over"), ("Over 70, I think.", "70 and over"), ("70+", "70 and over"),
     ("under 3", "0-2"), ("20-29", "20-29"), ("in her thirties", "30-39"), ("over 50", None),
     ("certainly not over 70", None),
     ("no idea", None)],
)  # fmt: skip
def test_an_age_in_words_falls_in_a_band_where_only_one_is_meant(text, band):
    sample = Sample("a", (), "How old?", BANDS, "20-29")
    score = task_named("fairface_age").score(sample, Answer("free", text))
    assert score.said == band
    assert score.outcome == ("answered" if band else "unparsed")
    assert score.value == float(band == "20-29")
