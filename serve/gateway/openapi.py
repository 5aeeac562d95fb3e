"""The OpenAPI description: the framework's, with our bodies and OpenAI's errors in it.

Bodies are parsed by us (``bodies.json_body``), so the framework does not know them by itself.
"""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel, ConfigDict

from .chat_body import ChatBody, Strict
from .readings import FILE_FIELD, FORM, ReadingsBody

_REF = "#/components/schemas/{model}"


class Fault(Strict):
    """What went wrong."""

    message: str
    type: str
    param: str | None
    code: str


class FaultBody(Strict):
    """The body of every error."""

    error: Fault


class Loose(BaseModel):
    """A response whose further fields are not promised."""

    model_config = ConfigDict(extra="allow")


class Completion(Loose):
    """An answer; a stream has chunks of it."""

    id: str
    object: str
    created: int
    model: str
    choices: list[dict[str, Any]]
    usage: dict[str, Any]


class ReadingList(Loose):
    """An entry per picture."""

    object: str
    model: str
    data: list[dict[str, Any]]
    usage: dict[str, Any]
    notice: str


def described(app: FastAPI) -> dict[str, Any]:
    """The description as JSON."""
    found = get_openapi(title=app.title, version=app.version, routes=app.routes)
    schemas: dict[str, Any] = {}
    for kind in (ChatBody, ReadingsBody, FaultBody, Completion, ReadingList):
        record = kind.model_json_schema(ref_template=_REF)
        schemas |= record.pop("$defs", {}) | {kind.__name__: record}
    found["components"] = {
        "schemas": schemas,
        "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
    }
    for path, methods in found["paths"].items():
        for operation in methods.values():
            describe(path, operation)
    body(found, "/v1/chat/completions", ChatBody, Completion)
    body(found, "/v1/readings", ReadingsBody, ReadingList)
    post = found["paths"]["/v1/readings"]["post"]["requestBody"]["content"]
    post[FORM] = {"schema": form_schema()}
    chat = found["paths"]["/v1/chat/completions"]["post"]["responses"]["200"]["content"]
    chat["text/event-stream"] = {"schema": {"type": "string"}}
    return found


def describe(path: str, operation: dict[str, Any]) -> None:
    """Errors and key of one operation."""
    fault = {"application/json": {"schema": {"$ref": _REF.format(model="FaultBody")}}}
    responses = operation["responses"]
    responses.pop("422", None)
    for kind in ("4XX", "5XX"):
        responses[kind] = {"description": "OpenAI's error body", "content": fault}
    if path == "/metrics":
        responses["200"]["content"] = {"text/plain": {"schema": {"type": "string"}}}
    if path.startswith(("/v1/", "/metrics")):
        operation["security"] = [{"key": []}, {}]


def body(found: dict[str, Any], path: str, taken: type[BaseModel], given: type[BaseModel]) -> None:
    """Body and response of a route."""

    def content(kind: type[BaseModel]) -> dict[str, Any]:
        return {"application/json": {"schema": {"$ref": _REF.format(model=kind.__name__)}}}

    post = found["paths"][path]["post"]
    post["requestBody"] = {"required": True, "content": content(taken)}
    post["responses"]["200"] = {"description": given.__doc__, "content": content(given)}


def form_schema() -> dict[str, Any]:
    """A form with files."""
    file = {"type": "string", "format": "binary"}
    flags = {"type": "string", "enum": ["true", "false"]}
    return {
        "type": "object",
        "required": [FILE_FIELD],
        "properties": {
            FILE_FIELD: {"type": "array", "items": file, "minItems": 1},
            "crops": flags,
            "landmarks": flags,
            "use_context": {"type": "string"},
        },
    }
