"""Labels -> what a readout should be: distributions, by hand."""

import numpy as np
import pytest

from facellm.label_targets import TASK_OF_QUERY, mirrored, readout_targets
from facellm.labels import EXPRESSIONS, GAZE_DEGREES, QUERIES


def test_every_target_is_a_distribution_over_its_querys_labels():
    labels = {
        "votes": [4, 0, 0, 1, 3, 2, 0, 0, 1, 0],
        "units": {"12": 0.5, "4": 0.0},
        "age": 34,
        "male": True,
        "mask": False,
        "fake": False,
        "mouth_open": True,
        "eyes_closed": False,
        "gaze": [10, -5],
    }
    found = readout_targets(labels)
    sizes = {query.name: len(query.labels) for query in QUERIES}
    assert set(found) == {"expr", "au12", "au4", "age", "gender", "mask", "fake", "mouth_open",
                          "eyes_closed", "gaze_yaw", "gaze_pitch"}  # fmt: skip
    for name, target in found.items():
        assert target.shape == (sizes[name],)
        assert target.dtype == np.float32
        assert target.sum() == pytest.approx(1, abs=1e-5)
    assert found["expr"].tolist() == pytest.approx([0.4, 0, 0, 0.1, 0.3, 0.2, 0, 0])
    assert found["au12"].tolist() == [0, 0, 0, 1, 0, 0]  # 0.5 -> level 3
    assert found["au4"][0] == 1
    assert found["gender"].tolist() == [0, 1]  # female, male
    assert (found["mask"].tolist(), found["fake"].tolist()) == ([1, 0], [1, 0])
    assert (found["mouth_open"].tolist(), found["eyes_closed"].tolist()) == ([0, 1], [1, 0])
    assert GAZE_DEGREES[int(found["gaze_yaw"].argmax())] == 10


def test_an_age_is_a_gaussian_of_two_and_a_half_years():
    target = readout_targets({"age": 34})["age"]
    years = np.arange(117)
    mean = (target * years).sum()
    assert mean == pytest.approx(34, abs=1e-3)
    assert np.sqrt((target * (years - mean) ** 2).sum()) == pytest.approx(2.5, abs=0.01)
    group = readout_targets({"age_range": [20, 29]})["age"]
    assert (group * years).sum() == pytest.approx(24.5, abs=1e-3)
    assert group[22] == pytest.approx(group[27], rel=1e-3)


def test_votes_for_nothing_that_shows_give_no_target():
    assert readout_targets({"votes": [0, 0, 1, 0, 0, 0, 0, 0, 9, 0]}) == {}
    assert readout_targets({"votes": [0] * 9 + [10]}) == {}
    assert readout_targets({}) == {}


def test_shares_and_single_labels_count_too():
    shares = {"happiness": 0.75, "neutral": 0.25}
    assert readout_targets({"expression_shares": shares})["expr"][:2].tolist() == [0.25, 0.75]
    one = readout_targets({"expression": "fear"})["expr"]
    assert EXPRESSIONS[int(one.argmax())] == "fear"


def test_a_render_says_mouth_eyes_and_gaze_by_exact_measures():
    making = {"mouth_open": 0.2, "eye_open": [0.3, 0.3], "gaze": [-15.0, 5.0]}
    found = readout_targets({"making": making})
    assert (found["mouth_open"].tolist(), found["eyes_closed"].tolist()) == ([0, 1], [1, 0])
    between = {"mouth_open": 0.07, "eye_open": [0.16, 0.16]}
    assert readout_targets({"making": between}) == {}


def test_the_mirror_turns_yaw_around_and_nothing_else():
    targets = readout_targets({"gaze": [15, 5], "age": 30})
    turned = mirrored(targets)
    assert GAZE_DEGREES[int(turned["gaze_yaw"].argmax())] == -15
    assert np.array_equal(turned["gaze_pitch"], targets["gaze_pitch"])
    assert np.array_equal(turned["age"], targets["age"])


def test_a_left_out_task_has_no_target():
    labels = {"age": 30, "male": True, "fake": True, "units": {"1": 1.0}}
    assert set(readout_targets(labels, {"age", "action_units"})) == {"gender", "fake"}
    assert set(TASK_OF_QUERY) == {query.name for query in QUERIES}
