"""The verbs and engines: what a table tells, what a run resumes with, what doctor says."""

from __future__ import annotations

import json
import sys

import numpy as np
import pandas as pd
import pytest
from cli_runs import refused

from facellm import assistant, block_reading
from facellm.cli import main
from facellm.doctor_command import MISSING, NOTE, OK, reading_engine
from facellm.engine_file import ENGINE
from facellm.engine_names import VARIABLE


@pytest.fixture(autouse=True)
def unset(monkeypatch):
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def no_openvino(monkeypatch):
    monkeypatch.setitem(sys.modules, "openvino", None)  # as if it were not installed


# --- the verbs ------------------------------------------------------------------------------------


def test_a_table_tells_its_engine_and_resumes_with_no_other(exported, photo, tmp_path):
    tables = {}
    for name in ("torch", "openvino"):
        out = tmp_path / f"{name}.csv"
        model = ("--model", str(exported.folder))
        assert main(["read", str(photo), "-o", str(out), "--engine", name, *model]) == 0
        manifest = json.loads((tmp_path / f"{name}.csv.manifest.json").read_text())
        assert manifest["engine"].startswith(f"{name} ")
        assert manifest["engine"] in manifest["methods"]
        tables[name] = pd.read_csv(out)
    numbers = [table.select_dtypes("number") for table in tables.values()]
    assert np.allclose(*numbers, atol=2e-3, equal_nan=True)  # columns are rounded


def test_a_run_goes_on_with_the_same_engine_only(exported, photo, tmp_path, monkeypatch, capsys):
    out = tmp_path / "t.csv"
    command = ["read", str(photo), "-o", str(out), "--model", str(exported.folder)]

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(block_reading, "read_block", stopped)
        assert main([*command, "--engine", "torch"]) == 130
    capsys.readouterr()
    said = refused(capsys, *command, "--resume", "--engine", "openvino")
    assert "engine was 'torch', is 'openvino'" in said


def test_verbs_for_one_picture_start_with_torch(exported, photo, monkeypatch):
    taken, real = [], assistant.choose_engine

    def watched(checkpoint, name):
        taken.append(name)
        return real(checkpoint, name)

    monkeypatch.setattr(assistant, "choose_engine", watched)
    model = ("--model", str(exported.folder), "--quiet")
    for verb, *more in (("ask",), ("read",), ("ask", "--engine", "openvino")):
        assert main([verb, str(photo), *more, *model]) == 0
    monkeypatch.setenv(VARIABLE, "openvino")
    assert main(["ask", str(photo), *model]) == 0
    assert taken == ["torch", "auto", "openvino", "openvino"]


# --- doctor ---------------------------------------------------------------------------------------


def test_doctor_tells_the_engine(exported, monkeypatch):
    found = reading_engine(exported.folder)
    assert (found.state, found.mend) == (OK, "")
    assert found.text.startswith("readings by openvino 20")
    monkeypatch.setenv(VARIABLE, "torch")
    assert reading_engine(exported.folder).text == f"readings by torch, as {VARIABLE} says"


def test_doctor_tells_why_it_is_torch_and_what_mends_it(tiny_checkpoint, monkeypatch):
    found = reading_engine(tiny_checkpoint)
    assert found.state == NOTE
    assert "readings by torch" in found.text
    assert str(tiny_checkpoint / ENGINE) in found.text
    assert "facellm.train.engine" in found.mend
    monkeypatch.setenv(VARIABLE, "openvino")
    assert reading_engine(tiny_checkpoint).state == MISSING


def test_doctor_names_the_package_that_is_missing(exported, no_openvino):
    found = reading_engine(exported.folder)
    assert found.state == NOTE
    assert "pip install 'openvino>=" in found.mend
