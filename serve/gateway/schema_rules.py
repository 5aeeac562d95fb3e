"""A client's JSON schema -> one without references, or a 400 that says what cannot be done.

Only keywords that a small value can be checked against in bounded time are taken: no regular
expressions (they may take for ever), no addresses (nothing is fetched), no recursion.

Example: ``checked_schema({"type": "object", "properties": {"age": {"type": "integer"}}})``
"""

from __future__ import annotations

from typing import Any

from jsonschema import Draft202012Validator
from jsonschema.exceptions import SchemaError

from .failures import ApiError
from .known_values import FACE_VALUES, FACES, PICTURE_VALUES

MOST_NODES, DEEPEST = 2000, 12
PARAM = "response_format.json_schema.schema"
TAKEN = frozenset({
    "type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf",
    "$ref", "$defs", "definitions", "title", "description", "default", "examples", "minimum",
    "maximum", "exclusiveMinimum", "exclusiveMaximum", "minItems", "maxItems", "minLength",
    "maxLength", "uniqueItems", "$schema", "nullable",
})  # fmt: skip
_LABELS = frozenset({"title", "description", "default", "examples", "$schema", "nullable"})
_LOCAL = ("#/$defs/", "#/definitions/")


def unsupported(message: str) -> ApiError:
    """The one error of this module."""
    return ApiError(400, "unsupported_schema", message, PARAM)


def checked_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """A schema with its references written out, whose every property a reading can fill.

    Raises:
        ApiError: 400 ``unsupported_schema`` naming the keyword or the property.
    """
    definitions = {**mapping(schema, "definitions"), **mapping(schema, "$defs")}
    whole = _Writer(definitions).written(schema, 0, ())
    try:
        Draft202012Validator.check_schema(whole)
    except SchemaError as error:
        raise unsupported(f"not a JSON schema: {error.message[:300]}") from None
    if not isinstance(whole.get("properties"), dict) or whole.get("type") != "object":
        raise unsupported("the schema must be an object with properties")
    check_names(whole, (*FACE_VALUES, *PICTURE_VALUES, FACES))
    faces = whole["properties"].get(FACES)
    if faces is not None:
        items = faces.get("items") if isinstance(faces, dict) else None
        if not isinstance(items, dict) or not isinstance(items.get("properties"), dict):
            raise unsupported("faces: must be an array of objects with properties")
        check_names(items, tuple(FACE_VALUES), "faces.")
    return whole


def check_names(schema: dict[str, Any], known: tuple[str, ...], before: str = "") -> None:
    """Refuse a property that no reading fills; a required one must be among the properties."""
    required = schema.get("required", [])
    for name in (*schema["properties"], *required):
        if name not in known:
            raise unsupported(
                f"{before}{str(name)[:80]}: a reading has no such value; it has {', '.join(known)}"
            )


def mapping(schema: dict[str, Any], key: str) -> dict[str, Any]:
    """An object under a key, empty where there is none."""
    found = schema.get(key, {})
    if not isinstance(found, dict):
        raise unsupported(f"{key}: must be an object")
    return found


class _Writer:
    """Writes references out, with a budget."""

    def __init__(self, definitions: dict[str, Any]) -> None:
        self.definitions, self.nodes = definitions, 0

    def written(self, schema: Any, depth: int, inside: tuple[str, ...]) -> Any:
        """A schema without references; ``inside`` names those it stands in."""
        self.nodes += 1
        if self.nodes > MOST_NODES or depth > DEEPEST:
            raise unsupported(f"more than {MOST_NODES} parts, or nested deeper than {DEEPEST}")
        if isinstance(schema, bool):
            return schema
        if not isinstance(schema, dict):
            raise unsupported("a schema must be an object")
        if unknown := sorted(set(schema) - TAKEN):
            raise unsupported(f"keyword {unknown[0][:80]!r} is not taken")
        if "$ref" in schema:
            return self.referred(schema["$ref"], depth, inside)
        out: dict[str, Any] = {}
        for key, value in schema.items():
            if key in ("$defs", "definitions") or key in _LABELS:
                continue
            if key == "properties":
                held = mapping(schema, key)
                out[key] = {n: self.written(s, depth + 1, inside) for n, s in held.items()}
            elif key == "anyOf":
                options = value if isinstance(value, list) else [value]
                out[key] = [self.written(s, depth + 1, inside) for s in options]
            elif key in ("items", "additionalProperties"):
                out[key] = self.written(value, depth + 1, inside)
            else:
                out[key] = value
        return out

    def referred(self, name: Any, depth: int, inside: tuple[str, ...]) -> Any:
        """What a reference stands for."""
        place = next((str(name)[len(p) :] for p in _LOCAL if str(name).startswith(p)), None)
        if place is None or place not in self.definitions:
            raise unsupported(f"$ref {str(name)[:80]!r}: only to what stands in $defs")
        if place in inside:
            raise unsupported(f"$ref {str(name)[:80]!r}: recursion is not taken")
        return self.written(self.definitions[place], depth + 1, (*inside, place))
