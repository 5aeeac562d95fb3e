"""The engine's bench: turns on the clock, what the ratio is of, and an engine that is not there."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hand_clock import HandClock

from facellm.assistant import FaceAssistant
from facellm.bench_lines import table
from facellm.engine_file import EngineUnusable
from facellm.eval import bench_engine


@pytest.fixture
def clock(monkeypatch):
    return HandClock().put_into(monkeypatch, bench_engine)


def test_the_two_take_turns_and_the_first_turn_does_not_count(clock):
    order = []

    def run(name, seconds):
        def read():
            order.append(name)
            clock.spend(seconds if len(order) > 2 else 100.0)

        return read

    rates = bench_engine.side_by_side([run("torch", 4.0), run("engine", 1.0)], 8, 3)
    assert order == ["torch", "engine"] * 4
    assert rates == (2.0, 8.0)
    lines = bench_engine.pair_lines("x", rates, 3)
    assert [line.value for line in lines] == [2.0, 8.0, 4.0]


def test_one_slow_run_does_not_move_a_rate(clock):
    seconds = iter([9.0, 9.0, 2.0, 1.0, 50.0, 1.0, 2.0, 70.0])  # torch, engine, torch ...
    runs = [lambda: clock.spend(next(seconds))] * 2
    assert bench_engine.side_by_side(runs, 4, 3) == (2.0, 4.0)


class FakeEngine:
    """Takes so many seconds a crop and remembers the batches it was given."""

    detail = "a fake"

    def __init__(self, clock, seconds):
        self.clock, self.seconds, self.batches = clock, seconds, []

    def logprobs(self, pixels, landmarks):
        assert len(pixels) == len(landmarks)
        self.batches.append(len(pixels))
        self.clock.spend(self.seconds * len(pixels))


def fake_assistant(engine):
    """Finds one face wherever it is asked."""
    found = SimpleNamespace(face="a face")
    saved = SimpleNamespace(folder=Path("weights"), processor=SimpleNamespace(crop_size=8))
    return SimpleNamespace(engine=engine, checkpoint=saved, read=lambda photo: [found])


def test_the_goal_is_held_against_the_prefill_alone_and_landmarks_are_found_before(
    clock, monkeypatch
):
    torch_side, other = FakeEngine(clock, 4.0), FakeEngine(clock, 1.0)

    def see(_, crops):
        clock.spend(1000.0)  # landmarks: would drown every prefill
        return SimpleNamespace(pixel_values=crops, landmarks=crops)

    def read(_, engine, crops):
        clock.spend(2.0 * len(crops))
        engine.logprobs(crops, crops)

    monkeypatch.setattr(bench_engine, "OpenVinoEngine", lambda path: other)
    monkeypatch.setattr(bench_engine, "see_crops", see)
    monkeypatch.setattr(bench_engine, "read_crops", read)
    monkeypatch.setattr(bench_engine, "new_photo", lambda index: np.zeros((9, 9, 3), np.uint8))
    monkeypatch.setattr(bench_engine, "upright_crop", lambda photo, face, size: photo[:size, :size])
    lines = bench_engine.engine_lines(fake_assistant(torch_side), 2)
    assert torch_side.batches == [n for n in (*bench_engine.BATCHES, 32) for _ in range(3)]
    assert other.batches == torch_side.batches
    ratios = {line.name: line for line in lines if line.unit == "x"}
    held = [line for line in ratios.values() if line.goal is not None]
    assert [line.value for line in held] == [4.0] * len(bench_engine.BATCHES)
    assert all(line.at_least and line.reached for line in held)
    whole = ratios["landmarks and reading, batches of 32: engine over torch"]
    assert whole.value == pytest.approx((2 + 4) / (2 + 1))
    assert whole.goal is None


def test_an_engine_that_cannot_be_used_is_missing_and_says_why(clock, monkeypatch):
    def unusable(path):
        raise EngineUnusable(f"{path}: no such file", "write it")

    monkeypatch.setattr(bench_engine, "OpenVinoEngine", unusable)
    [line] = bench_engine.engine_lines(fake_assistant(FakeEngine(clock, 1.0)), 2)
    assert line.value is None
    assert "reading_int8.safetensors: no such file" in line.name
    assert "| missing |" in table([line])


def test_the_bench_holds_the_engine_against_its_goal(exported):
    assistant = FaceAssistant.load(exported.folder, engine="torch")
    lines = bench_engine.engine_lines(assistant, 1)
    ratios = [line for line in lines if line.goal is not None]
    assert len(ratios) == len(bench_engine.BATCHES)
    for line in ratios:
        assert line.reached == (line.value >= bench_engine.LEAST_RATIO)
        assert ">= 2 x" in table([line])
