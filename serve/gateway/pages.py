"""The page at ``/``: files of the folder ``serve/page``, read once, with a strict policy.

Nothing outside that folder can be asked for: names are looked up in a dict made when the server
starts, and no path is ever put together from a request.
"""

from __future__ import annotations

import mimetypes
from pathlib import Path

from starlette.requests import Request
from starlette.responses import Response

from .failures import ApiError

FOLDER = Path(__file__).parents[1] / "page"
INDEX = "index.html"
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'",
    "permissions-policy": "camera=(self), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-cache",
}


class Pages:
    """Files of the page.

    Args:
        folder: Where they lie; without one there is no page.
    """

    def __init__(self, folder: Path = FOLDER) -> None:
        self.files = {
            path.name: path.read_bytes()
            for path in (sorted(folder.iterdir()) if folder.is_dir() else ())
            if path.is_file() and path.suffix not in (".py", ".pyc")
        }

    def index(self, _: Request) -> Response:
        """The page itself; ``ApiError`` 404 where this server has none."""
        return self.named(INDEX)

    def asset(self, request: Request) -> Response:
        """A file the page needs."""
        return self.named(str(request.path_params["name"]))

    def named(self, name: str) -> Response:
        """A file by its name."""
        if name not in self.files:
            raise ApiError(404, "not_found", "there is no such page; the API is under /v1")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(self.files[name], media_type=kind, headers=dict(HEADERS))
