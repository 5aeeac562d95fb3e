"""The command line: answers stream, JSON is complete, every bad input is one clear line."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file, save_file

from facellm.checkpoint import NEEDED, SHIPPED
from facellm.cli import LONGEST_MESSAGE, NOTICE, VERBS, main, report, resolve

QUESTION = "What expression does this face show?"
TIMINGS = {"import", "load", "decode", "detect", "read", "first_word", "answer", "total"}


def start(*arguments, stdin=None, **options):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "facellm", *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        **options,
    )


def refused(capsys, *arguments):
    """Run in this process; the error line of a run that must exit with 2."""
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("facellm: error: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    return printed.err


# --- good runs ------------------------------------------------------------------------------------


def test_every_verb_can_be_found():
    assert all(callable(resolve(place)) for place in VERBS.values())


def test_help_and_version_import_nothing_heavy():
    code = (
        "import sys; from facellm.cli import main; main(['--help']); main(['--version']);"
        "main(['ask', '/no/such/picture.jpg']);"
        "sys.exit(any(name in sys.modules for name in ('torch', 'transformers', 'pandas')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "facellm ask photo.jpg" in done.stdout
    assert "facellm 0." in done.stdout


def test_help_of_a_verb_has_examples(capsys):
    for verb in VERBS:
        with pytest.raises(SystemExit) as stopped:
            main([verb, "--help"])
        assert stopped.value.code == 0
        assert f"facellm {verb}" in capsys.readouterr().out.split("examples:")[1]


def test_an_answer_streams_to_stdout_and_stderr_holds_the_notice_alone(tiny_checkpoint, photo):
    process = start("ask", photo, QUESTION, "--model", tiny_checkpoint)
    out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert out.strip()
    assert out.endswith(b"\n")
    assert err.decode() == NOTICE + "\n"


def test_pieces_are_flushed_as_they_come(tiny_checkpoint, photo, monkeypatch):
    from facellm.ask_command import write
    from facellm.assistant import AnswerStream

    events = []

    class Recorder:
        def write(self, text):
            events.append(text)

        def flush(self):
            events.append("flush")

    monkeypatch.setattr(sys, "stdout", Recorder())
    write(AnswerStream(iter([" The", " face", " smiles."])))
    assert events == ["The", "flush", " face", "flush", " smiles.", "flush", "\n", "flush"]


def test_json_is_complete(capsys, tiny_checkpoint, photo):
    assert main(["ask", str(photo), "--json", QUESTION, "--model", str(tiny_checkpoint)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    found = json.loads(printed.out)
    assert set(found) == {"answer", "intent", "faces", "usage", "timings", "notice"}
    assert set(found["usage"]) == {"faces", "crops", "tokens", "size"}
    assert found["usage"]["size"] == [512, 512]
    assert set(found["timings"]) == TIMINGS
    assert [face["id"] for face in found["faces"]] == [1]
    left, top, right, bottom = found["faces"][0]["box_xyxy"]
    assert 0 <= left < right <= 512
    assert 0 <= top < bottom <= 512
    assert 0 < found["faces"][0]["landmark_quality"] <= 1
    reading = found["faces"][0]["reading"]
    assert abs(sum(reading["expression"].values()) - 1) < 1e-6
    assert {"action_units", "age", "gender", "pose", "gaze", "scope", "abstain"} <= set(reading)


def test_the_stream_joined_is_the_answer(capsys, tiny_checkpoint, photo):
    arguments = ["ask", str(photo), QUESTION, "--quiet", "--model", str(tiny_checkpoint)]
    assert main(arguments) == 0
    streamed = capsys.readouterr().out
    assert main([*arguments, "--json"]) == 0
    assert streamed.strip() == json.loads(capsys.readouterr().out)["answer"]


def test_faces_are_numbered_left_to_right(capsys, tiny_checkpoint, photo, tmp_path):
    with Image.open(photo) as picture:
        pixels = np.asarray(picture)
    pair = tmp_path / "pair.png"
    Image.fromarray(np.concatenate([pixels[:, ::-1], pixels], axis=1)).save(pair)
    assert main(["ask", str(pair), "--json", "--model", str(tiny_checkpoint)]) == 0
    faces = json.loads(capsys.readouterr().out)["faces"]
    assert [face["id"] for face in faces] == [1, 2]
    assert faces[0]["box_xyxy"][0] < faces[1]["box_xyxy"][0]


def test_crops_skip_detection(capsys, tiny_checkpoint, plain_wall):
    arguments = ["ask", str(plain_wall), "--json", "--model", str(tiny_checkpoint)]
    assert main(arguments) == 0
    assert json.loads(capsys.readouterr().out)["usage"]["faces"] == 0
    assert main([*arguments, "--crops"]) == 0
    assert json.loads(capsys.readouterr().out)["usage"]["faces"] == 1


def test_quiet_drops_the_notice(capsys, tiny_checkpoint, photo):
    assert main(["ask", str(photo), "--quiet", "--model", str(tiny_checkpoint)]) == 0
    assert capsys.readouterr().err == ""


def test_a_picture_may_come_on_standard_input(tiny_checkpoint, photo):
    with photo.open("rb") as stream:
        process = start("ask", "-", "--json", "--model", tiny_checkpoint, stdin=stream)
        out, err = process.communicate(timeout=180)
    assert process.returncode == 0, err
    assert json.loads(out)["usage"]["size"] == [512, 512]


# --- bad input ------------------------------------------------------------------------------------


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
    for data, reason in ((b"", b"empty"), (b"this is not a picture", b"not a picture")):
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


# --- being stopped --------------------------------------------------------------------------------


def wait_for_torch(process: subprocess.Popen[bytes]) -> None:
    """Return once torch's library is mapped: a fixed sleep is too short on a busy machine."""
    maps = Path(f"/proc/{process.pid}/maps")
    for _ in range(600):
        if not maps.exists():  # no /proc here
            time.sleep(4)
            return
        if "libtorch" in maps.read_text():
            return
        time.sleep(0.1)
    pytest.fail("torch was not imported within a minute")


def test_interruption_is_130_without_a_traceback(tiny_checkpoint, photo):
    process = start("ask", photo, "--model", tiny_checkpoint, start_new_session=True)
    wait_for_torch(process)  # inside the imports, where a person would lose patience
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == b"facellm: error: interrupted\n"


def test_a_closed_pipe_is_quiet(tiny_checkpoint, photo):
    process = start("ask", photo, "--quiet", "--model", tiny_checkpoint)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    assert process.wait(timeout=180) == 141


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="optional: no /dev/full here")
def test_a_full_disk_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "facellm", "--help"], stdout=full, stderr=subprocess.PIPE
        )
    assert done.returncode == 2
    assert done.stderr.startswith(b"facellm: error: ")
    assert done.stderr.count(b"\n") == 1


# --- the shipped weights --------------------------------------------------------------------------


@pytest.mark.skipif(
    not (SHIPPED / "config.json").is_file(), reason="optional: the default model is not trained yet"
)
@pytest.mark.parametrize(
    ("question", "intent"),
    [
        ("write me a poem", "off_topic"),
        ("who is this?", "out_of_bounds"),
        ("is she lying?", "out_of_bounds"),
        ("what expression does this face show?", "expression"),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_words(capsys, photo, question, intent):
    assert main(["ask", str(photo), question, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["intent"] == intent
    assert len(found["answer"].split()) > 3
