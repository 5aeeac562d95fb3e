"""Ages, units, attributes, forgeries, reasoning: by hand and against scikit-learn and rouge."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score, roc_curve

from facellm.errors import FaceLLMError
from facellm.eval.metrics import age, forgery, reasoning, units
from facellm.eval.metrics.bootstrap import Bootstrap

FEW = Bootstrap(resamples=100)


def test_age_figures_by_hand():
    found = age.age_figures([30, 40, 50, 60], [33, None, 200, 50], FEW)
    assert (found["MAE"].value, found["MAE"].n) == (6.5, 2)
    assert found["MAE_all"].value == pytest.approx((3 + 76 + 66 + 10) / 4)
    assert (found["CS5"].value, found["CS5"].n) == (0.25, 4)
    assert found["answered"].value == 0.75
    assert found["out_of_range"].value == 0.25


def test_answering_the_easy_ones_only_does_not_pay():
    truth = np.arange(20, 60)
    honest = age.age_figures(truth, truth + 5.0, FEW)
    coy = age.age_figures(truth, [float(t) if t < 30 else None for t in truth], FEW)
    assert coy["MAE"].value < honest["MAE"].value
    assert coy["MAE_all"].value > honest["MAE_all"].value


def test_no_age_at_all_has_no_error_to_show():
    found = age.age_figures([30.0], [None], FEW)
    assert "MAE" not in found
    assert found["answered"].value == 0
    with pytest.raises(FaceLLMError, match="row 0: true age 300"):
        age.age_figures([300], [30])


def test_unit_figures_equal_scikit_learn():
    rng = np.random.default_rng(0)
    truth = (rng.random((300, 3)) < 0.3).astype(int)
    scores = np.clip(truth * 0.3 + rng.random((300, 3)) * 0.7, 0, 1)
    said = units.called(scores, 0.5)
    found = units.unit_figures(truth, said, ("AU1", "AU6", "AU12"), FEW)
    f1 = [f1_score(truth[:, k], said[:, k]) for k in range(3)]
    balanced = [balanced_accuracy_score(truth[:, k], said[:, k]) for k in range(3)]
    for k, name in enumerate(("AU1", "AU6", "AU12")):
        assert found[name]["F1"].value == pytest.approx(f1[k])
        assert found[name]["balanced_accuracy"].value == pytest.approx(balanced[k])
    assert found["mean"]["F1"].value == pytest.approx(np.mean(f1))
    assert found["mean"]["balanced_accuracy"].value == pytest.approx(np.mean(balanced))


def test_unknown_labels_leave_their_column_and_missing_answers_are_wrong():
    truth = np.array([[1], [0], [-1], [1], [0]])
    said = np.array([[1], [0], [1], [-1], [-1]])
    found = units.unit_figures(truth, said, ("AU4",), FEW)["AU4"]
    assert found["F1"].n == 4
    assert found["F1"].value == pytest.approx(2 / 3)  # one hit, one miss, no false alarm
    assert found["balanced_accuracy"].value == 0.5
    accuracy = units.attribute_figures(truth, said, ("Smiling",), FEW)["mean"]["accuracy"]
    assert accuracy.value == 0.5


def test_a_unit_never_seen_nor_said_is_left_out_of_the_mean():
    truth, said = np.array([[1, 0], [0, 0]]), np.array([[1, 0], [0, 0]])
    found = units.unit_figures(truth, said, ("AU1", "AU2"), FEW)
    assert np.isnan(found["AU2"]["F1"].value)
    assert found["mean"]["F1"].value == 1.0


def test_thresholds_are_asked_for_and_checked():
    with pytest.raises(TypeError):
        units.called([[0.5]])  # type: ignore[call-arg]
    with pytest.raises(FaceLLMError, match="3 thresholds for 2 units"):
        units.called([[0.5, 0.5]], [0.1, 0.2, 0.3])
    assert units.called([[0.5, np.nan]], [0.5, 0.5]).tolist() == [[1, -1]]
    with pytest.raises(FaceLLMError, match="truth, row 1, AU1: 9 is none of 0, 1, -1"):
        units.unit_figures([[0], [9]], [[0], [0]], ("AU1",))
    with pytest.raises(FaceLLMError, match="said has shape"):
        units.unit_figures([[0]], [[0, 1]], ("AU1",))


def reference_eer(truth: np.ndarray, scores: np.ndarray) -> float:
    """Where the ROC polygon crosses the falling diagonal, by bisection on scikit-learn's points."""
    alarms, found, _ = roc_curve(truth, scores, drop_intermediate=False)
    grid = np.linspace(0, 1, 200_001)
    miss = 1 - np.interp(grid, alarms, found)
    return float(grid[np.abs(miss - grid).argmin()])


def test_forgery_figures_equal_scikit_learn():
    rng = np.random.default_rng(2)
    truth = rng.random(400) < 0.4
    scores = np.clip(truth * 0.25 + rng.random(400) * 0.75, 0, 1)
    found = forgery.forgery_figures(truth, scores, 0.5, FEW)
    assert found["AUC"].value == pytest.approx(roc_auc_score(truth, scores))
    assert found["EER"].value == pytest.approx(reference_eer(truth, scores), abs=1e-4)
    expected = balanced_accuracy_score(truth, scores >= 0.5)
    assert found["balanced_accuracy"].value == pytest.approx(expected)


def test_equal_error_rate_by_hand():
    """Two of four forged above both real ones, and so on: the ends and the middle."""
    ones = np.ones((1, 4))
    assert forgery.eer_statistic([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1])(ones)[0] == 0
    assert forgery.eer_statistic([1, 1, 0, 0], [0.1, 0.2, 0.8, 0.9])(ones)[0] == 1
    assert forgery.eer_statistic([1, 0, 1, 0], [0.5] * 4)(ones)[0] == 0.5
    assert forgery.eer_statistic([1, 0, 1, 0], [0.9, 0.8, 0.7, 0.1])(ones)[0] == 0.5
    assert np.isnan(forgery.eer_statistic([1, 1], [0.9, 0.8])(np.ones((1, 2)))[0])


def test_roc_goes_from_corner_to_corner_and_stays_short():
    rng = np.random.default_rng(3)
    truth = rng.random(5000) < 0.5
    curve = forgery.roc(truth, rng.random(5000))
    assert len(curve.found) <= forgery.MOST_POINTS
    assert (curve.false_alarms[0], curve.found[0]) == (0, 0)
    assert (curve.false_alarms[-1], curve.found[-1]) == (1, 1)


def test_bad_forgery_columns_are_named():
    with pytest.raises(FaceLLMError, match="row 1: probability nan"):
        forgery.forgery_figures([0, 1], [0.5, np.nan], 0.5)
    with pytest.raises(FaceLLMError, match="all 2 rows are real"):
        forgery.forgery_figures([0, 0], [0.5, 0.6], 0.5)


WORDS = some.sampled_from(["the", "brows", "are", "low", "a", "smile.", "Low", "eyes", ".", "wide"])


@settings(max_examples=60)
@given(some.lists(WORDS, min_size=1, max_size=25), some.lists(WORDS, min_size=1, max_size=25))
def test_rouge_l_equals_the_package_of_the_published_code(reference, answer):
    package = pytest.importorskip("rouge", reason="rouge 1.0.1 is a test requirement")
    first, second = " ".join(reference), " ".join(answer)
    if not first.replace(".", "") or not second.replace(".", ""):
        return  # the package fails on a text of full stops; ours is 0
    expected = package.Rouge().get_scores(second, first, avg=True)["rouge-l"]["f"]
    assert reasoning.rouge_l(first, second) == pytest.approx(expected, abs=1e-9)


def test_rouge_l_by_hand_and_of_nothing():
    assert reasoning.rouge_l("the brows are low", "the brows are raised") == pytest.approx(0.75)
    assert reasoning.rouge_l("the brows are low", "") == 0
    assert reasoning.rouge_l("...", "...") == 0
    long = "word " * 3000  # the package's recursion ends here
    assert reasoning.rouge_l("a short word", long) == pytest.approx(0.5)


def test_rege_is_the_sum_of_both_with_one_interval():
    found = reasoning.rege_of_labels([1, 0, 1, 1], [0.4, 0.2, 0.3, 0.3], FEW)
    assert found["recognition"].value == pytest.approx(75)
    assert found["generation"].value == pytest.approx(30)
    assert found["REGE"].value == pytest.approx(105)
    truth = np.array([[1, 0], [1, 1], [0, 1]])
    by_unit = reasoning.rege_of_units(truth, truth, [0.5, 0.5, 0.5], FEW)
    assert by_unit["REGE"].value == pytest.approx(150)
    with pytest.raises(FaceLLMError, match="rows has 1 rows, overlap has 2"):
        reasoning.rege_of_labels([1], [0.5, 0.5])
