"""Which test rows have a near duplicate in training, and figures with and without them."""

import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.eval.near_duplicates import groups_of, parts, seen_in_training, table

DROPS = {
    "a/2": "near duplicate of a/1 (test)",
    "a/3": "near duplicate of a/1 (test)",
    "a/5": "near duplicate of a/4 (test)",
    "b/7": "near duplicate of a/6 (1) (valid)",
}


def test_a_group_is_the_row_that_stays_and_all_that_go_for_it():
    assert groups_of(DROPS) == {
        "a/1": {"a/1", "a/2", "a/3"},
        "a/4": {"a/4", "a/5"},
        "a/6 (1)": {"a/6 (1)", "b/7"},
    }


def test_every_row_beside_a_trained_one_counts_as_seen():
    assert seen_in_training(DROPS, {"a/3", "a/9"}) == {"a/1", "a/2", "a/3"}
    assert seen_in_training(DROPS, set()) == set()


def test_a_reason_of_something_else_is_an_error():
    with pytest.raises(FaceLLMError, match="a/2: 'blurred'"):
        groups_of({"a/2": "blurred"})


def test_parts_add_up_and_are_told():
    values = np.array([True, True, False, True])
    found = parts(values, np.array([True, False, False, False]), hits=True)
    assert [found[part]["n"] for part in ("all", "without", "near_duplicates")] == [4, 3, 1]
    assert found["without"]["value"] == pytest.approx(2 / 3, abs=1e-4)
    assert "| accuracy | 0.750 [" in table({"accuracy": found})
