"""Engines: which one is taken, what is refused and with which words, and that nothing is sent."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from cli_runs import refused
from engines import needs_openvino

from facellm import engine_names
from facellm.assistant import FaceAssistant
from facellm.calibrated import CalibratedAssistant
from facellm.engine_file import ENGINE, EngineFile, EngineUnusable, source_digest
from facellm.engine_names import VARIABLE, usual_engine
from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.neutral import baseline_from, sight
from facellm.openvino_engine import REQUIREMENT

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def folder(exported, tmp_path):
    """Exported weights that a test may damage."""
    return exported.copy_to(tmp_path / "weights")


@pytest.fixture
def no_openvino(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed


# --- choosing -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "taken"), [(None, "openvino"), ("auto", "openvino"), ("torch", "torch")]
)
def test_the_fastest_engine_there_is_is_the_default(exported, given, taken):
    assert FaceAssistant.load(exported.folder, engine=given).engine.name == taken


def test_the_variable_counts_where_nothing_is_given(exported, monkeypatch):
    monkeypatch.setenv(VARIABLE, "torch")
    assert FaceAssistant.load(exported.folder).engine.name == "torch"
    assert FaceAssistant.load(exported.folder, engine="auto").engine.name == "openvino"


def test_unknown_engines_are_refused_before_anything_is_loaded(tmp_path, monkeypatch, capsys):
    with pytest.raises(FaceLLMError, match="engine 'tpu': must be one of auto, torch, openvino"):
        FaceAssistant.load(tmp_path / "nowhere", engine="tpu")
    monkeypatch.setenv(VARIABLE, "tpu")
    with pytest.raises(FaceLLMError, match=f"{VARIABLE}=tpu: must be one of"):
        usual_engine()
    assert "invalid choice: 'tpu'" in refused(capsys, "read", "x.jpg", "--engine", "tpu")


def other_weights(folder):
    config = folder / "config.json"
    config.write_text(config.read_text() + "\n")


def cut_off(folder):
    path = folder / ENGINE
    path.write_bytes(path.read_bytes()[:2000])


def no_safetensors(folder):
    (folder / ENGINE).write_text("not an engine")


def another_kind(folder):
    (folder / ENGINE).write_bytes((folder / "landmarks.safetensors").read_bytes())


def no_file(folder):
    (folder / ENGINE).unlink()


def no_model(folder):
    path = folder / ENGINE
    replace(EngineFile.load(path), graph="<net>").save(path)


DAMAGES = {
    other_weights: "made from other weights",
    cut_off: "cannot be read",
    no_safetensors: "cannot be read",
    another_kind: "cannot be read",
    no_file: "no such file",
    no_model: "cannot be used by openvino",
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_an_unusable_file_is_refused_by_name_and_passed_over_by_auto(folder, damage):
    damage(folder)
    with pytest.raises(EngineUnusable, match=DAMAGES[damage]) as error:
        FaceAssistant.load(folder, engine="openvino")
    assert str(folder / ENGINE) in str(error.value)
    assert f"facellm.train.engine --model {folder}" in error.value.mend
    assert FaceAssistant.load(folder).engine.name == "torch"


def test_without_the_package_the_command_that_installs_it_is_told(exported, no_openvino):
    with pytest.raises(EngineUnusable, match=r"pip install 'openvino>="):
        FaceAssistant.load(exported.folder, engine="openvino")
    assert FaceAssistant.load(exported.folder).engine.name == "torch"


def test_every_file_that_decides_a_reading_is_in_the_digest(tiny_checkpoint, tmp_path):
    folder = shutil.copytree(tiny_checkpoint, tmp_path / "weights")
    seen = {source_digest(folder)}
    for name in ("config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"):
        path = folder / name
        path.write_bytes(path.read_bytes() + b"\n")
        seen.add(source_digest(folder))
    (folder / "adapter").mkdir()
    (folder / "adapter" / "adapter_model.safetensors").write_bytes(b"x")
    seen.add(source_digest(folder))
    assert len(seen) == 6
    calibration = folder / "calibration.json"
    calibration.write_text(calibration.read_text() + "\n")
    assert source_digest(folder) in seen  # thresholds decide nothing here


def test_the_packages_asked_for_are_those_of_the_project():
    from facellm.train.engine import REQUIREMENT as NNCF

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = extras["optional-dependencies"]
    assert extras["engine"] == [REQUIREMENT]
    assert extras["quantize"] == [REQUIREMENT, NNCF]


# --- reading --------------------------------------------------------------------------------------


def test_both_engines_read_a_photograph_alike(exported, photo):
    first, second = (
        FaceAssistant.load(exported.folder, engine=name).read(photo)
        for name in ("torch", "openvino")
    )
    assert len(first) == len(second) > 0
    for left, right in zip(first, second, strict=True):
        assert left.reading.pose == right.reading.pose
        for name, share in left.reading.expression.items():
            assert right.reading.expression[name] == pytest.approx(share, abs=1e-4)


def test_a_calibrated_assistant_keeps_the_engine(exported, photo):
    assistant = FaceAssistant.load(exported.folder)
    pixels = load_image(photo)
    frames = [(str(index), np.roll(pixels, index, axis=1)) for index in range(6)]
    baseline = baseline_from(sight(assistant, frames), assistant.checkpoint, "test")
    assert CalibratedAssistant(assistant, baseline).engine is assistant.engine


def test_an_assistant_made_by_hand_is_on_torch(loaded):
    assert FaceAssistant(loaded).engine.name == "torch"


# --- silence --------------------------------------------------------------------------------------

SILENT = """
import socket, sys
def refuse(*_, **__):
    raise AssertionError("a socket was opened")
socket.socket.connect = socket.create_connection = socket.getaddrinfo = refuse
from facellm.openvino_engine import openvino_module
openvino_module().Core()
from openvino.tools.ovc import telemetry_utils
print(telemetry_utils.tm.__name__, sys.modules["openvino_telemetry"])
"""


@needs_openvino
def test_openvino_reports_nothing_to_anybody(tmp_path):
    """Its package reports every import to a web service; here that part is not even loaded."""
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", SILENT],
        capture_output=True,
        text=True,
        env={**os.environ, "HOME": str(home)},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["openvino.tools.ovc.telemetry_stub", "None"]
    assert list(home.iterdir()) == []  # no identity was made up


def test_names_are_light():
    """Parsers name the engines; a ``--help`` must not load torch."""
    code = "import sys, facellm.engine_names; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert engine_names.ENGINES == ("auto", "torch", "openvino")
