"""``facellm doctor`` tells what is there, what is missing and what mends it."""

import json
import sys
from importlib import metadata

import pytest

from facellm import detection, doctor_command
from facellm.checkpoint import NEEDED
from facellm.cli import main
from facellm.doctor_command import MISSING, NOTE, OK, examine


def test_a_complete_environment_is_all_right(tiny_checkpoint, capsys):
    assert main(["doctor", "--model", str(tiny_checkpoint)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(line.split()[0] in (OK, NOTE) for line in lines)
    assert any(f"torch {metadata.version('torch')}" in line for line in lines)
    assert any(str(tiny_checkpoint) in line and "sha256" in line for line in lines)


def test_json_holds_the_same_findings(tiny_checkpoint, capsys):
    assert main(["doctor", "--model", str(tiny_checkpoint), "--json"]) == 0
    findings = json.loads(capsys.readouterr().out)
    assert [f["text"] for f in findings] == [f.text for f in examine(tiny_checkpoint)]
    assert {f["state"] for f in findings} <= {OK, NOTE}


def test_missing_weights_are_named_and_end_with_one(tmp_path, capsys):
    assert main(["doctor", "--model", str(tmp_path)]) == 1
    last = capsys.readouterr().out.splitlines()[-1]
    assert last.startswith(MISSING)
    assert all(name in last for name in NEEDED)


@pytest.mark.parametrize(
    ("package", "version", "said"),
    [
        ("peft", None, "peft is not installed"),
        ("pillow", "9.1.0", "pillow 9.1.0 is installed, >=13.0.0 is needed"),
    ],
)
def test_a_needed_package_comes_with_its_command(monkeypatch, capsys, package, version, said):
    real = metadata.version

    def fake(name):
        if name != package:
            return real(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", fake)
    assert main(["doctor"]) == 1
    line = next(x for x in capsys.readouterr().out.splitlines() if x.startswith(MISSING))
    assert said in line
    assert f"-m pip install '{package}" in line


def test_an_absent_extra_is_a_note_only(monkeypatch, tiny_checkpoint, capsys):
    real = metadata.version

    def fake(name):
        if name == "scikit-learn":
            raise metadata.PackageNotFoundError(name)
        return real(name)

    monkeypatch.setattr(metadata, "version", fake)
    assert main(["doctor", "--model", str(tiny_checkpoint)]) == 0
    line = next(x for x in capsys.readouterr().out.splitlines() if "extra eval" in x)
    assert line.startswith(NOTE)
    assert "pip install 'scikit-learn" in line


def test_open_clip_is_to_be_installed_without_its_torchvision(monkeypatch):
    """The metadata of an installation, with the one line that matters here."""
    real, wanted = metadata.requires, "open_clip_torch>=3.3,<3.4; extra == 'open-clip'"
    monkeypatch.setattr(metadata, "requires", lambda name: [wanted])
    monkeypatch.setattr(doctor_command, "extra_of", lambda requirement: "open-clip")
    monkeypatch.setattr(doctor_command, "unmet", lambda requirement: "it is not installed")
    note = next(f for f in doctor_command.package_findings() if f.state == NOTE)
    assert "pip install --no-deps 'open_clip_torch" in note.mend
    assert any("open_clip_torch" in line and "open-clip" in line for line in real("facellm"))


def test_a_torchvision_that_does_not_fit_is_to_go(monkeypatch, tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator nms does not exist')")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "torchvision", raising=False)
    real = metadata.version
    monkeypatch.setattr(
        metadata, "version", lambda name: "0.28.0" if name == "torchvision" else real(name)
    )
    found = doctor_command.torchvision()
    assert found.state == MISSING
    assert "torchvision 0.28.0 does not fit torch (operator nms" in found.text
    assert "open_clip included" in found.text
    assert "uninstall -y torchvision" in found.mend


def test_an_opencv_without_cascades_is_found(monkeypatch, tiny_checkpoint):
    monkeypatch.setattr(detection, "FRONTAL", "no_such_cascade.xml")
    found = [f for f in examine(tiny_checkpoint) if f.state == MISSING]
    assert len(found) == 1
    assert "no_such_cascade.xml" in found[0].text
