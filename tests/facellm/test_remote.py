"""``ask`` and ``read`` through a running server: the same answers and tables, clear errors."""

import csv
import io
import json
import shutil

import numpy as np
import pytest
from gateways import new_house, serving_house
from http_server import QuietHandler, running
from PIL import Image

from facellm import remote
from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.remote import Remote, as_data_uri
from facellm.serve.local_engine import LocalEngine

QUESTION = "What expression does this face show?"
pytestmark = pytest.mark.usefixtures("short_toy_answers")


@pytest.fixture(scope="module")
def url(tiny_checkpoint):
    engine = LocalEngine(tiny_checkpoint, readings="torch")
    with serving_house(new_house(tiny_checkpoint, engine)) as url:
        yield url


@pytest.fixture(scope="module")
def folder(photo, plain_wall, tmp_path_factory):
    folder = tmp_path_factory.mktemp("pictures")
    shutil.copy(photo, folder / "a.jpg")
    shutil.copy(plain_wall, folder / "b.png")
    (folder / "c.jpg").write_bytes(b"no picture")
    with Image.open(photo) as picture:
        picture.save(folder / "d.bmp")
        picture.save(folder / "e.gif", save_all=True, append_images=[picture.rotate(9)])
    return folder


def local_and_served(capsys, url, words, model):
    """Standard output and error of a command, here and there."""
    found = []
    for more in (["--model", str(model), "--engine", "torch"], ["--server", url]):
        code = main([*words, *more])
        printed = capsys.readouterr()
        found.append((code, printed.out, printed.err))
    return found


def test_an_answer_through_a_server_is_the_local_one(capsys, url, photo, tiny_checkpoint):
    local, served = local_and_served(capsys, url, ["ask", str(photo), QUESTION], tiny_checkpoint)
    assert served == local


def test_json_through_a_server_has_the_same_record(capsys, url, photo, tiny_checkpoint):
    words = ["ask", str(photo), QUESTION, "--json"]
    (_, local, _), (_, served, _) = local_and_served(capsys, url, words, tiny_checkpoint)
    here, there = json.loads(local), json.loads(served)
    assert list(here) == list(there)
    for name in ("answer", "intent", "usage", "notice"):
        assert here[name] == there[name]
    assert [face["box_xyxy"] for face in here["faces"]] == [f["box_xyxy"] for f in there["faces"]]
    assert set(there["timings"]) == {"look", "first_word", "answer", "total"}


@pytest.mark.parametrize("columns", ["default", "openface"])
def test_a_table_through_a_server_is_the_local_one(
    capsys, url, folder, tiny_checkpoint, tmp_path, columns
):
    tables = []
    for name, more in (
        ("local.csv", ["--model", str(tiny_checkpoint), "--engine", "torch"]),
        ("served.csv", ["--server", url, "--api-key", "not-needed"]),
    ):
        out = tmp_path / name
        words = ["read", str(folder), "-o", str(out), "--columns", columns]
        files = [str(folder / f"{letter}") for letter in ("a.jpg", "b.png", "c.jpg", "d.bmp")]
        assert main([words[0], *files, *words[2:], *more]) == 0
        tables.append(list(csv.DictReader(out.open())))
        problems = list(csv.reader((tmp_path / f"{name}.problems.csv").open()))
        assert [file[-5:] for file, _ in problems[1:]] == ["b.png", "c.jpg"]
    local, served = tables
    assert list(local[0]) == list(served[0])
    assert len(local) == len(served) > 1
    for here, there in zip(local, served, strict=True):
        for name, value in here.items():
            if name in ("input", "expression") or not value:
                assert there[name] == value
            else:
                assert float(there[name]) == pytest.approx(float(value), abs=2e-4), name
    manifest = json.loads((tmp_path / "served.csv.manifest.json").read_text())
    assert manifest["counts"]["unreadable"] == 1
    assert manifest["engine"]["name"] == "local"
    assert "not-needed" not in json.dumps(manifest)
    capsys.readouterr()


def test_clips_and_missing_files_are_told(capsys, url, folder, tmp_path):
    assert main(["read", str(folder), str(tmp_path / "no.jpg"), "--server", url]) == 0
    printed = capsys.readouterr()
    assert "e.gif: is a clip" in printed.err
    assert "no.jpg: no such file" in printed.err
    assert len(list(csv.DictReader(io.StringIO(printed.out)))) == 2
    assert main(["read", str(folder / "c.jpg"), "--server", url]) == 2
    assert "nothing could be read" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["ask", "{photo}", "--server", "http://127.0.0.1:1"], "is `facellm serve` running there"),
        (["ask", "{photo}", "--server", "localhost"], "is no address such as"),
        (["ask", "no.jpg", "--server", "{url}"], "no such file"),
        (["ask", "{photo}", "a" * 1001, "--server", "{url}"], "at most 1,000"),
        (["ask", "{photo}", "--server", "{url}", "--engine", "torch"], "--engine does not go with"),
        (["read", "{photo}", "--server", "{url}", "--resume"], "--resume does not go with"),
        (["read", "{photo}", "--server", "{url}", "-o", "a.xls"], "unknown kind of table"),
    ],
)
def test_errors_are_one_line(capsys, url, photo, words, told):
    assert main([word.format(photo=photo, url=url) for word in words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("facellm: error: ")
    assert told in error
    assert error.count("\n") == 1


class Moody(QuietHandler):
    """Answers what it is told to: a list of (status, headers, body)."""

    def do_GET(self):
        self.server.asked.append(dict(self.headers))
        status, headers, body = self.server.answers.pop(0)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_GET


BUSY = (429, {"retry-after": "1"}, b'{"error": {"message": "busy", "code": "queue_full"}}')


def moody(*answers):
    return running(Moody, answers=list(answers), asked=[])


def test_a_busy_server_is_asked_again_when_it_says(monkeypatch):
    waits = []
    monkeypatch.setattr(remote.time, "sleep", waits.append)
    with moody(BUSY, BUSY, (200, {}, b'{"a": 1}')) as server:
        assert Remote(server.url).get("/x") == {"a": 1}
    assert waits == [1.0, 1.0]
    with moody((429, {"retry-after": "3600"}, BUSY[2])) as server:
        monkeypatch.setattr(remote, "PATIENCE", 30.0)
        with pytest.raises(FaceLLMError, match="busy"):
            Remote(server.url).get("/x")


def test_a_key_is_sent_and_a_missing_one_is_told(monkeypatch):
    refused = (401, {}, b'{"error": {"message": "a key is needed", "code": "invalid_api_key"}}')
    with moody((200, {}, b"{}"), (200, {}, b"{}"), refused) as server:
        Remote(server.url, "mine").get("/x")
        monkeypatch.setenv(remote.KEY_VARIABLE, "from-outside")
        Remote(server.url).get("/x")
        assert [a["authorization"] for a in map(lowered, server.asked)] == [
            "Bearer mine", "Bearer from-outside"
        ]  # fmt: skip
        with pytest.raises(FaceLLMError, match="FACELLM_API_KEY"):
            Remote(server.url).get("/x")


def lowered(headers):
    return {name.lower(): value for name, value in headers.items()}


@pytest.mark.parametrize(
    "answer",
    [
        (200, {}, b"<html>"), (200, {}, b"[]"), (502, {}, b"Bad gateway"),
        (302, {"location": "http://127.0.0.1:1/"}, b""),
    ],
)  # fmt: skip
def test_a_server_of_another_kind_is_told(answer):
    with moody(answer) as server, pytest.raises(FaceLLMError, match="as facellm"):
        Remote(server.url).get("/x")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'data: {"choices": []}\n\n', "broke off before the end"),
        (b'data: {"error": {"message": "engine died"}}\n\ndata: [DONE]\n\n', "engine died"),
        (b"data: {\n\n", "as facellm"),
    ],
)
def test_a_stream_that_breaks_off_is_told(body, told):
    with moody((200, {}, body)) as server, pytest.raises(FaceLLMError, match=told):
        list(Remote(server.url).stream("/x", {}))


def test_pictures_of_any_kind_become_one_that_a_server_takes(monkeypatch):
    def encoded(kind, mode="RGB"):
        buffer = io.BytesIO()
        Image.fromarray(np.arange(48 * 3, dtype=np.uint8).reshape(6, 8, 3)).convert(mode).save(
            buffer, kind, **({"lossless": True} if kind == "WEBP" else {})
        )
        return buffer.getvalue()

    starts = {kind: as_data_uri(encoded(kind))[:15] for kind in ("JPEG", "PNG", "WEBP", "TIFF")}
    assert starts == {
        "JPEG": "data:image/jpeg", "PNG": "data:image/png;", "WEBP": "data:image/webp",
        "TIFF": "data:image/png;",
    }  # fmt: skip
    monkeypatch.setattr(remote, "MOST_PIXELS", 10)
    assert as_data_uri(encoded("JPEG")).startswith("data:image/png")
    monkeypatch.setattr(remote, "MOST_BYTES", 10)
    assert as_data_uri(encoded("PNG")).startswith("data:image/jpeg")
    with pytest.raises(FaceLLMError, match="not a picture"):
        as_data_uri(b"words")
