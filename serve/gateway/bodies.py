"""Bodies of requests -> typed values, or OpenAI's error instead of the framework's.

Example: ``await json_body(request, ChatBody)``; ``{"model": 3}`` gives a 400 whose ``param`` is
``model``.
"""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from .failures import ApiError

DEEPEST = 32  # brackets inside brackets
BIG = 200_000  # bytes from which parsing leaves the event loop
Body = TypeVar("Body", bound=BaseModel)


async def json_body(request: Request, kind: type[Body]) -> Body:
    """Receive and check a JSON body.

    Raises:
        ApiError: 400 or 415, with the field it is about.
    """
    given = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if given != "application/json":
        message = f"content-type is {given[:80] or 'missing'}, expected application/json"
        raise ApiError(415, "unsupported_content_type", message)
    raw = await request.body()
    if len(raw) < BIG:
        return parsed(raw, kind)
    return await asyncio.to_thread(parsed, raw, kind)


def parsed(raw: bytes, kind: type[Body]) -> Body:
    """JSON -> a value of ``kind``; ``ApiError`` where it is none."""
    check_depth(raw)
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise of_validation(error) from None


def of_validation(error: ValidationError) -> ApiError:
    """The first thing that is wrong; of a union, what came nearest."""
    found = max(error.errors(include_url=False, include_input=False), key=lambda e: len(e["loc"]))
    param = ".".join(str(place) for place in found["loc"])[:200] or None
    if found["type"] == "json_invalid":
        return ApiError(400, "invalid_json", f"the body is not JSON: {found['msg']}")
    if found["type"] == "extra_forbidden":
        return ApiError(400, "unknown_parameter", f"Unrecognized request argument: {param}", param)
    message = found["msg"].removeprefix("Value error, ")
    return ApiError(400, "invalid_value", f"{param}: {message}" if param else message, param)


def check_depth(raw: bytes) -> None:
    """Refuse JSON that is nested deeper than any request of ours.

    Brackets in strings do not count; what lies between two quotes is skipped in one go, so that a
    picture of ten megabytes costs nothing.
    """
    at = depth = 0
    while at < len(raw):
        quote = raw.find(b'"', at)
        for byte in raw[at : quote if quote >= 0 else len(raw)]:
            depth += (byte in b"[{") - (byte in b"]}")
            if depth > DEEPEST:
                raise ApiError(400, "invalid_json", f"JSON nested deeper than {DEEPEST}")
        if quote < 0:
            return
        at = end_of_string(raw, quote + 1)


def end_of_string(raw: bytes, at: int) -> int:
    """Place after the quote that closes a string whose inside begins at ``at``."""
    while (quote := raw.find(b'"', at)) >= 0:
        before = quote
        while before > at and raw[before - 1] == 0x5C:
            before -= 1
        if (quote - before) % 2 == 0:
            return quote + 1
        at = quote + 1
    return len(raw)


def record_of(request: Request) -> Any:
    """What is known of the request (``request_log.RequestRecord``)."""
    return request.scope["facellm.record"]
