"""Statistics against hand-computed cases and scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some
from sklearn.metrics import balanced_accuracy_score, f1_score, roc_auc_score

from facellm.eval import statistics as st


def plain(statistic: st.Statistic, n: int) -> float:
    return float(statistic(np.ones((1, n)))[0])


def test_wilson_equals_the_textbook_case():
    low, high = st.wilson(81, 263)
    assert (round(low, 4), round(high, 4)) == (0.2553, 0.3662)  # Newcombe 1998, table I


def test_wilson_of_no_row_says_nothing():
    assert st.wilson(0, 0) == (0.0, 1.0)
    assert math.isnan(st.share([]).value)


@given(some.integers(0, 50), some.integers(0, 50))
def test_wilson_holds_the_share_and_stays_in_bounds(hits, misses):
    low, high = st.wilson(hits, hits + misses)
    value = hits / (hits + misses) if hits + misses else 0.5
    assert 0.0 <= low <= value + 1e-12
    assert value - 1e-12 <= high <= 1.0


def test_bootstrap_of_a_mean_is_seeded_and_near_the_normal_interval():
    values = np.random.default_rng(1).normal(5.0, 2.0, 400)
    found = st.estimate(st.mean_statistic(values), 400, seed=3)
    assert found == st.estimate(st.mean_statistic(values), 400, seed=3)
    half = 1.96 * values.std() / 20
    assert found.value == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.05)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05)


def test_bootstrap_of_no_row_is_an_error():
    with pytest.raises(ValueError, match="at least one row"):
        st.estimate(st.mean_statistic([]), 0)


def test_auc_equals_scikit_learn_with_ties_and_weights():
    rng = np.random.default_rng(2)
    truth, scores = rng.random(300) < 0.3, rng.integers(0, 12, 300) / 12
    weights = rng.integers(0, 4, (5, 300)).astype(float)
    expected = [roc_auc_score(truth, scores, sample_weight=row) for row in weights]
    assert st.auc_statistic(truth, scores)(weights) == pytest.approx(expected)


def test_auc_of_one_class_is_not_a_number():
    assert math.isnan(plain(st.auc_statistic([True, True], [0.1, 0.2]), 2))


def test_weights_are_repeated_rows():
    rng = np.random.default_rng(4)
    truth, said = rng.integers(0, 3, 60), rng.integers(0, 3, 60)
    counts = rng.integers(0, 3, 60)
    rows = np.repeat(np.arange(60), counts)
    weighed = st.recall_statistic(truth, said)(counts[None].astype(float))[0]
    assert weighed == pytest.approx(plain(st.recall_statistic(truth[rows], said[rows]), len(rows)))


def test_balanced_accuracy_and_f1_equal_scikit_learn():
    rng = np.random.default_rng(5)
    truth, said = rng.random(200) < 0.2, rng.random(200) < 0.4
    recall = plain(st.recall_statistic(truth, said), 200)
    assert recall == pytest.approx(balanced_accuracy_score(truth, said))
    assert plain(st.f1_statistic(truth, said), 200) == pytest.approx(f1_score(truth, said))


def test_the_best_f1_threshold_is_found_by_trying_them_all():
    rng = np.random.default_rng(6)
    scores = rng.integers(0, 12, (90, 4)) / 12  # with ties
    truth = rng.random((90, 4)) < scores * 0.8
    truth[:, 3] = False
    found = st.best_f1_thresholds(truth, scores)
    for column in range(3):
        y, x = truth[:, column], scores[:, column]
        tried = [f1_score(y, x >= bar) for bar in np.unique(x)]
        assert f1_score(y, x >= found[column]) == pytest.approx(max(tried))
    assert found[3] == np.inf


def test_mean_f1_leaves_an_empty_column_out():
    truth = np.array([[1, 0], [1, 0], [0, 0]], bool)
    said = np.array([[1, 0], [0, 0], [0, 0]], bool)
    # Column 1: TP 1, FP 0, FN 1 -> 2/3; column 2: nothing is and nothing is called true.
    assert plain(st.mean_f1_statistic(truth, said), 3) == pytest.approx(2 / 3)


def test_calibration_error_of_a_hand_computed_case():
    # Two bins: (.62, .64) with .5 and 1.0 right on average .75; (.95) with .2.
    statistic = st.calibration_statistic([0.62, 0.64, 0.95], [0.5, 1.0, 0.2])
    expected = 2 / 3 * abs(0.63 - 0.75) + 1 / 3 * abs(0.95 - 0.2)
    assert plain(statistic, 3) == pytest.approx(expected)


def test_expected_correctness_equals_the_mean_over_drawn_raters_per_bin():
    rng = np.random.default_rng(6)
    sure = np.full(20000, 0.7)
    shares = np.full(20000, 0.6)
    drawn = rng.random(20000) < shares
    exact = plain(st.calibration_statistic(sure, shares), 20000)
    assert exact == pytest.approx(0.1)
    assert plain(st.calibration_statistic(sure, drawn), 20000) == pytest.approx(exact, abs=0.01)


def test_a_model_that_says_the_vote_shares_is_calibrated_against_a_drawn_rater():
    votes = np.random.default_rng(7).dirichlet(np.ones(8), 500)
    top = votes.max(1)
    assert plain(st.calibration_statistic(top, top), 500) == pytest.approx(0.0, abs=1e-12)


def test_divergence_is_zero_for_equal_shares_and_hand_computed_otherwise():
    votes = np.array([[0.5, 0.5, 0.0], [1.0, 0.0, 0.0]])
    found = st.divergences(votes, np.array([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25]]))
    assert found == pytest.approx([0.0, math.log(4)])


def test_abstain_threshold_is_the_smallest_confidence_that_keeps_the_accuracy():
    # 900 sure rows, one in ten wrong, and 100 half sure ones, all wrong.
    sure = np.concatenate((np.linspace(0.9, 0.8, 900), np.linspace(0.6, 0.5, 100)))
    right = np.ones(1000)
    right[9:900:10] = 0
    right[900:] = 0
    # 810 right of k rows: 85 % at k = 953, whose confidence is .547.
    assert st.abstain_threshold(sure, right, 0.85) == pytest.approx(0.547, abs=0.003)
    assert st.abstain_threshold(sure, right, 0.5) == 0.5
    assert st.abstain_threshold([0.9], [0], 0.5) == math.inf
    # Rows of one confidence stand or fall together.
    assert st.abstain_threshold([0.7] * 10, [1] * 9 + [0], 0.95) == math.inf


def test_a_surer_threshold_keeps_its_accuracy_on_new_rows_nine_times_in_ten():
    rng = np.random.default_rng(0)
    kept = {0.5: 0, 0.9: 0}
    for _ in range(60):
        sure = rng.uniform(0.5, 1, 1000)
        right = rng.random(1000) < sure  # calibrated: right as often as it says
        for sureness in kept:
            cut = st.abstain_threshold(sure, right, 0.9, sureness)
            kept[sureness] += (1 + cut) / 2 >= 0.9  # the true accuracy from there on
    assert kept[0.9] >= 48
    assert kept[0.5] < kept[0.9]


def test_a_quantile_is_the_value_that_reaches_the_share():
    values = np.array([5.0, 1.0, 3.0, 9.0])
    assert plain(st.quantile_statistic(values, 0.5), 4) == 3.0
    assert plain(st.quantile_statistic(values, 1.0), 4) == 9.0
    weights = np.array([[0.0, 0.0, 0.0, 2.0], [1.0, 3.0, 0.0, 0.0]])
    assert list(st.quantile_statistic(values, 0.5)(weights)) == [9.0, 1.0]


def test_correlation_is_numpys_with_repeated_rows():
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=(2, 60))
    b += 0.5 * a
    counts = rng.integers(0, 4, 60)
    expected = np.corrcoef(np.repeat(a, counts), np.repeat(b, counts))[0, 1]
    found = st.correlation_statistic(a, b)(counts[None].astype(float))[0]
    assert found == pytest.approx(expected)
    assert math.isnan(plain(st.correlation_statistic(np.ones(5), b[:5]), 5))


def test_whole_groups_are_resampled():
    groups = np.repeat(np.arange(10), 20)
    values = groups.astype(float)  # rows of a group say the same: 10 observations, not 200
    alone = st.estimate(st.mean_statistic(values), 200)
    grouped = st.grouped_estimate(st.mean_statistic(values), groups)
    assert grouped.value == alone.value
    assert grouped.n == 200
    assert grouped.high - grouped.low > 3 * (alone.high - alone.low)
    with pytest.raises(ValueError, match="at least one row"):
        st.grouped_estimate(st.mean_statistic([]), [])
