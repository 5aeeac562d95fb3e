"""The door every request comes through, before and after everything else.

It gives the request an id, asks for the key, counts its rate, bounds its body while it comes in,
turns any exception into an error body, and writes the request's one line of log. It is plain ASGI,
so that streams pass through it piece by piece.
"""

from __future__ import annotations

import re
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, MutableMapping
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from .failures import ApiError, as_api_error, error_response
from .request_log import RequestRecord

if TYPE_CHECKING:
    from .house import House

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
GUARDED = ("/v1/", "/metrics")  # what needs a key
_ID = re.compile(r"[\w.-]{1,64}", re.ASCII)
_SAFE = {"x-content-type-options": "nosniff", "referrer-policy": "no-referrer"}


class Door:
    """ASGI middleware.

    Args:
        app: What is behind it.
        house: Keys, rates, metrics, log.
    """

    def __init__(self, app: Callable[..., Awaitable[None]], house: House) -> None:
        self.app, self.house = app, house

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let a request through, or answer it here."""
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        start, headers = time.perf_counter(), Headers(scope=scope)
        given = headers.get("x-request-id", "")
        record = RequestRecord(given if _ID.fullmatch(given) else uuid.uuid4().hex)
        scope["facellm.record"] = record
        passage = Passage(record, send)
        try:
            self.check(scope, headers)
            bounded = Bounded(receive, self.house, headers)
            try:
                await self.app(scope, bounded.receive, passage.send)
            finally:
                bounded.free()
        except ClientDisconnect:
            record.gone = True
        except Exception as error:
            await self._fail(error, scope, receive, passage)
        finally:
            self._note(scope, passage, time.perf_counter() - start)

    def check(self, scope: Scope, headers: Headers) -> None:
        """Refuse who may not come in.

        Raises:
            ApiError: 401, 421, 429 or 503.
        """
        house = self.house
        path = str(scope["path"])
        if house.settings.hosts is not None:
            host = headers.get("host", "").rpartition("@")[2]
            name = host if host.endswith("]") else re.sub(r":\d*$", "", host)
            if name.lower() not in house.settings.hosts:
                raise ApiError(421, "unknown_host", "this server is not called by that name")
        if not path.startswith(GUARDED):
            return
        if house.draining and path != "/metrics":
            raise ApiError(503, "shutting_down", "the server is shutting down", retry_after=10)
        address = scope["client"][0] if scope.get("client") else "unknown"
        try:
            who = house.keys.who(headers, address)
        except ApiError:
            house.rates.check(f"wrong keys of {address}")  # so that keys cannot be tried out
            raise
        if path != "/metrics":
            house.rates.check(who)

    async def _fail(
        self, error: Exception, scope: Scope, receive: Receive, passage: Passage
    ) -> None:
        """Answer with an error, unless the response has begun; a bug leaves a trace in the log."""
        failure = as_api_error(error)
        if failure.status == 500:
            frames = traceback.extract_tb(error.__traceback__)[-6:]
            places = " < ".join(f"{f.filename}:{f.lineno} {f.name}" for f in reversed(frames))
            passage.record.trace = f"{type(error).__name__} at {places}"
        passage.record.code = failure.code
        if not passage.status:
            await error_response(failure)(scope, receive, passage.send)

    def _note(self, scope: Scope, passage: Passage, seconds: float) -> None:
        metrics, status = self.house.metrics, passage.status or 499
        route = getattr(scope.get("route"), "path", "none")
        metrics.requests.labels(route, str(status)).inc()
        metrics.seconds.labels(route).observe(seconds)
        if passage.record.gone:
            metrics.gone.inc()
        self.house.log.write(passage.record, route, status, seconds)


class Passage:
    """The way out: adds the headers of every response, and remembers its status."""

    def __init__(self, record: RequestRecord, send: Send) -> None:
        self.record, self._send, self.status = record, send, 0

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            headers["x-request-id"] = self.record.id
            for name, value in _SAFE.items():
                headers.setdefault(name, value)
        await self._send(message)


class Bounded:
    """The way in: counts the bytes of a body while they come.

    Args:
        receive: Gives the parts of the body.
        house: Its settings bound a body and all bodies together.
        headers: Of the request.

    Raises:
        ApiError: 413, where the body says at once that it is too long.
    """

    def __init__(self, receive: Receive, house: House, headers: Headers) -> None:
        self._receive, self._house, self.held = receive, house, 0
        told = headers.get("content-length", "")
        if told.isdecimal() and int(told) > house.settings.body:
            raise self._too_long()

    def _too_long(self) -> ApiError:
        bound = self._house.settings.body
        return ApiError(413, "request_too_large", f"a request has at most {bound:,} bytes")

    async def receive(self) -> Message:
        """The next part; ``ApiError`` 413 or 429 from inside whoever reads it."""
        message = await self._receive()
        if message["type"] == "http.request":
            size = len(message.get("body", b""))
            self.held += size
            self._house.held += size
            if self.held > self._house.settings.body:
                raise self._too_long()
            if self._house.held > self._house.settings.held:
                text = "too much is being received at once; try again"
                raise ApiError(429, "too_much_at_once", text, retry_after=2)
        return message

    def free(self) -> None:
        """The body is done with."""
        self._house.held -= self.held
        self.held = 0
