"""Judges' agreement, two models on the same samples, groups and their gaps."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, spearmanr
from sklearn.metrics import cohen_kappa_score

from facellm.errors import FaceLLMError
from facellm.eval.metrics import agreement, groups, paired
from facellm.eval.metrics.bootstrap import Bootstrap
from facellm.eval.statistics import auc_statistic, mean_statistic

FEW = Bootstrap(resamples=100)


def test_kappa_and_spearman_equal_scikit_learn_and_scipy():
    rng = np.random.default_rng(0)
    first = rng.integers(1, 11, 80)
    second = np.clip(first + rng.integers(-3, 4, 80), 1, 10)
    found = agreement.agreement(first, second, FEW)
    kappa = cohen_kappa_score(first, second, labels=range(1, 11), weights="quadratic")
    assert found["kappa"].value == pytest.approx(kappa)
    assert found["spearman"].value == pytest.approx(spearmanr(first, second).statistic)
    assert found["difference"].value == pytest.approx((first - second).mean())


def test_a_weight_of_two_is_the_row_twice():
    rng = np.random.default_rng(1)
    first, second = rng.integers(1, 11, (2, 40))
    weights = rng.integers(0, 4, (3, 40))
    for make in (agreement.kappa_statistic, agreement.spearman_statistic):
        found = make(first, second)(weights.astype(float))
        repeated = [
            make(np.repeat(first, w), np.repeat(second, w))(np.ones((1, w.sum())))[0]
            for w in weights
        ]
        assert found == pytest.approx(repeated)


def test_judges_who_cannot_be_compared_are_named():
    with pytest.raises(FaceLLMError, match="at least 2 answers rated by both, got 1"):
        agreement.agreement([5], [5])
    with pytest.raises(FaceLLMError, match="answer 1 lacks a rating"):
        agreement.agreement([5, np.nan], [5, 6])
    assert np.isnan(agreement.agreement([5, 5], [5, 5], FEW)["kappa"].value)


def test_mcnemar_is_the_exact_binomial():
    first = {str(i): float(i < 12) for i in range(20)}
    second = {str(i): float(8 <= i < 14) for i in range(20)}
    found = paired.compare_scores(first, second)
    assert (found.only_first, found.only_second) == (8, 2)
    assert found.p_value == pytest.approx(binomtest(8, 10).pvalue)
    assert found.difference.value == pytest.approx(0.3)
    assert paired.mcnemar(0, 0) == 1.0


def test_the_paired_interval_is_narrower_than_that_of_two_sets():
    rng = np.random.default_rng(2)
    errors = rng.gamma(2, 3, 500)
    names = [str(i) for i in range(500)]
    first = dict(zip(names, errors, strict=True))
    second = dict(zip(names, errors + rng.normal(0.3, 0.5, 500), strict=True))
    found = paired.compare_scores(first, second)
    assert found.differs
    assert found.difference.high < 0
    assert found.p_value is None  # errors are not right or wrong
    widths = [e.high - e.low for e in (found.difference, found.first, found.second)]
    assert widths[0] < 0.3 * min(widths[1:])
    shuffled = dict(sorted(second.items(), key=lambda pair: pair[1]))
    assert paired.compare_scores(first, shuffled) == found


def test_a_model_against_itself_does_not_differ():
    scores = {str(i): float(i % 3 == 0) for i in range(60)}
    found = paired.compare_scores(scores, scores)
    assert (found.difference.value, found.p_value, found.differs) == (0.0, 1.0, False)


def test_subjects_drawn_as_a_whole_leave_no_mcnemar():
    scores = {str(i): float(i % 2) for i in range(20)}
    found = paired.compare_scores(scores, scores, {str(i): i // 5 for i in range(20)}, FEW)
    assert found.p_value is None
    with pytest.raises(FaceLLMError, match="19 samples without a group, for example '1'"):
        paired.compare_scores(scores, scores, {"0": 1})


def test_other_samples_are_refused_with_their_number():
    first, second = {"a": 1.0, "b": 0.0, "c": 1.0}, {"b": 0.0, "d": 1.0}
    with pytest.raises(FaceLLMError) as caught:
        paired.compare_scores(first, second)
    assert "2 of 3 samples are missing from the second, for example 'a'" in str(caught.value)
    assert "1 of 2 samples are missing from the first, for example 'd'" in str(caught.value)
    with pytest.raises(FaceLLMError, match="no sample"):
        paired.compare_scores({}, {})
    with pytest.raises(FaceLLMError, match="sample 'a': score nan"):
        paired.compare_scores({"a": float("nan")}, {"a": 1.0})


def test_two_aucs_are_compared_on_the_same_rows():
    rng = np.random.default_rng(4)
    truth = rng.random(300) < 0.5
    good, bad = truth + rng.normal(0, 0.6, 300), truth + rng.normal(0, 2.0, 300)
    found = paired.compare_statistics(
        auc_statistic(truth, good), auc_statistic(truth, bad), 300, FEW
    )
    assert found.differs
    assert found.difference.value == pytest.approx(found.first.value - found.second.value)


def hits(sizes: dict[str, int], rates: dict[str, float], seed: int) -> tuple[np.ndarray, list[str]]:
    rng = np.random.default_rng(seed)
    column = [name for name, n in sizes.items() for _ in range(n)]
    return np.array([rng.random() < rates[name] for name in column]), column


def test_a_planted_gap_of_ten_points_is_found_with_an_interval_above_zero():
    """One slice of 200 among 1,800 others, .80 against .70; and the reverse of it: no gap."""
    sizes = {"a": 900, "b": 900, "slice": 200}
    rates = {"a": 0.8, "b": 0.8, "slice": 0.7}
    found, reports = 0, []
    for seed in range(12):
        right, column = hits(sizes, rates, seed)
        report = groups.by_group(mean_statistic(right), column, Bootstrap(resamples=200))
        reports.append(report)
        assert report.pair is not None
        assert report.flagged == (report.pair.gap.low > 0)
        found += report.flagged and report.pair.worse == "slice"
    assert found >= 8  # power of about .8 at this n
    assert np.mean([r.difference.value for r in reports if r.difference]) == pytest.approx(
        0.1, abs=0.03
    )


def test_without_a_gap_the_flag_is_rare_although_the_largest_of_ten_pairs_is_picked():
    sizes = {"a": 60, "b": 60, "c": 60, "d": 150, "e": 300}
    flags = []
    for seed in range(200):
        right, column = hits(sizes, dict.fromkeys(sizes, 0.75), 1000 + seed)
        members = pd.factorize(np.array(column))[0]
        how = Bootstrap(seed=seed, resamples=100)
        _, p_value = groups._sticks_out(mean_statistic(right), members, list(sizes), how)
        flags.append(p_value is not None and p_value <= groups.LEVEL)
    assert np.mean(flags) <= 0.08


def test_small_groups_are_hidden_counted_and_no_part_of_the_gap():
    right, column = hits({"a": 100, "b": 100, "tiny": 29}, {"a": 0.8, "b": 0.8, "tiny": 0.0}, 0)
    report = groups.by_group(mean_statistic(right), [*column[:-1], None], FEW)
    tiny = report.groups[-1]
    assert (tiny.name, tiny.n, tiny.estimate, tiny.note) == ("tiny", 28, None, "too small")
    assert (report.too_small, report.unknown) == (1, 1)
    assert report.difference is not None
    assert report.difference.value < 0.2
    assert report.difference.n == 200


def test_difference_and_ratio_equal_those_by_hand():
    right = np.array([1] * 30 + [0] * 10 + [1] * 20 + [0] * 20, bool)
    report = groups.by_group(mean_statistic(right), ["x"] * 40 + ["y"] * 40, FEW)
    assert [group.estimate.value for group in report.groups if group.estimate] == [0.75, 0.5]
    assert report.difference is not None
    assert report.ratio is not None
    assert report.difference.value == pytest.approx(0.25)
    assert report.ratio.value == pytest.approx(2 / 3)
    assert report.difference.low <= 0.25 <= report.difference.high
    assert report.pair is not None
    assert (report.pair.better, report.pair.worse) == ("x", "y")


def test_one_group_alone_has_no_gap():
    report = groups.by_group(mean_statistic(np.ones(40)), ["x"] * 40, FEW)
    assert (report.difference, report.pair, report.flagged) == (None, None, False)
    with pytest.raises(FaceLLMError, match="no row to group"):
        groups.by_group(mean_statistic([]), [])
    with pytest.raises(FaceLLMError, match="2 subjects for 40 rows"):
        groups.by_group(mean_statistic(np.ones(40)), ["x"] * 40, Bootstrap([1, 2]))


def test_few_subjects_are_no_proof_of_a_gap():
    """Six subjects a side, each all right or all wrong: rows would shout, subjects do not."""
    subject = np.arange(600) // 50
    right = np.isin(subject, [0, 1, 2, 3, 6, 7])
    column = np.where(subject < 6, "x", "y")
    assert groups.by_group(mean_statistic(right), column.tolist(), FEW).flagged
    how = Bootstrap(subject, resamples=100)
    assert not groups.by_group(mean_statistic(right), column.tolist(), how).flagged


def test_a_column_that_changes_within_subjects_is_dealt_within_them():
    rng = np.random.default_rng(5)
    subject, members = np.arange(200) // 10, rng.integers(0, 2, 200)
    dealt = groups._dealt(rng, members, Bootstrap(subject), 7)
    for person in range(20):
        rows = subject == person
        assert (np.sort(dealt[:, rows], axis=1) == np.sort(members[rows])).all()
    assert (dealt != members).any()
