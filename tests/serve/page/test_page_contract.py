"""What the page takes from the server, held against what the server gives."""

import base64
import csv
import io
import json

import httpx
import pytest
from page_steps import ask, open_picture

from facellm.assistant import FaceAssistant
from facellm.table_columns import DEFAULT, POINTS, TableEntry, default_row


def uri(path):
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()


@pytest.fixture(scope="module")
def read(gateway, two_faces):
    """A response of /v1/readings as the page asks for it."""
    body = {"images": [uri(two_faces)], "landmarks": True}
    return httpx.post(f"{gateway.url}v1/readings", json=body, timeout=90).json()


def test_the_page_has_its_headers(gateway):
    for name in ("", "page/app.js", "page/style.css", "page/labels.json"):
        response = httpx.get(gateway.url + name)
        assert response.status_code == 200
        policy = dict(
            rule.split(" ", 1) for rule in response.headers["content-security-policy"].split("; ")
        )
        for rule in ("default-src", "frame-ancestors", "base-uri", "form-action"):
            assert policy[rule] == "'none'"
        for rule in ("script-src", "style-src", "connect-src"):
            assert policy[rule] == "'self'"
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize("name", ["conftest.py", "%2e%2e/engines.py", "no.js", ""])
def test_nothing_else_is_served(gateway, name):
    assert httpx.get(f"{gateway.url}page/{name}").status_code == 404


def test_the_model_says_what_the_page_shows(gateway):
    (model,) = httpx.get(f"{gateway.url}v1/models").json()["data"]
    assert model["id"]
    assert "a person feels" in model["notice"]
    assert model["limits"]["image_bytes"] > 1_000_000
    assert 12 in model["units_on_real_faces"]


def test_readings_hold_every_field_that_the_page_draws(read):
    assert read["notice"]
    assert [face["id"] for face in read["data"][0]["faces"]] == [1, 2]
    for face in read["data"][0]["faces"]:
        assert len(face["box_xyxy"]) == len(face["place"]["box_xyxy"]) == 4
        assert [len(point) for point in face["place"]["landmarks"]] == [2] * 68
        assert face["place"]["score"] == pytest.approx(face["landmark_quality"], abs=1e-3)
        reading = face["reading"]
        drawn = {
            "expression", "action_units", "age", "gender", "mask", "mouth_open", "eyes_closed",
            "gaze", "generated", "pose", "geometry", "evidence", "quality", "confidence",
            "abstain", "scope", "baseline",
        }  # fmt: skip
        assert drawn <= set(reading)
        assert {"expression", "geometry", "age", "au1", "gaze_yaw"} <= set(reading["scope"])
        assert set(reading["age"]) == {"mean", "low", "high"}
        assert set(reading["action_units"]["AU12"]) == {"probability", "intensity"}


def events_of(gateway, **body):
    response = httpx.post(
        f"{gateway.url}v1/chat/completions", json={"stream": True, **body}, timeout=90
    )
    lines = [line[6:] for line in response.text.split("\n\n") if line.startswith("data: ")]
    assert lines[-1] == "[DONE]"
    return [json.loads(line) for line in lines[:-1]]


def test_a_question_about_one_face_is_answered_from_that_face_alone(gateway, two_faces, read):
    picture = {"type": "image_url", "image_url": {"url": uri(two_faces)}}
    words = {"type": "text", "text": "How old does this face look?"}
    messages = [{"role": "user", "content": [picture, words]}]
    first, *_, last = events_of(gateway, messages=messages, face=2)
    (face,) = first["facellm"]["faces"]
    del read["data"][0]["faces"][1]["place"]
    assert face == read["data"][0]["faces"][1]
    assert last["choices"][0]["finish_reason"] == "stop"
    refused = httpx.post(
        f"{gateway.url}v1/chat/completions", json={"messages": messages, "face": 3}, timeout=90
    )
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "no_such_face"


def copied(page, button):
    page.click(button)
    page.wait_for_selector(f"{button}:has-text('Copied')")
    return page.evaluate("navigator.clipboard.readText()")


def test_copies_are_the_readings_and_the_rows_of_our_own_tables(visit, gateway, two_faces, read):
    page = visit()
    open_picture(page, two_faces)
    said = ask(page, "How old does this face look?")
    record = json.loads(copied(page, "#copy-json"))
    faces = [
        {name: value for name, value in face.items() if name != "place"}
        for face in read["data"][0]["faces"]
    ]
    assert record["faces"] == faces
    assert record["picture"] == {"name": two_faces.name, "size": [720, 400]}
    assert [turn["answer"] for turn in record["conversation"]] == [said]

    text = copied(page, "#copy-csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert list(rows[0]) == [name for name in DEFAULT if name not in POINTS]
    units = gateway.house.looker.sight.calibration.units_on_real_faces
    for row, face in zip(rows, FaceAssistant.load().read(two_faces), strict=True):
        entry = TableEntry(two_faces.name, face.id, face.face, face.reading, units)
        expected = default_row(entry)
        for name, text in row.items():
            value = expected.get(name)
            if isinstance(value, float):
                assert float(text) == pytest.approx(value, rel=1e-3, abs=2e-2), name
            else:
                assert text == ("" if value is None else str(value)), name
