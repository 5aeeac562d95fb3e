"""The bench of clips: growth on timings of known exponents, and what the clips hold."""

import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from facellm.errors import FaceLLMError

pytest.importorskip("av", reason="PyAV is not installed: pip install 'facellm[clip]'")

from facellm.clip.opening import open_clip
from facellm.eval import bench_clips, measured_process


@pytest.mark.parametrize("exponent", [0.0, 0.5, 1.0, 1.3])
def test_growth_of_a_power_is_that_power_over_linear(exponent):
    cost = {size: 7.0 * size**exponent for size in (1, 2, 16)}
    assert bench_clips.growth(cost) == pytest.approx(16 ** (exponent - 1))


def test_growth_takes_the_smallest_and_the_largest_in_whatever_order():
    assert bench_clips.growth({8.0: 4.0, 2.0: 2.0, 4.0: 99.0}) == (4 / 2) / (8 / 2)


def test_growth_of_one_size_is_an_error():
    with pytest.raises(FaceLLMError, match="two sizes"):
        bench_clips.growth({3.0: 1.0})


@pytest.fixture
def written(monkeypatch):
    """Names of clips that would be written, with their seconds."""
    found = {}

    def write(path, picture, seconds):
        found[path.name] = seconds

    monkeypatch.setattr(bench_clips, "write_clip", write)
    monkeypatch.setattr(bench_clips, "crowd", lambda count: None)
    return found


def fake_clip(monkeypatch, exponent, seen=lambda count: count):
    """``clip_seconds`` of 10 frames: 2 s times faces to the power; first 100 s, one of 3 slow."""
    calls = {}

    def seconds(assistant, path, fps):
        count = int(path.stem.removeprefix("faces"))
        turn = calls[count] = calls.get(count, -1) + 1
        taken = (100.0, 2.0, 50.0, 2.0)[turn] * count**exponent
        return taken, 10, 10 * seen(count)

    monkeypatch.setattr(bench_clips, "clip_seconds", seconds)
    return calls


@pytest.mark.parametrize("exponent", [0.5, 1.0])
def test_faces_cost_their_exponent_by_medians_without_the_first_run(monkeypatch, exponent, written):
    calls = fake_clip(monkeypatch, exponent)
    *rates, growth = bench_clips.face_lines(SimpleNamespace(), Path("x"), 3)
    assert calls == dict.fromkeys(bench_clips.FACES, 3)
    expected = [5.0 / count**exponent for count in bench_clips.FACES]
    assert [line.value for line in rates] == pytest.approx(expected)
    assert growth.value == pytest.approx(16 ** (exponent - 1))
    assert growth.reached == (exponent < 1)
    assert "1 -> 16 faces" in growth.name


def test_faces_that_are_overlooked_do_not_make_the_growth_look_small(monkeypatch, written):
    fake_clip(monkeypatch, 0.0, seen=lambda count: min(count, 4))
    *rates, growth = bench_clips.face_lines(SimpleNamespace(), Path("x"), 3)
    assert rates[-1].name == "clip, 16 faces (4.0 found)"
    assert growth.value == pytest.approx(1 / 4)  # the same cost for 4 times the faces, not for 16


def test_a_clip_in_which_no_face_is_found_gives_no_figure(monkeypatch, written):
    fake_clip(monkeypatch, 1.0, seen=lambda count: 0)
    with pytest.raises(FaceLLMError, match="none of the 1 faces"):
        bench_clips.face_lines(SimpleNamespace(), Path("x"), 3)


def test_minutes_are_those_of_the_clips_and_memory_is_compared_too(monkeypatch, written):
    runs = {"minutes1.mp4": [(8.0, 500.0), (6.0, 500.0), (90.0, 500.0)]}
    runs["minutes10.mp4"] = [(20.0, 600.0)] * 3
    monkeypatch.setattr(bench_clips, "command_seconds", lambda path: runs[path.name].pop())
    one, ten, growth, memory = bench_clips.minute_lines(Path("x"), 3)
    assert written == {"minutes1.mp4": 60, "minutes10.mp4": 600}
    assert (one.value, ten.value) == (8.0, 20.0)
    assert growth.value == pytest.approx(20 / 8 / 10)
    assert growth.goal == bench_clips.GOAL
    assert memory.value == pytest.approx(1.2)
    assert not any(runs.values())


def test_the_commands_memory_is_told_in_megabytes(monkeypatch):
    unit = 1024 * 1024 if sys.platform == "darwin" else 1
    told = f"rows\n{512 * 1024 * unit}"
    done = subprocess.CompletedProcess([], 0, told, "")
    monkeypatch.setattr(measured_process.subprocess, "run", lambda *_, **__: done)
    assert bench_clips.command_seconds(Path("c.mp4"))[1] == 512


def test_a_command_that_fails_gives_its_own_words_and_no_time(monkeypatch):
    done = subprocess.CompletedProcess([], 2, "99\n", "facellm: error: no.mp4: no such file")
    monkeypatch.setattr(measured_process.subprocess, "run", lambda *_, **__: done)
    with pytest.raises(FaceLLMError, match=r"read no\.mp4 .*exit code 2: .*no such file"):
        bench_clips.command_seconds(Path("no.mp4"))


def test_a_crowd_has_as_many_places_with_something_in_them():
    cell = bench_clips.SIDE // 4
    for count in bench_clips.FACES:
        picture = bench_clips.crowd(count)
        cells = picture.reshape(4, cell, 4, cell, 3).transpose(0, 2, 1, 3, 4)
        filled = [bool(np.ptp(place)) for place in cells.reshape(16, -1)]
        assert filled == [True] * count + [False] * (16 - count)


def test_a_clip_lasts_as_long_as_it_says_and_moves(tmp_path):
    bench_clips.write_clip(tmp_path / "c.mp4", bench_clips.crowd(1), 1.5)
    frames = list(open_clip(tmp_path / "c.mp4").frames())
    assert len(frames) == 1.5 * bench_clips.RATE
    assert frames[-1].time == pytest.approx(1.5 - 1 / bench_clips.RATE)
    moved = np.abs(frames[0].pixels().astype(int) - frames[-1].pixels())
    assert moved.max() > 50
