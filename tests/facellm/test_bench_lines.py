"""Lines of the bench: which side of a goal is the good one, and what is missing is not 0."""

import os

import pytest
import torch

from facellm.bench_lines import Line, machine, missing, new_photo, table


@pytest.mark.parametrize(
    ("value", "at_least", "reached"),
    [
        (0.5, False, True),
        (0.8, False, True),
        (0.9, False, False),
        (0.5, True, False),
        (0.8, True, True),
        (0.9, True, True),
    ],
)
def test_a_goal_is_an_upper_bound_unless_it_says_otherwise(value, at_least, reached):
    line = Line("x", value, "x", 0.8, 3, at_least=at_least)
    assert line.reached is reached
    row = table([line]).splitlines()[-1]
    assert (">= 0.8 x" in row) == at_least
    assert ("<= 0.8 x" in row) != at_least
    assert row.endswith("| yes |" if reached else "| NO |")


def test_a_line_without_a_goal_is_neither_reached_nor_missed():
    line = Line("x", 0.0, "s", None, 3)
    assert line.reached is None
    assert table([line]).splitlines()[-1] == "| x | 0.00 s |  |  |"


def test_what_is_missing_is_shown_as_missing_with_its_reason_and_never_as_a_number():
    line = missing("MediaPipe's face mesh", "no module named mediapipe")
    assert line.value is None
    row = table([line]).splitlines()[-1]
    assert row == "| MediaPipe's face mesh (no module named mediapipe) | missing |  |  |"


def test_a_goal_without_a_value_is_not_reached_either_way():
    assert Line("x", None, "x", 2.0, 0, at_least=True).reached is None


@pytest.mark.parametrize(
    ("value", "unit", "shown"),
    [(212.4, "ms", "212 ms"), (99.96, "ms", "99.96 ms"), (1234.5, "MB", "1234 MB"),
     (212.4, "/s", "212.40 /s"), (0.126, "x", "0.13 x")],
)  # fmt: skip
def test_only_milliseconds_and_megabytes_of_three_digits_are_rounded_to_whole_ones(
    value, unit, shown
):
    assert f"| {shown} |" in table([Line("x", value, unit, None, 1)])


def test_the_table_keeps_the_order_of_its_lines():
    rows = table([Line(name, 1.0, "s", None, 1) for name in ("c", "a", "b")]).splitlines()
    assert [row.split()[1] for row in rows[2:]] == ["c", "a", "b"]


def test_photos_differ_in_light_cut_and_side():
    first, second = new_photo(0).astype(float), new_photo(1).astype(float)
    same_side = abs(first - second).mean()
    mirrored = abs(first - second[:, ::-1]).mean()
    assert mirrored < same_side  # the second is turned about its middle
    assert mirrored > 1.0


def test_the_machine_says_what_the_figures_depend_on():
    found = machine(2)
    assert (found["cores"], found["threads"]) == (os.cpu_count(), 2)
    assert found["torch"] == torch.__version__
    assert len(found["load_average"]) == 3
