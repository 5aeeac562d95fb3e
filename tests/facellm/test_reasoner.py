"""Somebody else's model: what is sent, what comes back, which numbers are flagged."""

import json

import pytest
from cli_runs import refused
from openai_endpoint import serving

from facellm.assistant import FaceAssistant
from facellm.cli import main
from facellm.reasoner import UNKNOWN, Reasoner, evidence, flag_numbers, is_known, known_numbers


@pytest.fixture
def endpoint():
    with serving() as server:
        yield server


@pytest.fixture(scope="module")
def assistant(tiny_checkpoint):
    return FaceAssistant.load(tiny_checkpoint)


@pytest.fixture
def faces(assistant, make_face):
    return assistant.read(make_face(1).crop, crops=True)


def test_the_evidence_is_sent_and_the_picture_is_not(endpoint, faces):
    reasoner = Reasoner(endpoint.url, "some-model", "secret")
    assert "".join(reasoner.answer(faces, "Why?")) == "It shows happiness."
    path, headers, body = endpoint.requests[0]
    assert path == "/v1/chat/completions"
    assert headers["authorization"] == "Bearer secret"
    assert body["model"] == "some-model"
    assert "never what a person" in body["messages"][0]["content"]
    text = body["messages"][1]["content"]
    assert isinstance(text, str)
    assert json.dumps(evidence(faces)) in text
    assert "Question: Why?" in text
    assert "image" not in json.dumps(body["messages"][1]).replace("image's", "")


def test_the_picture_goes_along_only_when_given(endpoint, faces, make_face):
    list(Reasoner(endpoint.url, "m").answer(faces, "Why?", make_face(1).crop))
    parts = endpoint.requests[0][2]["messages"][1]["content"]
    assert [part["type"] for part in parts] == ["text", "image_url"]
    assert parts[1]["image_url"]["url"].startswith("data:image/jpeg;base64,")


def test_units_that_are_absent_are_not_evidence(faces):
    reading = faces[0].reading
    sent = evidence(faces)["faces"][0]["reading"]
    assert set(sent["action_units"]) == {f"AU{n:02d}" for n in reading.active_units()}
    assert sent["scope"] == reading.scope


@pytest.mark.parametrize(
    ("number", "known"),
    [
        ("93", True), ("93.4", True), ("0.93", True), ("0.934", True), ("34", True),
        ("12.5", True), ("13", True), ("-12.5", True), ("94", False), ("35", False),
        ("0.9", True), ("0.8", False), ("1250", False), ("1,250", False),
    ],
)  # fmt: skip
def test_numbers_are_known_by_value_rounding_and_percentage(number, known):
    assert is_known(number, [0.934, 34.0, -12.5]) is known


@pytest.mark.parametrize("size", [1, 2, 3, 100])
def test_unknown_numbers_are_flagged_however_the_text_is_cut(size):
    text = "AU12 is at 0.88, happiness 93 %; about 34 years, not 57. In 3D: +2.1 SD."
    known = [0.88, 0.93, 34.0, 2.1]
    pieces = [text[i : i + size] for i in range(0, len(text), size)]
    expected = text.replace("57", f"57{UNKNOWN}")
    assert "".join(flag_numbers(pieces, known)) == expected


def test_numbers_of_the_question_are_no_inventions(faces):
    assert 18.0 in known_numbers(evidence(faces), "Is she over 18?")
    assert 99.5 not in known_numbers(evidence(faces), "Is she over 18?")


def test_an_endpoint_that_refuses_or_is_not_there_is_told(endpoint, faces, capsys):
    from facellm.errors import FaceLLMError

    endpoint.status = 404
    with pytest.raises(FaceLLMError, match=r"404.*no such model"):
        list(Reasoner(endpoint.url, "m").answer(faces, "Why?"))
    with pytest.raises(FaceLLMError, match="cannot be reached"):
        list(Reasoner("http://127.0.0.1:9/v1", "m").answer(faces, "Why?"))


# --- the command ----------------------------------------------------------------------------------


@pytest.fixture
def arguments(endpoint, tiny_checkpoint, tmp_path, make_face):
    from PIL import Image

    Image.fromarray(make_face(1).crop).save(tmp_path / "face.png")
    where = ["--reasoner", endpoint.url, "--reasoner-model", "m", "--model", str(tiny_checkpoint)]
    return ["ask", str(tmp_path / "face.png"), "--crops", *where]


def intend(monkeypatch, intent):
    """Let the assistant take every question for one intent."""
    monkeypatch.setattr(FaceAssistant, "intent", lambda *_: intent)


def test_ask_streams_the_other_models_answer(endpoint, arguments, capsys, monkeypatch):
    intend(monkeypatch, "why")
    endpoint.reply = ["Certainly ", "123456", " of them."]
    assert main([*arguments, "Why?"]) == 0
    assert capsys.readouterr().out == f"Certainly 123456{UNKNOWN} of them.\n"


@pytest.mark.parametrize("intent", ["out_of_bounds", "off_topic"])
def test_what_is_declined_is_never_sent(endpoint, arguments, capsys, monkeypatch, intent):
    intend(monkeypatch, intent)
    assert main([*arguments, "Is she lying?"]) == 0
    assert capsys.readouterr().out.strip()
    assert endpoint.requests == []


def test_the_picture_is_sent_on_request_only(endpoint, arguments, monkeypatch):
    intend(monkeypatch, "why")
    assert main([*arguments, "Why?"]) == 0
    assert main([*arguments, "--send-picture", "Why?"]) == 0
    contents = [request[2]["messages"][1]["content"] for request in endpoint.requests]
    assert [isinstance(content, str) for content in contents] == [True, False]


def test_json_names_the_reasoner(endpoint, arguments, capsys, monkeypatch):
    intend(monkeypatch, "why")
    assert main([*arguments, "--json", "Why?"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert record["answer"] == "It shows happiness."
    assert record["reasoner"] == {"url": endpoint.url, "model": "m", "picture_sent": False}
    assert record["faces"]


def test_half_a_reasoner_is_refused(capsys):
    assert "--reasoner-model" in refused(capsys, "ask", "x.jpg", "--reasoner", "http://x/v1")
    assert "--reasoner" in refused(capsys, "ask", "x.jpg", "--send-picture")


def test_a_version_is_no_number():
    """What only looks like a number must not bring an answer down."""
    assert known_numbers({"note": "facellm 1.2.3"}, "Is 2.0.1 newer than 4?") == [4.0]
    assert "".join(flag_numbers(["Read by 1.2.3."], [])) == "Read by 1.2.3 [not in the evidence]."
