"""The bench of tables: what the stages add up to, what a ratio is of, who stands in for whom."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from hand_clock import HandClock
from transformers import ConvNextV2Config, ConvNextV2Model

from facellm.bench_lines import table
from facellm.errors import FaceLLMError
from facellm.eval import bench_tables

PATHS = [Path(f"{index:02}.jpg") for index in range(4)]


@pytest.fixture
def clock(monkeypatch):
    return HandClock().put_into(monkeypatch, bench_tables)


@pytest.fixture
def assistant(clock, monkeypatch):
    """Decoding takes 1 s a picture, detection 2, a crop .5, reading 3 a crop; five faces each.

    The first run of all is a hundred times as slow.
    """
    runs = []

    def load(path):
        runs.append(path)
        clock.spend(1.0 if len(runs) > len(PATHS) else 100.0)
        return np.zeros((8, 8, 3), np.uint8)

    def read(crops):
        fake.batches.append(len(crops))
        clock.spend(3.0 * len(crops))
        return [None] * len(crops)

    def cut(picture, face, size):
        clock.spend(0.5)
        return picture

    def detect(picture):
        clock.spend(2.0)
        return ["a face"] * 5

    monkeypatch.setattr(bench_tables, "load_image", load)
    monkeypatch.setattr(bench_tables, "upright_crop", cut)
    processor = SimpleNamespace(crop_size=8)
    fake = SimpleNamespace(
        checkpoint=SimpleNamespace(processor=processor),
        detector=SimpleNamespace(detect=detect),
        read_crops=read,
        batches=[],
    )
    return fake


def by_name(lines):
    return {line.name: line for line in lines}


def test_every_second_of_a_run_belongs_to_one_stage(assistant, clock):
    seconds, faces = bench_tables.stage_seconds(assistant, PATHS, 3)
    assert faces == 20
    assert seconds == {"decode": [4.0] * 3, "detect": [8.0] * 3, "read": [10.0 + 60.0] * 3}
    warm_up = 400.0 + 8.0 + 70.0
    assert clock.now == warm_up + sum(map(sum, seconds.values()))


def test_faces_are_read_sixteen_at_once_over_the_borders_of_pictures(assistant):
    bench_tables.stage_seconds(assistant, PATHS, 1)
    assert assistant.batches == [16, 4] * 2


def test_the_shares_of_decoding_detection_and_reading_add_up_to_the_whole():
    seconds = {"decode": [1.0, 9.0, 2.0], "detect": [3.0, 3.0, 30.0], "read": [5.0, 4.0, 6.0]}
    lines = bench_tables.stage_lines(seconds, 32)
    pictures = {line.name: line.value for line in lines if line.unit == " pictures/s"}
    faces = {line.name: line.value for line in lines if line.unit == " faces/s"}
    n = bench_tables.PICTURES
    assert pictures["decoding alone"] == n / 2  # the median, not the mean, of 1, 9, 2
    assert pictures["detection alone"] == n / 3
    assert faces["reading alone"] == 32 / 5
    spent = 1 / pictures["decoding alone"] + 1 / pictures["detection alone"]
    spent += 32 / n / faces["reading alone"]
    assert 1 / pictures["read, 1 MP photographs"] == pytest.approx(spent)
    assert faces["read, 1 MP photographs"] == 32 / (2 + 3 + 5)
    assert {line.runs for line in lines} == {3}


def test_a_stand_in_is_named_as_one_and_the_ratio_is_ours_over_it(assistant, clock, monkeypatch):
    def stand_in(seconds):
        return lambda count: clock.spend(seconds * count)

    fakes = {name: stand_in(cost) for name, cost in (("slow", 30.0), ("fast", 1.5), ("same", 3.0))}
    monkeypatch.setattr(bench_tables, "stand_ins", lambda: fakes)
    lines = bench_tables.network_lines([np.zeros((8, 8, 3), np.uint8)] * 4, assistant, 3)
    ours, *others = lines
    assert ours.value == pytest.approx(1 / 3)
    assert "stand-in" not in ours.name
    assert all("stand-in of" in line.name for line in others)
    named = ["slow", "slow", "fast", "fast", "same", "same"]
    assert [line.name.rpartition(" ")[2] for line in others] == named  # always in this order
    rates = [line.value for line in others if line.unit == "/s"]
    ratios = [line.value for line in others if line.unit == "x"]
    assert rates == pytest.approx([1 / 30, 1 / 1.5, 1 / 3])
    assert ratios == pytest.approx([10.0, 0.5, 1.0])


def test_a_tool_nobody_named_is_missing_and_not_0():
    [line] = bench_tables.mediapipe_lines(None, PATHS, [1.0, 2.0])
    assert line.value is None
    assert "--mediapipe" in line.name
    assert "| missing |" in table([line])


def script(path, text):
    """Something that can be called as a Python."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("echo Traceback >&2; echo 'ModuleNotFoundError: mediapipe' >&2; exit 1", "NotFoundError"),
        ("exit 3", "exit code 3"),
    ],
)
def test_a_tool_that_fails_is_missing_with_its_last_word(tmp_path, text, said):
    python = script(tmp_path / "python", text)
    [line] = bench_tables.mediapipe_lines(python, PATHS, [1.0])
    assert line.value is None
    assert said in line.name
    assert str(python) in line.name


def test_a_python_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FaceLLMError, match="no-python: No such file"):
        bench_tables.mediapipe_seconds(tmp_path / "no-python", PATHS, 1)
    assert bench_tables.mediapipe_lines(tmp_path / "no-python", PATHS, [1.0])[0].value is None


def test_a_tool_that_runs_is_held_against_our_detection_on_as_many_pictures(tmp_path):
    answer = json.dumps({"seconds": [8.0, 2.0, 4.0], "faces": 4})
    python = script(tmp_path / "python", f"echo a warning\necho '{answer}'")
    theirs, ratio = bench_tables.mediapipe_lines(python, PATHS, [1.0, 2.0, 90.0])
    assert theirs.value == len(PATHS) / 4.0
    assert ratio.value == 4.0 / 2.0
    assert theirs.runs == ratio.runs == 3


def test_the_whole_bench_of_tables_says_what_is_missing(assistant, monkeypatch):
    monkeypatch.setattr(bench_tables, "PICTURES", 4)
    monkeypatch.setattr(bench_tables, "stand_ins", dict)
    lines = by_name(bench_tables.table_lines(assistant, 2))
    assert lines["decoding alone"].value == 1.0
    assert lines["detection alone"].value == 0.5
    assert sum(line.value is None for line in lines.values()) == 1


def parameters(network):
    return sum(values.numel() for values in network.parameters())


def test_stand_ins_are_as_large_as_what_they_stand_for():
    """VGG-16 with 1,000 outputs has 138,357,544 weights (Simonyan & Zisserman's table 2: 138 M);
    deepface's expression network 1,485,831 by Keras' own summary; ConvNeXt V2 Tiny 28.6 M with its
    head of 1,000 outputs (Woo et al., table 9)."""
    with torch.device("meta"):
        assert parameters(bench_tables.VggFace(1000)) == 138_357_544
        assert parameters(bench_tables.small_expression_network()) == 1_485_831
        config = ConvNextV2Config(depths=bench_tables.DEPTHS, hidden_sizes=bench_tables.WIDTHS)
        head = 768 * 1000 + 1000
        assert parameters(ConvNextV2Model(config)) + head == pytest.approx(28.6e6, rel=0.005)


def test_stand_ins_take_crops_of_the_size_they_say():
    pixels = torch.zeros(2, 3, 224, 224, device="meta")
    with torch.device("meta"):
        assert bench_tables.VggFace(101)(pixels).shape == (2, 101)
        grey = torch.zeros(2, 1, 48, 48)
        assert bench_tables.small_expression_network()(grey).shape == (2, 7)
