"""Errors as OpenAI's clients know them: a status, and ``{"error": {...}}`` with four fields.

Example::

    raise ApiError(413, "image_too_large", "the picture has 12,000,000 bytes, at most 10,000,000")
    -> {"error": {"message": "the picture has ...", "type": "invalid_request_error",
                  "param": null, "code": "image_too_large"}}
"""

from __future__ import annotations

from typing import Any

from fastapi.responses import JSONResponse

from facellm.errors import FaceLLMError

from ..engines import EngineDown

_KINDS = {
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
}


class ApiError(FaceLLMError):
    """A request that is answered with an error.

    Args:
        status: HTTP status, 400 and more.
        code: A word for programs.
        message: A sentence for people.
        param: Field of the request it is about.
        retry_after: Seconds after which it may be tried again.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        param: str | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.retry_after = retry_after


def as_api_error(error: BaseException) -> ApiError:
    """Any exception as the error a client gets; what is not meant for one says nothing."""
    if isinstance(error, ApiError):
        return error
    if isinstance(error, EngineDown):
        return ApiError(503, "engine_down", f"the engine is not there: {error}", retry_after=5)
    if isinstance(error, TimeoutError):
        return ApiError(504, "deadline_exceeded", "the request took longer than its deadline")
    if isinstance(error, FaceLLMError):
        status = int(getattr(error, "status", 400))
        return ApiError(status, str(getattr(error, "code", "invalid_request")), str(error))
    return ApiError(500, "internal_error", "an error inside the server; its log holds the reason")


def error_body(error: ApiError) -> dict[str, Any]:
    """The JSON of an error."""
    usual = "server_error" if error.status >= 500 else "invalid_request_error"
    return {
        "error": {
            "message": str(error),
            "type": _KINDS.get(error.status, usual),
            "param": error.param,
            "code": error.code,
        }
    }


def error_response(error: ApiError) -> JSONResponse:
    """An error as a response."""
    headers = {} if error.retry_after is None else {"retry-after": str(error.retry_after)}
    if error.status == 401:
        headers["www-authenticate"] = "Bearer"
    return JSONResponse(error_body(error), error.status, headers)
