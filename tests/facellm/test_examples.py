"""Every command that a help text or a page shows is run, in a folder that has what it names."""

import io
import shutil
import subprocess
import sys
from pathlib import Path

import example_evals
import example_sets
import numpy as np
import pytest
from adapt_toys import WholeFace, write_faces
from clip_files import write_gif, write_video
from example_commands import (
    PAGES,
    ROOT,
    all_examples,
    commands_of_page,
    examples_of_help,
    parser_for,
    python_blocks,
    split,
    without_remark,
)
from gateways import new_house, serving_house
from openai_endpoint import serving
from PIL import Image
from train_corpora import face_corpus, face_records

from facellm.assistant import FaceAssistant
from facellm.checkpoint import SHIPPED
from facellm.cli import VERBS, main, parser_of

EXAMPLES = all_examples()
ENDPOINT = "http://localhost:8000/v1"  # of the examples
GATEWAY = "http://localhost:8000"


@pytest.fixture(scope="module")
def folder(photo, tiny_checkpoint, tmp_path_factory):
    """What the examples name: pictures, folders of them, clips, a folder of weights."""
    folder = tmp_path_factory.mktemp("examples")
    with Image.open(photo) as picture:
        half = picture.resize((256, 256))
        crop = picture.crop((160, 40, 300, 220))
    half.save(folder / "photo.jpg", quality=92)
    crop.save(folder / "face.png")
    for name, shown, ending in (
        ("holiday", half, "jpg"),
        ("shots", half, "png"),
        ("faces", crop, "png"),
        ("me", half, "png"),
        ("session", half, "png"),
    ):
        (folder / name).mkdir()
        for number in range(1, 6 if name in ("me", "faces") else 3):
            shown.save(folder / name / f"{number}.{ending}")
    frames = [np.roll(np.asarray(half), shift, 1) for shift in (0, 2, 4, 6, 8)]
    for name in ("clip.mp4", "clip.webm"):
        write_video(folder / name, frames, rate=5)
    write_video(folder / "person.mp4", frames, rate=2)
    for name in ("me.jpg", "today.jpg"):
        half.save(folder / name, quality=92)
    write_gif(folder / "clip.gif", frames, 200)
    shutil.copytree(tiny_checkpoint, folder / "my-weights")
    write_faces(folder, 70, name="hair.csv")
    (folder / "corpus.yaml").write_text(CORPUS)
    (folder / "keys.txt").write_text("a-key-of-an-example\n")
    records = [
        r for split in ("train", "valid") for r in face_records(2, source=split, split=split)
    ]
    face_corpus(folder / "faces-data", records)
    (folder / "faces.yaml").write_text(FACES)
    return folder


# Its reader needs no file, its annotator only labels.
CORPUS = """\
shard_rows: 8
sources: [{reader: "corpus_toys:read_toys", path: toys, faces: none}]
annotators: ["corpus_toys:LabelAnnotator"]
dedupe: "corpus_toys:SameBytes"
"""


FACES = """\
stage: region
model: {start: my-weights}
data: {corpora: [faces-data/corpus], pictures: faces-data/pictures, max_tokens: 512, workers: 0}
rates: {region_attention: 1.0e-4}
schedule: {steps: 2, micro_batch: 1, global_batch: 1}
"""


@pytest.fixture(scope="module")
def toy(tiny_checkpoint):
    return FaceAssistant.load(tiny_checkpoint)


@pytest.fixture(scope="module")
def sets(folder):
    """What the examples of audit, forge and synth name."""
    example_sets.lay_out(folder / "sets", folder / "photo.jpg", folder / "clip.mp4")
    return folder / "sets"


@pytest.fixture(scope="module")
def gateway(folder):
    """A server of the toy's weights, for what is asked with ``--server``."""
    from facellm.serve.local_engine import LocalEngine

    engine = LocalEngine(folder / "my-weights", readings="torch")
    with serving_house(new_house(folder / "my-weights", engine)) as url:
        yield url


async def stop_at_once(server, sockets=None):
    """A server that says what it says when it is ready, and listens to nobody."""
    from facellm.serve.server import greeting

    server.should_exit = True
    sys.stderr.write(greeting(GATEWAY, bool(server.house.settings.keys)))


@pytest.fixture
def run(folder, toy, monkeypatch, request):
    """``run("facellm ask photo.jpg")`` -> exit code, in the folder, with the toy's weights."""
    monkeypatch.chdir(folder)
    monkeypatch.setattr(FaceAssistant, "load", lambda *_, **__: toy)
    monkeypatch.setenv("FACELLM_DATA", str(folder))

    def run(command, url=ENDPOINT):
        if example_sets.is_of_sets(command):
            sets = request.getfixturevalue("sets")
            monkeypatch.chdir(sets)
            monkeypatch.setenv("FACELLM_DATA", str(sets))
            command = example_sets.prepared(command)
        if example_evals.is_eval(command):
            monkeypatch.setenv("FACELLM_EVAL", "")
            example_evals.prepare(command, folder)
        prepare(command)
        if " --server " in command:
            command = command.replace(GATEWAY, request.getfixturevalue("gateway"))
        if command.startswith("facellm serve"):
            monkeypatch.setattr("facellm.serve.server.Server.startup", stop_at_once)
        if "hair.csv" in command:  # its pictures are noise, in which no cascade sees a face
            monkeypatch.setattr(toy, "detector", WholeFace(toy.checkpoint.landmark_net))
        elif "adapter/" in command and not Path("adapter").exists():
            assert main(["adapt", "hair.csv", "-o", "adapter", "--crops", "--quiet"]) == 0
        if "me.json" in command:  # a baseline is of one person, and the toy sees several
            monkeypatch.setattr(toy, "detector", FirstFace(toy.detector))
            assert main(["calibrate", "me/", "-o", "me.json", "--quiet"]) == 0
        feed, arguments = split(command.replace(ENDPOINT, url))
        given = subprocess.run(["bash", "-c", feed or ":"], capture_output=True, check=True).stdout
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(given)))
        return main(arguments)

    return run


def prepare(command):
    """What an example takes for granted, in the folder."""
    words = command.split()
    if words[:2] == ["facellm", "train"]:
        prepare_training(words[2:])
    if words[:2] == ["facellm", "read"] and "--resume" in words:  # that it was interrupted
        Path(words[words.index("-o") + 1]).unlink(missing_ok=True)
    if words[:2] != ["facellm", "build"]:
        return
    if "-o" in words and words[2] in ("export", "import"):
        shutil.rmtree(words[words.index("-o") + 1], ignore_errors=True)
    if words[2] == "import" and not Path(words[3]).exists():
        form, out = words[words.index("--format") + 1], words[3].split("/")[0]
        prepare(f"facellm build export corpus/ --format {form} -o {out}")
        assert main(["build", "export", "corpus/", "--format", form, "-o", out, "--quiet"]) == 0
    elif words[2] == "export" and not Path("corpus/counts.json").exists():
        assert main(["build", "corpus.yaml", "-o", "corpus/", "--quiet"]) == 0
    elif words[2] == "corpus.yaml" and "--resume" not in words:
        shutil.rmtree(words[words.index("-o") + 1], ignore_errors=True)


def prepare_training(words):
    """Where a run begins its folder is new; to consolidate one there must be one."""
    if words[0] == "consolidate" and not Path(words[1]).exists():
        assert main(["train", "faces.yaml", "-o", words[1], "--quiet"]) == 0
    elif "-o" in words and "--resume" not in words:
        shutil.rmtree(words[words.index("-o") + 1], ignore_errors=True)


class FirstFace:
    """A detector that keeps the first face of another one's."""

    def __init__(self, detector):
        self.all = detector

    def detect(self, pixels):
        return self.all.detect(pixels)[:1]


def test_every_help_ends_with_examples_of_its_verb():
    for verb in VERBS:
        shown = examples_of_help(parser_of(verb).format_help())
        assert len(shown) >= 2
        assert all(split(command)[1][0] == verb for command in shown)


def test_the_pages_show_commands():
    assert "docs/quickstart.md" in PAGES
    assert sum(where == "README.md" for where, _ in EXAMPLES) >= 12
    page = "text\n```sh\nfacellm read a.jpg  # a remark\nmake ask\n```\n`facellm no block`"
    assert commands_of_page(page) == ["facellm read a.jpg  # a remark"]


@pytest.mark.parametrize(
    ("command", "parts"),
    [
        ('facellm ask a.jpg "how old?"  # why', ("", ["ask", "a.jpg", "how old?"])),
        ("cat a.jpg | facellm ask -", ("cat a.jpg", ["ask", "-"])),
        ('eval "$(facellm completion bash)"', ("", ["completion", "bash"])),
        ("facellm read a.jpg > b.csv", ("", ["read", "a.jpg"])),
    ],
)
def test_a_command_is_taken_apart(command, parts):
    assert split(command) == parts


@pytest.mark.parametrize(("where", "command"), EXAMPLES)
def test_the_parser_takes_the_example(where, command):
    words = split(command)[1]
    if not words[0].startswith("-"):
        parser, rest = parser_for(words)
        parser.parse_intermixed_args(rest)


@pytest.mark.parametrize("command", sorted({without_remark(c) for _, c in EXAMPLES}))
def test_the_example_runs(run, capsys, command):
    if example_sets.is_of_sets(command):
        example_sets.skip_without_data(command)
    with serving() as server:
        code = run(command, server.url)
    printed = capsys.readouterr()
    assert code == 0, printed.err
    assert printed.out or printed.err


@pytest.mark.parametrize(
    "command",
    [
        "facellm ask photo.jpg --no-such-option",
        "facellm ask another.jpg",
        "facellm no-such-verb photo.jpg",
        "facellm read holiday/ --columns excel",
    ],
)
def test_a_wrong_example_would_be_found(run, capsys, command):
    assert run(command) == 2
    assert capsys.readouterr().err.startswith("facellm: error: ")


@pytest.mark.skipif(
    not (SHIPPED / "config.json").is_file(), reason="optional: the default model is not trained yet"
)
@pytest.mark.parametrize(
    "page", [page for page in PAGES if python_blocks((ROOT / page).read_text("utf-8"))]
)
def test_python_of_the_pages_runs(page, folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)
    shipped = FaceAssistant.load()
    monkeypatch.setattr(FaceAssistant, "load", lambda *_, **__: shipped)
    assert main(["read", "photo.jpg", "-o", "faces.csv", "--quiet"]) == 0  # that a block may load
    names = {}
    for block in python_blocks((ROOT / page).read_text("utf-8")):
        exec(compile(block, page, "exec"), names)
    assert len(capsys.readouterr().out.splitlines()) >= 2
    assert isinstance(names["assistant"], FaceAssistant)
