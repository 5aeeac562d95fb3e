"""The audit of labels by neighbours: the bank, the ranking, and planted flips."""

import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.instruct_data.dedupe.audit import audit, out_of_fold, shapes, standardised
from facellm.instruct_data.dedupe.audit_measure import area_under_curve, figures, flip
from facellm.instruct_data.dedupe.bank import NeighbourLabelBank, neighbour_targets, neighbours

NAMES = np.array(["anger", "fear", "happiness", "sadness"])


def made_up(count=1200, seed=0):
    """Four classes as clouds in 16 dimensions; landmarks whose mouth says half of it."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 4, count)
    features = rng.normal(0, 1, (4, 16))[labels] * 1.6 + rng.normal(0, 1, (count, 16))
    face = rng.normal(0, 1, (68, 2))
    points = face + rng.normal(0, 0.05, (count, 68, 2))
    points[:, 48:68, 1] += 0.2 * labels[:, None]
    return features, points, labels


# --- the bank -------------------------------------------------------------------------------------


def test_samples_that_are_not_in_the_batch_keep_their_targets():
    bank = NeighbourLabelBank(np.array([0, 1, 2]), 3)
    before = bank.targets.copy()
    moved = bank.update(np.array([1]), np.array([[0.0, 0.0, 1.0]]))
    assert np.allclose(moved, [[0, 0.9, 0.1]])
    assert np.array_equal(bank.targets[[0, 2]], before[[0, 2]])
    assert np.allclose(bank.targets[1], [0, 0.9, 0.1])


def test_a_label_outside_of_the_classes_is_refused():
    with pytest.raises(ValueError, match="classes 2"):
        NeighbourLabelBank(np.array([0, 2]), 2)


def test_neighbours_are_those_of_a_plain_sort():
    rng = np.random.default_rng(1)
    features = rng.normal(0, 1, (60, 5))
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    alike = unit @ unit.T
    found = neighbours(features, 4)
    for row in range(60):
        order = [other for other in np.argsort(-alike[row]) if other != row]
        assert set(found[row]) == set(order[:4])


def test_as_many_neighbours_as_samples_is_an_error():
    with pytest.raises(FaceLLMError, match=r"8 neighbours.*there are 8"):
        neighbours(np.eye(8), 8)


def test_a_sample_without_landmarks_has_no_neighbours_there_and_is_nobodys():
    features = np.random.default_rng(2).normal(0, 1, (20, 3))
    features[7] = np.nan
    found = neighbours(features, 3)
    assert (found[7] == -1).all()
    assert not (np.delete(found, 7, axis=0) == 7).any()


def test_targets_are_the_mean_over_spaces_that_know_the_sample():
    shares = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    near = np.array([[1, 2], [0, 2], [0, 1]])
    nowhere = np.array([[1, 2], [-1, -1], [0, 1]])
    targets = neighbour_targets(shares, [near, nowhere])
    assert np.allclose(targets, [[0.25, 0.75], [0.75, 0.25], [0.5, 0.5]])
    assert np.allclose(neighbour_targets(shares, [np.full((3, 2), -1)]), shares)


# --- the ranking ----------------------------------------------------------------------------------


def test_shapes_know_neither_place_nor_size_nor_roll():
    _, points, _ = made_up(40)
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = points.copy()
    moved[5] = 3 * points[5] @ turn + 7
    assert np.allclose(shapes(moved)[5], shapes(points)[5], atol=0.01)
    points[3, 0] = np.nan
    assert np.isnan(shapes(points)[3]).all()


def test_nobody_is_predicted_by_a_model_that_was_fitted_on_them():
    """With features of pure noise and one column per sample, a fit on itself would be perfect."""
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 200)
    shares = out_of_fold(np.eye(200) * 30, labels, 2, seed=0)
    assert np.allclose(shares.sum(axis=1), 1)
    assert abs((shares.argmax(axis=1) == labels).mean() - 0.5) < 0.12


def test_with_clean_labels_the_bank_agrees_with_them():
    features, points, labels = made_up()
    found = audit(features, points, NAMES[labels])
    agrees = np.array(found.classes)[found.bank.argmax(axis=1)] == NAMES[labels]
    assert agrees.mean() >= 0.97


def test_planted_flips_come_first():
    features, points, labels = made_up()
    given, flipped = flip(labels, 4, np.random.default_rng(3))
    result = figures(audit(features, points, NAMES[given]), flipped)
    assert 0.27 < flipped.mean() < 0.33
    assert result["auc"] >= 0.95
    assert result["precision_at_20_percent"] >= 0.95
    assert result["precision_of_suspicious"] >= 0.75


def test_without_any_landmarks_the_features_decide():
    features, points, labels = made_up()
    given, flipped = flip(labels, 4, np.random.default_rng(3))
    found = audit(features, np.full_like(points, np.nan), NAMES[given])
    assert figures(found, flipped)["auc"] >= 0.95


def test_the_ranking_names_every_sample_once_and_the_neighbours_label():
    features, points, labels = made_up(400)
    given = labels.copy()
    given[11] = (labels[11] + 1) % 4
    found = audit(features, points, NAMES[given])
    assert sorted(suspect.row for suspect in found.ranking) == list(range(400))
    suspect = next(suspect for suspect in found.ranking if suspect.row == 11)
    assert suspect.suspicious
    assert suspect.label == NAMES[given[11]]
    assert suspect.neighbours_label == NAMES[labels[11]]
    scores = [suspect.score for suspect in found.ranking]
    assert scores == sorted(scores, reverse=True)


def test_one_class_or_too_few_of_one_is_an_error():
    features, points, labels = made_up(100)
    with pytest.raises(FaceLLMError, match="compares classes"):
        audit(features, points, ["anger"] * 100)
    rare = NAMES[labels].astype(object)
    rare[0] = "awe"
    with pytest.raises(FaceLLMError, match="'awe': 1"):
        audit(features, points, list(rare))


def test_a_constant_column_does_no_harm():
    assert np.isfinite(standardised(np.ones((5, 2)))).all()


def test_area_under_the_curve_is_scikit_learns():
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(0)
    scores, hit = rng.integers(0, 9, 300) / 9, rng.random(300) < 0.4
    assert area_under_curve(scores, hit) == pytest.approx(roc_auc_score(hit, scores))
