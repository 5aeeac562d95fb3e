"""Labels, votes and calibration against scikit-learn, scipy and cases by hand."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.metrics import accuracy_score, confusion_matrix, recall_score

from facellm.errors import FaceLLMError
from facellm.eval.metrics import calibration, classes, coverage, votes
from facellm.eval.metrics.bootstrap import Bootstrap, measured, measured_share, same_length
from facellm.eval.statistics import auc_statistic, mean_statistic

LABELS = ("anger", "fear", "sadness")
FEW = Bootstrap(resamples=100)


def drawn(n: int, seed: int = 0) -> tuple[list[str], list[str | None]]:
    rng = np.random.default_rng(seed)
    truth = rng.choice(LABELS, n, p=(0.6, 0.3, 0.1)).tolist()
    said = [t if rng.random() < 0.6 else [*LABELS, None][rng.integers(4)] for t in truth]
    return truth, said


def test_accuracy_and_recall_equal_scikit_learn_with_no_answer_wrong():
    truth, said = drawn(500)
    found = classes.class_figures(truth, said, LABELS, FEW)
    given = [s or "none" for s in said]
    assert found["WAR"].value == pytest.approx(accuracy_score(truth, given))
    expected = recall_score(truth, given, labels=LABELS, average="macro", zero_division=0)
    assert found["UAR"].value == pytest.approx(expected)
    each = classes.recalls(truth, said, LABELS, FEW)
    assert np.mean([one.value for one in each.values()]) == pytest.approx(expected)
    for one in found.values():
        assert one.n == 500
        assert one.low < one.value < one.high


def test_confusion_keeps_no_answer_in_its_own_column():
    truth, said = drawn(200)
    table = classes.confusion(truth, said, LABELS)
    assert table.sum() == 200
    understood = [(t, s) for t, s in zip(truth, said, strict=True) if s]
    expected = confusion_matrix(*zip(*understood, strict=True), labels=LABELS)
    assert (table[:, :3] == expected).all()
    assert table[:, 3].sum() == sum(s is None for s in said)


def test_a_true_label_outside_of_the_set_is_named_by_row():
    with pytest.raises(FaceLLMError, match="row 1: 'joy' is none of anger, fear, sadness"):
        classes.class_figures(["anger", "joy"], ["anger", "fear"], LABELS)
    with pytest.raises(FaceLLMError, match="truth has 1 rows, said has 2"):
        classes.class_figures(["anger"], ["anger", "fear"], LABELS)
    with pytest.raises(FaceLLMError, match="truth has no row"):
        classes.confusion([], [], LABELS)


def test_choice_above_chance_by_hand():
    found = classes.choice_figures([True, True, False, False], 4, FEW)
    assert found["accuracy"].value == 0.5
    assert found["chance"].value == 0.25
    assert found["above_chance"].value == pytest.approx(1 / 3)
    mixed = classes.choice_figures([True, False], [2, 4], FEW)
    assert mixed["chance"].value == pytest.approx(0.375)
    with pytest.raises(FaceLLMError, match="row 1: a choice needs 2 options, got 1"):
        classes.choice_figures([True, False], [2, 1])


def test_all_right_is_not_certain():
    found = measured_share(np.ones(40, bool))
    assert found.high == 1.0
    assert 0.9 < found.low < 0.95  # Wilson of 40 of 40 is .912
    by_subject = measured_share(np.ones(40, bool), Bootstrap(np.arange(40) // 10))
    assert by_subject.low < 0.6  # four subjects say little


def test_intervals_are_seeded_and_wider_for_whole_subjects():
    rng = np.random.default_rng(1)
    subject = np.arange(400) // 20
    hits = (rng.random(20) < 0.5)[subject]
    rows = measured(mean_statistic(hits), 400)
    people = measured(mean_statistic(hits), 400, Bootstrap(subject))
    assert people == measured(mean_statistic(hits), 400, Bootstrap(subject))
    assert people.value == rows.value
    assert people.high - people.low > 3 * (rows.high - rows.low)
    with pytest.raises(FaceLLMError, match="3 groups for 400 rows"):
        measured(mean_statistic(hits), 400, Bootstrap([1, 2, 3]))
    with pytest.raises(FaceLLMError, match="at least one row"):
        measured(mean_statistic(hits), 0)
    with pytest.raises(FaceLLMError, match="a has no row"):
        same_length(a=[])


def test_ten_thousand_rows_a_thousand_times_take_less_than_two_seconds():
    truth, said = drawn(10_000)
    start = time.process_time()
    classes.class_figures(truth, said, LABELS)
    assert time.process_time() - start < 2
    scores = np.random.default_rng(0).random(10_000)
    start = time.process_time()
    measured(auc_statistic(np.array(truth) == "anger", scores), 10_000)
    assert time.process_time() - start < 2


def ten_raters(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True shares of eight labels and ten votes drawn of each; the mean top share is near .8."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(8, 0.065), n)
    return shares, rng.multinomial(10, shares)


def test_a_perfect_vote_model_errs_by_a_fifth_against_the_majority_and_not_against_a_rater():
    _, counts = ten_raters(6000)
    assert counts.max(1).mean() / 10 == pytest.approx(0.80, abs=0.01)
    majority = counts.argmax(1)
    voted = counts / 10
    against_rater = votes.vote_figures(voted, counts, FEW)
    assert against_rater["ECE"].value < 1e-9
    assert against_rater["KL"].value == pytest.approx(0, abs=1e-9)
    bars = calibration.reliability(voted.max(1), voted.argmax(1) == majority)
    error = sum(b.correct.n * abs(b.confidence - b.correct.value) for b in bars if b.correct.n)
    assert error / 6000 == pytest.approx(0.20, abs=0.01)


def test_the_rater_and_the_fresh_panel_stand_in_order():
    _, counts = ten_raters(2000, seed=1)
    truth = counts.argmax(1)
    one, panel = votes.one_rater(counts, truth, FEW), votes.fresh_panel(counts, truth, FEW)
    assert one.value == pytest.approx(counts.max(1).mean() / 10)
    assert one.value < panel.value < 1
    by_hand = votes.one_rater([[8, 2], [6, 4], [10, 0]], [0, 0, 0], FEW)
    assert by_hand.value == pytest.approx(0.8)
    sure = votes.fresh_panel([[10, 0], [0, 10]], [0, 0], FEW)
    assert sure.value == 0.5


@pytest.mark.parametrize(
    ("given", "counts", "message"),
    [([[0.5, 0.6]], [[1, 1]], "row 0: .* are no shares"), ([[math.nan, 1]], [[1, 1]], "row 0"),
     ([[0.5, 0.5]], [[0, 0]], "row 0: .* no vote"), ([[0.5, 0.5]], [[1, 1, 1]], "2 .* 3 votes"),
     ([0.5, 0.5], [[1, 1]], "must be")],
)  # fmt: skip
def test_bad_votes_and_probabilities_are_named(given, counts, message):
    with pytest.raises(FaceLLMError, match=message):
        votes.vote_figures(given, counts)


def test_a_truth_beyond_the_labels_is_named():
    with pytest.raises(FaceLLMError, match="row 0: truth 2 is outside of 0 to 1"):
        votes.one_rater([[1, 1]], [2])


def test_the_temperature_is_found_again():
    rng = np.random.default_rng(3)
    shares = rng.dirichlet(np.ones(5), 4000)
    truth = np.array([rng.choice(5, p=row) for row in shares])
    sharpened = calibration.tempered(shares, 1 / 2.5)
    assert calibration.fit_temperature(sharpened, truth) == pytest.approx(2.5, rel=0.08)
    assert calibration.tempered(sharpened, 2.5) == pytest.approx(shares, abs=1e-4)
    ids = [str(i) for i in range(4000)]
    test = calibration.Labelled(sharpened[:2000], truth[:2000], ids[:2000])
    validation = calibration.Labelled(sharpened[2000:], truth[2000:], ids[2000:])
    found = calibration.majority_calibration(test, validation, FEW)
    assert found.error.value < 0.05
    assert (found.error.n, found.validation_rows) == (2000, 2000)
    with pytest.raises(FaceLLMError, match="2000 validation rows are test rows too"):
        calibration.majority_calibration(test, test)
    wrong = calibration.Labelled(shares[:1], [7], ["x"])
    with pytest.raises(FaceLLMError, match="validation, row 0: label 7 of 5 labels"):
        calibration.majority_calibration(test, wrong)


def test_reliability_bars_hold_every_row_once():
    bars = calibration.reliability([0.0, 0.05, 0.5, 1.0], [False, True, True, True], bins=2)
    assert [(bar.low, bar.high, bar.correct.n) for bar in bars] == [(0, 0.5, 2), (0.5, 1, 2)]
    assert [bar.correct.value for bar in bars] == [0.5, 1.0]
    with pytest.raises(FaceLLMError, match=r"row 1: confidence 1\.2"):
        calibration.reliability([0.1, 1.2], [True, True])


def test_risk_and_coverage_by_hand():
    curve = coverage.risk_coverage([0.6, 0.9, 0.8], [False, True, True])
    assert curve.coverage == pytest.approx([1 / 3, 2 / 3, 1])
    assert curve.risk == pytest.approx([0, 0, 1 / 3])
    assert curve.threshold.tolist() == [0.9, 0.8, 0.6]
    found = coverage.coverage_figures([0.6, 0.9, 0.8], [False, True, True], FEW)
    assert found["AURC"].value == pytest.approx(1 / 9)
    with pytest.raises(FaceLLMError, match="row 1: confidence nan is not finite"):
        coverage.risk_coverage([0.5, math.nan], [True, True])


@settings(max_examples=40)
@given(some.lists(some.tuples(some.integers(0, 4), some.booleans()), min_size=1, max_size=40))
def test_area_of_equal_confidences_is_the_error_and_a_perfect_order_is_best(rows):
    right = np.array([hit for _, hit in rows])
    ones = np.ones((1, len(rows)))
    flat = coverage.area_statistic(np.zeros(len(rows)), right)(ones)[0]
    assert flat == pytest.approx(1 - right.mean())
    perfect = right + np.arange(len(right)) / (2 * len(right))  # no two alike
    best = coverage.area_statistic(perfect, right)(ones)[0]
    some_order = coverage.area_statistic([sure for sure, _ in rows], right)(ones)[0]
    assert best <= some_order + 1e-12
