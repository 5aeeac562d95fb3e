"""Schemas are filled from readings: the first form that fits, nothing made up, or a refusal."""

import dataclasses

import pytest
from readings_made import READING, SHARES

from facellm.face import BoundingBox, Face
from facellm.results import ReadFace
from facellm.serve.gateway.failures import ApiError
from facellm.serve.gateway.known_values import Told
from facellm.serve.gateway.schema_rules import checked_schema
from facellm.serve.gateway.structured import NotFilled, asks_for_words, check_labels, filled


def face(number, side, reading=READING):
    return ReadFace(number, Face(BoundingBox(0, 0, side, side), None, 0.9), reading)


TWO = Told((face(1, 40), face(2, 90)), "Happy.", "expression", "A note.")


def given(properties, told=TWO, **more):
    return filled(checked_schema({"type": "object", "properties": properties, **more}), told)


@pytest.mark.parametrize(
    ("name", "schema", "value"),
    [
        ("expression", {"type": "string"}, "happiness"),
        ("expression", {"enum": ["sadness", "surprise"]}, "surprise"),
        ("expression", {"const": "anger"}, "anger"),
        ("expression", {"type": "object"}, SHARES),
        ("expression", {"anyOf": [{"enum": ["fear", "sadness"]}, {"type": "null"}]}, "sadness"),
        ("action_units", {"type": "array", "items": {"type": "string"}}, ["AU06", "AU12"]),
        ("action_units", {"type": "array", "items": {"type": "integer"}}, [6, 12]),
        ("action_units", {"type": "array", "items": {"enum": ["AU12", "AU01"]}}, ["AU12"]),
        ("age", {"type": "number"}, 34.4),
        ("age", {"type": "integer"}, 34),
        ("age", {"type": "object"}, {"mean": 34.4, "low": 27.0, "high": 42.0}),
        (
            "age",
            {
                "type": "object", "properties": {"low": {"type": "number"}},
                "additionalProperties": False,
            },
            {"low": 27.0},
        ),
        ("gender", {"type": "string"}, "female"),
        ("mask", {"type": "boolean"}, False),
        ("mask", {"type": "number"}, 0.02),
        ("mouth_open", {}, True),
        ("pose", {"type": "object"}, {"yaw": 12.0, "pitch": -3.0, "roll": 1.5}),
        ("gaze", {"type": "array"}, [3.0, -4.0]),
        ("geometry", {"type": ["object", "null"]}, None),
        ("confidence", {"type": "number", "minimum": 0, "maximum": 1}, 0.5),
        ("id", {"type": "integer"}, 2),
        ("face_count", {"type": "integer"}, 2),
        ("answer", {"type": "string"}, "Happy."),
    ],
)  # fmt: skip
def test_a_value_takes_the_form_the_schema_asks_for(name, schema, value):
    assert given({name: schema}) == {name: value}


def test_faces_are_an_array_of_all_of_them():
    items = {"type": "object", "properties": {"id": {"type": "integer"}, "age": {}}}
    assert given({"faces": {"type": "array", "items": items}}) == {
        "faces": [{"id": 1, "age": 34.4}, {"id": 2, "age": 34.4}]
    }


def test_references_are_written_out():
    definitions = {"years": {"type": "integer", "minimum": 0}}
    assert given({"age": {"$ref": "#/$defs/years"}}, **{"$defs": definitions}) == {"age": 34}


def test_an_open_expression_is_null_where_that_is_allowed():
    told = Told((face(1, 9, dataclasses.replace(READING, abstain=True)),), None, None, "")
    nullable = {"type": ["string", "null"]}
    assert given({"expression": nullable}, told) == {"expression": None}
    assert given({"expression": {"type": "string"}}, told) == {"expression": "happiness"}


@pytest.mark.parametrize(
    ("properties", "told"),
    [
        ({"age": {"type": "integer", "minimum": 80}}, TWO),
        ({"age": {"type": "string"}}, TWO),
        ({"expression": {"enum": ["happiness"], "type": "integer"}}, TWO),
        ({"age": {}}, Told((), None, None, "")),
    ],
)
def test_what_does_not_fit_is_told_and_not_bent(properties, told):
    with pytest.raises(NotFilled):
        given(properties, told)


@pytest.mark.parametrize(
    ("properties", "named"),
    [
        ({"race": {}}, "race"),
        ({"name": {"type": "string"}}, "name"),
        ({"faces": {"type": "array", "items": {"type": "object", "properties": {"mood": {}}}}},
         "faces.mood"),
        ({"faces": {"type": "array"}}, "faces"),
        ({"age": {"pattern": "(a+)+$"}}, "pattern"),
        ({"age": {"$ref": "https://example.com/a.json"}}, "$ref"),
        ({"age": {"$ref": "#/properties/age"}}, "$ref"),
        ({"age": {"type": "years"}}, "years"),
        ({"age": 3}, "object"),
    ],
)  # fmt: skip
def test_a_schema_that_cannot_be_filled_is_named(properties, named):
    with pytest.raises(ApiError) as refused:
        checked_schema({"type": "object", "properties": properties})
    assert (refused.value.code, refused.value.status) == ("unsupported_schema", 400)
    assert named in str(refused.value)


def test_labels_nobody_knows_are_refused_before_anything_is_read():
    schema = checked_schema({"type": "object", "properties": {"gender": {"enum": ["m", "f"]}}})
    with pytest.raises(ApiError, match="female, male"):
        check_labels(schema)


def test_words_are_written_only_where_they_are_asked_for():
    assert asks_for_words(None)
    assert asks_for_words({"properties": {"answer": {}}})
    assert not asks_for_words({"properties": {"age": {}}})
