"""How the rate goes: by hand for ten steps."""

import pytest

from facellm.train.loop.rates import rate_at, steps_of
from facellm.train.run_sections import ScheduleConfig


def rates(steps=10, **changes):
    schedule = ScheduleConfig(**{"warmup": 0.2} | changes)
    return [rate_at(schedule, step, steps) for step in range(steps)]


def test_warm_up_rises_to_the_peak_and_the_cosine_falls_to_the_floor():
    found = rates(floor=0.1)
    assert found[:3] == [0.5, 1.0, 1.0]
    assert found[6] == pytest.approx(0.1 + 0.9 * 0.5)  # half way down
    assert found[2:] == sorted(found[2:], reverse=True)
    assert rates(floor=0.1, steps=1000)[-1] == pytest.approx(0.1, abs=1e-5)


def test_a_constant_rate_stays():
    assert rates(decay="constant") == [0.5] + [1.0] * 9


def test_without_warm_up_the_first_step_is_at_the_peak():
    assert rates(warmup=0.0)[0] == 1.0


@pytest.mark.parametrize(
    ("given", "expected"),
    [({"steps": 7}, 7), ({"epochs": 1.5}, 6), ({"epochs": 0.3}, 2), ({"epochs": 0.01}, 1)],
)
def test_a_run_is_as_long_as_its_steps_or_its_epochs(given, expected):
    assert steps_of(ScheduleConfig(**given), 4) == expected
