"""Figures by columns and by two columns at once."""

import numpy as np
import pytest
from eval_toys import samples

from facellm.errors import FaceLLMError
from facellm.eval.harness.groups import check_columns, sliced
from facellm.eval.harness.measures import accuracy
from facellm.eval.harness.sample import Answer, Row, Score


def rows(right, group, gender):
    """Rows that are right or wrong, with two columns."""
    return [
        Row(f"{n}", "a", {"group": g, "gender": s}, None, None, Answer("options"),
            Score("answered", "a" if hit else "b", float(hit)))
        for n, (hit, g, s) in enumerate(zip(right, group, gender, strict=True))
    ]  # fmt: skip


def test_a_gap_that_only_two_columns_together_show_is_flagged():
    """Each column alone is even: wrong are old women and young men."""
    rng = np.random.default_rng(0)
    group, gender = rng.integers(0, 2, (2, 200))
    right = (rng.random(200) < np.where(group == gender, 0.95, 0.6)).astype(bool)
    names = ["old" if g else "young" for g in group], ["woman" if s else "man" for s in gender]
    listed = rows(right, *names)
    assert not sliced(accuracy(), listed, "group")["flagged"]
    assert not sliced(accuracy(), listed, "gender")["flagged"]
    found = sliced(accuracy(), listed, "group & gender")
    assert found["flagged"]
    assert found["column"] == "group & gender"
    by_hand = right[(group == 1) & (gender == 1)]
    record = next(one for one in found["groups"] if one["group"] == "old, woman")
    assert (record["n"], record["value"]) == (len(by_hand), pytest.approx(by_hand.mean()))


def test_a_row_that_lacks_one_of_the_columns_is_in_no_group():
    found = sliced(accuracy(), rows([1] * 40, ["a"] * 40, ["x"] * 31 + [None] * 9), "group&gender")
    assert (found["groups"][0]["n"], found["unknown"]) == (31, 9)


def test_columns_are_checked_before_anything_is_asked():
    listed = samples(2, columns={"group": "a"})
    check_columns("toy", ["group"], listed)
    with pytest.raises(FaceLLMError, match="task toy: no column 'age' to slice by; it has group"):
        check_columns("toy", ["group & age"], listed)
    with pytest.raises(FaceLLMError, match="it has none"):
        check_columns("toy", ["group"], samples(2))
