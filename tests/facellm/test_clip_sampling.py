"""Which frames of a clip are sampled, and how times and losses are told."""

import numpy as np
import pytest
from clip_files import flat
from hypothesis import given
from hypothesis import strategies as st

from facellm.clip.frames import ClipFrame, Losses, clock, sampled, span


def made(times):
    return [ClipFrame(i, t, lambda: flat(0)) for i, t in enumerate(times)]


def test_the_first_frame_at_or_after_each_tick_is_taken():
    frames = made([0.0, 0.4, 0.5, 0.9, 1.1, 1.6, 2.0])
    assert [f.time for f in sampled(iter(frames), 2)] == [0.0, 0.5, 1.1, 1.6, 2.0]
    assert [f.index for f in sampled(iter(frames), 0)] == list(range(7))


def test_a_frame_shown_over_several_ticks_comes_once():
    assert [f.time for f in sampled(iter(made([0.0, 3.0, 6.0])), 2)] == [0.0, 3.0, 6.0]


@pytest.mark.parametrize(
    ("times", "taken"),
    [([0.0, 0.04], [0.0, 0.04]), ([0.0, 0.5, 0.6], [0.0, 0.5]), ([0.0, 0.5, 0.9], [0.0, 0.5, 0.9])],
)
def test_the_end_of_a_clip_is_always_seen(times, taken):
    assert [f.time for f in sampled(iter(made(times)), 2)] == taken


@given(st.lists(st.floats(0.001, 3), min_size=1, max_size=60), st.floats(0.1, 30, exclude_min=True))
def test_samples_are_frames_in_order_and_never_fewer_than_two_of_two(steps, fps):
    times = [0.0, *np.cumsum(steps)]
    found = list(sampled(iter(made(times)), fps))
    assert [f.time for f in found] == sorted({f.time for f in found})
    assert len(found) >= 2
    assert found[0].index == 0
    assert times[-1] - found[-1].time <= 0.5 / fps + 1e-6 or len(found) == 2


def test_clocks():
    assert [clock(t) for t in (0, 3.5, 59.97, 723.04, 3723.4)] == [
        "0:00.0", "0:03.5", "1:00.0", "12:03.0", "1:02:03.4",
    ]  # fmt: skip
    assert span(1.0, 1.02) == "at 0:01.0"
    assert span(1.0, 2.0) == "0:01.0 to 0:02.0"


def test_losses_count_and_keep_first_and_last():
    losses = Losses()
    for time in (5.0, 5.2, 6.0):
        losses.add("cannot be decoded", time)
    assert losses.lines() == ["3 times: cannot be decoded (0:05.0 to 0:06.0)"]
