"""Bad input of the command line: every one is a clear line on stderr and exit code 2."""

import json
import shutil
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from cli_runs import refused, start
from PIL import Image
from safetensors.numpy import load_file, save_file

from facellm.checkpoint import NEEDED
from facellm.cli import LONGEST_MESSAGE, report


def bad_pictures(folder: Path) -> dict[str, bytes | None]:
    """Files that are no usable picture -> a part of the message that says why."""
    whole = folder / "whole.jpg"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(whole)
    data = whole.read_bytes()
    return {
        "empty.jpg": b"",
        "truncated.jpg": data[: len(data) // 2],
        "notes.txt": b"this is not a picture",
        "zeros.png": bytes(1000),
    }


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("empty.jpg", "the file is empty"),
        ("truncated.jpg", "cut off or damaged"),
        ("notes.txt", "not a picture"),
        ("zeros.png", "not a picture"),
    ],
)
def test_unusable_pictures_are_refused(capsys, tmp_path, name, reason):
    path = tmp_path / name
    path.write_bytes(bad_pictures(tmp_path)[name])
    message = refused(capsys, "ask", path)
    assert reason in message
    assert str(path) in message


def test_missing_file_and_folder_are_refused(capsys, tmp_path):
    assert "no such file" in refused(capsys, "ask", tmp_path / "nope.jpg")
    assert "is a folder" in refused(capsys, "ask", tmp_path)


def test_wrong_arguments_are_refused(capsys, photo):
    assert "no verb given" in refused(capsys)
    assert "unknown verb 'aks'" in refused(capsys, "aks", photo)
    assert "PHOTO" in refused(capsys, "ask")
    assert "--jsn" in refused(capsys, "ask", photo, "--jsn")


def test_unusable_standard_input_is_refused():
    for data, reason in (
        (b"", b"empty"),
        (b"this is not a picture", b"neither a picture nor a clip"),
    ):
        process = start("ask", "-", stdin=subprocess.PIPE)
        _, err = process.communicate(data, timeout=60)
        assert process.returncode == 2
        assert err.startswith(b"facellm: error: standard input: ")
        assert reason in err


def test_over_long_question_is_refused(capsys, photo, tiny_checkpoint):
    message = refused(capsys, "ask", photo, "why " * 400, "--model", tiny_checkpoint)
    assert "the bound is 1000" in message


def broken(folder: Path, kind: str) -> None:
    """Change a checkpoint folder so that this version cannot use it."""
    weights = load_file(folder / "model.safetensors")
    names = sorted(weights)
    if kind == "tensor missing":
        save_file({n: weights[n] for n in names[1:]}, folder / "model.safetensors")
    elif kind == "tensor too many":
        save_file({**weights, "new.weight": weights[names[0]]}, folder / "model.safetensors")
    elif kind == "other sizes":
        config = json.loads((folder / "config.json").read_text())
        config["text_config"]["intermediate_size"] = 96
        (folder / "config.json").write_text(json.dumps(config))
    elif kind == "weights cut off":
        data = (folder / "model.safetensors").read_bytes()
        (folder / "model.safetensors").write_bytes(data[: len(data) // 2])
    elif kind == "config not JSON":
        (folder / "config.json").write_text("{")
    elif kind == "calibration of another version":
        (folder / "calibration.json").write_text('{"threshold": 1}')
    elif kind == "landmarks of another version":
        stored = load_file(folder / "landmarks.safetensors")
        stored["stem.0.weight"] = stored["stem.0.weight"][:16]
        save_file(stored, folder / "landmarks.safetensors")
    elif kind == "no tokenizer":
        (folder / "tokenizer.json").unlink()
        (folder / "tokenizer.model").unlink()
    else:
        (folder / kind).unlink()


KINDS = [
    "tensor missing",
    "tensor too many",
    "other sizes",
    "weights cut off",
    "config not JSON",
    "calibration of another version",
    "landmarks of another version",
    "no tokenizer",
    *NEEDED,
]


@pytest.mark.parametrize("kind", KINDS)
def test_weights_of_another_version_are_refused(capsys, photo, tiny_checkpoint, tmp_path, kind):
    folder = tmp_path / "weights"
    shutil.copytree(tiny_checkpoint, folder)
    broken(folder, kind)
    assert str(folder) in refused(capsys, "ask", photo, "--model", folder)


def test_no_weights_at_all_are_refused_before_torch_is_imported(photo, tmp_path):
    begun = time.monotonic()
    process = start("ask", photo, "--model", tmp_path)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert b"not a facellm checkpoint" in err
    assert time.monotonic() - begun < 5


def test_a_long_message_is_one_line(capsys):
    report("a\nb\n\tc" + "d" * 1000)
    line = capsys.readouterr().err
    assert line.startswith("facellm: error: a b cddd")
    assert line.count("\n") == 1
    assert len(line) < LONGEST_MESSAGE + 30
