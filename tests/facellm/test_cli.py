"""The command line: answers stream, JSON is complete, being stopped is quiet."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from cli_runs import start
from PIL import Image

from facellm.checkpoint import SHIPPED
from facellm.cli import NOTICE, VERBS, main, resolve

QUESTION = "What expression does this face show?"
TIMINGS = {"import", "load", "decode", "detect", "read", "first_word", "answer", "total"}


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
    from facellm.results import AnswerStream

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
    ("question", "intents"),
    [
        ("write me a poem", ("off_topic", "out_of_bounds")),  # either way it is declined in words
        ("who is this?", ("off_topic", "out_of_bounds")),
        ("is she lying?", ("off_topic", "out_of_bounds")),
        ("what expression does this face show?", ("expression",)),
    ],
)
def test_what_is_out_of_bounds_is_refused_in_words(capsys, photo, question, intents):
    assert main(["ask", str(photo), question, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["intent"] in intents
    assert len(found["answer"].split()) > 3
