"""Which measures may be cited: three quarters of enough cases."""

import numpy as np
import pytest

from facellm.eval.evidence import LEAST_CASES, cited_measures


@pytest.mark.parametrize(
    ("moved", "cases", "cited"),
    [
        (15, 20, True),
        (14, 20, False),
        (LEAST_CASES - 1, LEAST_CASES - 1, False),
        (0, 100, False),
        (80, 100, True),
    ],
)
def test_a_pair_is_cited_where_its_region_moves_three_quarters_of_enough_cases(moved, cases, cited):
    outcomes = {("happiness", "mouth_open+"): [index < moved for index in range(cases)]}
    expected = {"happiness": ("mouth_open+",)} if cited else {}
    assert cited_measures(outcomes) == expected


def test_the_rarer_side_of_a_measure_is_no_reason():
    outcomes = {
        ("happiness", "lip_corner_lift+"): [True] * 50,
        ("happiness", "lip_corner_lift-"): [True] * 30,
    }
    assert cited_measures(outcomes) == {"happiness": ("lip_corner_lift+",)}


def test_pairs_are_judged_one_by_one():
    yes, no = [True] * 30, [False] * 30
    outcomes = {
        ("surprise", "mouth_open+"): yes,
        ("surprise", "brow_height+"): no,
        ("surprise", "mouth_open-"): no,
        ("happiness", "lip_corner_lift+"): yes,
        ("happiness", "mouth_open+"): yes,
        ("neutral", "lip_corner_lift+"): list(np.array(yes) & np.array(no)),
    }
    assert cited_measures(outcomes) == {
        "surprise": ("mouth_open+",),
        "happiness": ("lip_corner_lift+", "mouth_open+"),
    }
