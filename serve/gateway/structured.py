"""A checked schema and what was read -> the JSON it asks for, filled from the reading.

No token of it is generated: labels are the readout's, restricted to an enum where there is one, so
the restricted distribution decides. Only ``answer`` holds the model's words.

Example::

    filled({"type": "object", "properties": {"expression": {"enum": ["happiness", "sadness"]}}},
           told)  -> {"expression": "happiness"}
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator

from facellm.results import ReadFace

from .face_records import EMOTIONAL_VALUES
from .known_values import FACE_VALUES, FACES, LABELLED, PICTURE_VALUES, Told
from .schema_rules import unsupported


class NotFilled(Exception):
    """What was read does not fit the schema: no face, or a value out of its bounds."""


def asks_for_words(schema: dict[str, Any] | None) -> bool:
    """Whether a schema asks for the model's own words."""
    return schema is None or bool({"answer", "intent"} & set(schema["properties"]))


def tells_emotions(schema: dict[str, Any]) -> bool:
    """Whether a schema asks for values that tell of emotions."""
    faces = schema["properties"].get(FACES, {}).get("items", {"properties": {}})
    return bool(set(EMOTIONAL_VALUES) & {*schema["properties"], *faces["properties"]})


def check_labels(schema: dict[str, Any], before: str = "") -> None:
    """Refuse an enum of which no label is known: it could never be filled.

    Raises:
        ApiError: 400 ``unsupported_schema``.
    """
    for name, held in schema["properties"].items():
        if name == FACES:
            check_labels(held["items"], "faces.")
        labels = enum_of(held)
        if name in LABELLED and labels is not None and not set(LABELLED[name]) & labels:
            known = ", ".join(LABELLED[name])
            raise unsupported(f"{before}{name}: none of its labels is known; known are {known}")


def filled(schema: dict[str, Any], told: Told) -> dict[str, Any]:
    """The object a schema asks for.

    A schema without ``faces`` is about one face; of several the largest is taken, and ``id`` says
    which one that is.

    Raises:
        NotFilled: If the picture shows no face, or a value does not fit.
    """
    out: dict[str, Any] = {}
    for name, held in schema["properties"].items():
        if name == FACES:
            out[name] = [face_object(held["items"], face) for face in told.faces]
        elif name in PICTURE_VALUES:
            out[name] = fitting(name, PICTURE_VALUES[name](told), held)
        else:
            out[name] = face_value(name, main_face(told), held)
    check(schema, out)
    return out


def main_face(told: Told) -> ReadFace:
    """The largest face."""
    if not told.faces:
        raise NotFilled("no face was found in the picture")
    return max(told.faces, key=lambda face: face.face.box_xyxy.area)


def face_object(schema: dict[str, Any], face: ReadFace) -> dict[str, Any]:
    """One item of ``faces``."""
    held = schema["properties"]
    return {name: face_value(name, face, held[name]) for name in held}


def face_value(name: str, face: ReadFace, schema: Any) -> Any:
    """One value of a face in the form a schema asks for."""
    return fitting(name, FACE_VALUES[name](face, enum_of(schema)), schema)


def fitting(name: str, forms: list[Any], schema: Any) -> Any:
    """The first form that fits."""
    validator = Draft202012Validator(schema)
    for form in forms:
        shaped = narrowed(form, schema)
        if validator.is_valid(shaped):
            return shaped
    raise NotFilled(f"{name}: what was read does not fit the schema")


def narrowed(value: Any, schema: Any) -> Any:
    """An object without the properties that a schema forbids."""
    if not isinstance(value, dict) or not isinstance(schema, dict):
        return value
    held = schema.get("properties")
    if not isinstance(held, dict) or schema.get("additionalProperties", True) is not False:
        return value
    return {name: narrowed(value[name], held[name]) for name in held if name in value}


def enum_of(schema: Any) -> set[Any] | None:
    """Labels a schema leaves, its items' for arrays; None where it leaves all."""
    if not isinstance(schema, dict):
        return None
    if "const" in schema:
        return labels_in([schema["const"]])
    if isinstance(schema.get("enum"), list):
        return labels_in(schema["enum"])
    options = [enum_of(option) for option in schema.get("anyOf", [])]
    found = [labels for labels in options if labels is not None]
    if found:
        return set().union(*found)
    return enum_of(schema["items"]) if "items" in schema else None


def labels_in(values: list[Any]) -> set[Any]:
    """Those that can be labels."""
    return {value for value in values if isinstance(value, str | int | None)}


def check(schema: dict[str, Any], value: dict[str, Any]) -> None:
    """Validate the whole; ``NotFilled`` where it does not fit."""
    error = next(iter(Draft202012Validator(schema).iter_errors(value)), None)
    if error is not None:
        place = ".".join(str(step) for step in error.absolute_path) or "the answer"
        raise NotFilled(f"{place}: what was read does not fit the schema")
