"""A running ``facellm serve``, asked over HTTP with what Python brings along.

Example::

    remote = Remote("http://127.0.0.1:8000", key=None)
    remote.post("/v1/readings", {"images": [as_data_uri(data)]})["data"][0]["faces"]

A server that says it is busy is asked again when it says so, for a bounded time.
"""

from __future__ import annotations

import argparse
import base64
import io
import ipaddress
import json
import os
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException, HTTPResponse
from typing import Any

from facellm.errors import FaceLLMError

KEY_VARIABLE = "FACELLM_API_KEY"
TIMEOUT = 120.0  # seconds without a byte
PATIENCE = 60.0  # seconds that a busy server is asked again
BUSY = (429, 503)
MOST_BYTES, MOST_PIXELS = 10_000_000, 25_000_000  # of a picture that is sent as it is
KINDS = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG\r\n\x1a\n": "image/png"}


def add_server_arguments(parser: argparse.ArgumentParser) -> None:
    """``--server`` and ``--api-key`` of a verb."""
    parser.add_argument("--server", metavar="URL", help="let a running `facellm serve` do it")
    parser.add_argument(
        "--api-key", metavar="KEY", help=f"of that server (default: {KEY_VARIABLE})"
    )


def refuse_local(args: argparse.Namespace, usual: argparse.ArgumentParser, *names: str) -> None:
    """Refuse options that mean nothing to a server.

    Args:
        args: As given.
        usual: Knows what they are where nobody gives them.
        *names: Of the options.
    """
    for name in names:
        if getattr(args, name) != usual.get_default(name):
            option = f"--{name.replace('_', '-')}"
            raise FaceLLMError(f"{option} does not go with --server: it is the server's affair")


class Remote:
    """A server.

    Args:
        url: Its address, with or without ``/v1``.
        key: API key; by default the environment's ``FACELLM_API_KEY``.

    Raises:
        FaceLLMError: If the address is none.
    """

    def __init__(self, url: str, key: str | None = None) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise FaceLLMError(f"--server {url}: is no address such as http://127.0.0.1:8000")
        self.url = url.rstrip("/").removesuffix("/v1")
        self._headers = {"content-type": "application/json", "accept": "application/json"}
        if key := key or os.environ.get(KEY_VARIABLE):
            self._headers["authorization"] = f"Bearer {key}"
        handlers: list[Any] = [_NoRedirect]
        if is_own(parts.hostname):  # a proxy could not reach it
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)

    def get(self, path: str) -> dict[str, Any]:
        """JSON of an address."""
        with self._open(path, None) as response:
            return self._json(response)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """JSON in answer to JSON."""
        with self._open(path, body) as response:
            return self._json(response)

    def stream(self, path: str, body: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Events in answer to JSON, as they come.

        Raises:
            FaceLLMError: If the server cannot be reached, refuses, or breaks off.
        """
        with self._open(path, body) as response:
            try:
                for line in response:
                    text = line.decode("utf-8", errors="replace").strip()
                    if text == "data: [DONE]":
                        return
                    if text.startswith("data: "):
                        yield self._event(text[6:])
            except (OSError, HTTPException) as error:
                raise FaceLLMError(f"{self.url}: broke off ({error})") from error
        raise FaceLLMError(f"{self.url}: broke off before the end of the answer")

    def _event(self, text: str) -> dict[str, Any]:
        try:
            record = json.loads(text)
        except ValueError as error:
            raise FaceLLMError(f"{self.url}: does not answer as facellm does") from error
        if isinstance(record, dict) and "error" in record:
            raise FaceLLMError(f"{self.url}: {record['error'].get('message', 'failed')}")
        return record

    def _json(self, response: HTTPResponse) -> dict[str, Any]:
        try:
            record = json.load(response)
        except (ValueError, OSError, HTTPException) as error:
            raise FaceLLMError(f"{self.url}: does not answer as facellm does") from error
        if not isinstance(record, dict):
            raise FaceLLMError(f"{self.url}: does not answer as facellm does")
        return record

    def _open(self, path: str, body: dict[str, Any] | None) -> HTTPResponse:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, self._headers)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                return self._opener.open(request, timeout=TIMEOUT)
            except urllib.error.HTTPError as error:
                wait = retry_after(error)
                if error.code in BUSY and time.monotonic() + wait < until:
                    time.sleep(wait)
                    continue
                raise self._refused(error) from None
            except (OSError, HTTPException) as error:
                why = getattr(error, "reason", error)
                hint = "is `facellm serve` running there?"
                raise FaceLLMError(f"{self.url}: cannot be reached ({why}); {hint}") from error

    def _refused(self, error: urllib.error.HTTPError) -> RemoteError:
        try:
            told = json.load(error)["error"]
            message, code = str(told["message"]), str(told.get("code"))
        except (ValueError, KeyError, TypeError, OSError, HTTPException):
            message, code = f"status {error.code}, not as facellm answers", ""
        if error.code == 401:
            message += f"; give it by --api-key or {KEY_VARIABLE}"
        return RemoteError(error.code, code, f"{self.url}: {message}", message)


class RemoteError(FaceLLMError):
    """What a server answers instead of what was asked for.

    Args:
        status: HTTP status.
        code: The server's word for it.
        message: With the server's address.
        reason: Without it.
    """

    def __init__(self, status: int, code: str, message: str, reason: str) -> None:
        super().__init__(message)
        self.status, self.code, self.reason = status, code, reason


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A key and a face are sent to the address that was typed, and to no other."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Never."""


def retry_after(error: urllib.error.HTTPError) -> float:
    """Seconds after which a server wants to be asked again, at least a tenth."""
    told = error.headers.get("retry-after", "") if error.headers else ""
    return float(min(int(told), 60)) if told.isdecimal() else 1.0


def is_own(host: str) -> bool:
    """Whether a name or address is this machine's own."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def as_data_uri(data: bytes) -> str:
    """An encoded picture as a data URI that a server takes.

    JPEG, PNG and WebP within the server's bounds are sent as they are; anything else is decoded
    here and sent as PNG, or as JPEG where that is too long.

    Raises:
        FaceLLMError: If it is no picture.
    """
    kind = next((kind for start, kind in KINDS.items() if data.startswith(start)), None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        kind = "image/webp"
    if kind is None or len(data) > MOST_BYTES or pixels_of(data) > MOST_PIXELS:
        kind, data = converted(data)
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def pixels_of(data: bytes) -> int:
    """Pixels that a picture promises; 0 where it cannot be told, so that the server judges."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(data)) as picture:
            return picture.width * picture.height
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return 0


def converted(data: bytes) -> tuple[str, bytes]:
    """Any picture as PNG or JPEG within the bounds."""
    from PIL import Image

    from facellm.images import load_image

    picture = Image.fromarray(load_image(data))
    for kind, options in (("png", {"compress_level": 1}), ("jpeg", {"quality": 95})):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        if buffer.tell() <= MOST_BYTES:
            break
    return f"image/{kind}", buffer.getvalue()
