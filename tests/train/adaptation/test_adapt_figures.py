"""Figures against hand-computed cases and scikit-learn; what is chosen on validation faces."""

import numpy as np
import pytest

from facellm.adapted_engine import log_shares, mixed, shifted
from facellm.train.adaptation.figures import (
    auc_of,
    difference,
    ece_of,
    interval,
    mean_of,
    recall_of,
    statistics_of,
)
from facellm.train.adaptation.learning import Plan, chosen_strength, fitted_temperature
from facellm.train.adaptation.report import verdict

ONES = np.ones(6)


def test_auc_is_that_of_scikit_learn_with_ties_and_weights():
    metrics = pytest.importorskip("sklearn.metrics", reason="optional: scikit-learn")
    rng = np.random.default_rng(0)
    score, true = rng.integers(0, 5, 50) / 4, rng.random(50) < 0.4
    weights = rng.integers(0, 3, 50).astype(float)
    expected = metrics.roc_auc_score(true, score, sample_weight=weights)
    assert auc_of(score, true)(weights) == pytest.approx(expected)
    assert np.isnan(auc_of(score, np.zeros(50, bool))(np.ones(50)))


def test_recall_and_calibration_error_of_hand_computed_cases():
    true, said = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 0, 1, 1, 0])
    assert recall_of(said, true)(ONES) == pytest.approx((0.75 + 0.5) / 2)
    sure = np.array([0.9, 0.9, 0.9, 0.9, 0.6, 0.6])
    # four at .9 of which two are right, two at .6 of which both are
    right = np.array([True, True, False, False, True, True])
    assert ece_of(sure, right)(ONES) == pytest.approx((4 * 0.4 + 2 * 0.4) / 6)


def test_an_interval_draws_groups_and_a_difference_is_paired():
    values = np.repeat([0.0, 1.0], 50)
    apart = interval(mean_of(values), np.array([str(n) for n in range(100)]))
    together = interval(mean_of(values), np.repeat(["a", "b"], 50))
    assert apart.value == together.value == 0.5
    assert apart.high - apart.low < 0.25
    assert (together.low, together.high) == (0, 1)
    paired = interval(difference(mean_of(values + 0.1), mean_of(values)), np.repeat(["a", "b"], 50))
    assert (paired.low, paired.high) == pytest.approx((0.1, 0.1))


def test_age_is_scored_in_years_and_units_by_level_and_presence():
    shares = np.eye(117)[[30, 40]]
    found = statistics_of("age", shares, np.eye(117)[[33, 41]])
    assert found["MAE, years"][0](np.ones(2)) == pytest.approx(2)
    levels = np.eye(6)[[0, 5, 0, 2]]
    found = statistics_of("au12", levels, np.eye(6)[[0, 5, 1, 2]])
    assert found["MAE, intensity"][0](np.ones(4)) == pytest.approx(0.05)
    assert found["AUC of presence"][0](np.ones(4)) == pytest.approx(5 / 6)


def test_temperature_of_overconfident_readings_is_found():
    rng = np.random.default_rng(1)
    logits = rng.normal(0, 1.5, (4000, 2))
    shares = np.exp(log_shares(logits))
    target = np.eye(2, dtype=np.float32)[(rng.random(4000) < shares[:, 1]).astype(int)]
    assert fitted_temperature(log_shares(3 * logits), target) == pytest.approx(3, rel=0.15)
    assert fitted_temperature(logits, np.full((4000, 2), np.nan, np.float32)) == 1


def test_strength_is_0_where_validation_sees_no_gain_and_1_where_it_is_plain():
    target = np.eye(2, dtype=np.float32)[np.arange(60) % 2]
    right, blank = np.log(np.clip(target, 0.05, 0.95)), np.full((60, 2), np.log(0.5))
    assert chosen_strength(blank, right, target) == 1
    assert chosen_strength(right, blank, target) == 0
    assert chosen_strength(right, right, target) == 0
    assert chosen_strength(blank, right, target[:1] * np.nan) == 0


def test_a_mixture_is_the_base_at_0_and_normalised_between():
    base, adapted = log_shares(np.array([[0.0, 2.0]])), log_shares(np.array([[1.0, 0.0]]))
    assert mixed(base, adapted, 0) is base
    assert mixed(base, adapted, 1) == pytest.approx(adapted, abs=1e-6)
    half = mixed(base, adapted, 0.5)
    assert np.exp(half).sum() == pytest.approx(1, abs=1e-6)
    assert half[0, 1] - half[0, 0] == pytest.approx(0.5, abs=1e-6)
    there_and_back = shifted(shifted(base, 1.7), -1.7)
    assert there_and_back == pytest.approx(base)


def test_passes_are_bounded():
    plan = Plan()
    assert [plan.epochs(n) for n in (50, 600, 5000)] == [20, 10, 6]


@pytest.mark.parametrize(
    ("low", "high", "better", "said"),
    [
        (0.01, 0.1, "higher", "helps"),
        (-0.1, 0.1, "higher", "does not help beyond noise"),
        (-0.2, -0.1, "higher", "is worse"),
        (-0.2, -0.1, "lower", "helps"),
        (0.1, 0.2, "lower", "is worse"),
        (None, None, "lower", "cannot be judged"),
    ],
)
def test_the_verdict_follows_the_interval(low, high, better, said):
    found = {"value": 0.0, "low": low, "high": high, "better": better}
    assert verdict({"difference": {"accuracy": found}}).startswith(said)


def test_a_correction_that_is_not_used_says_so():
    assert "the base's own reading stays" in verdict({"strength": 0.0, "difference": {}})
