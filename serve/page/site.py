"""The page at ``/`` and its files under ``/page/``: few, small, and nothing from elsewhere.

Example: ``app.router.routes.extend(page_routes())`` before the gateway's own routes are walked;
``GET /`` is ``index.html``, ``GET /page/app.js`` a module of it, ``GET /page/labels.json`` the
closed label sets that the page needs (one source of truth: ``facellm.labels``).

The headers forbid every inline script and style, every other host and every frame around the page;
scripts put text into it as text only.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles

from facellm.assistant import LONGEST_QUESTION
from facellm.context import AU_LEVELS, CITED_GEOMETRY
from facellm.labels import EXPRESSIONS, FACS
from facellm.reading import UNIT_SHOWN
from facellm.regions import REGION_SLICES
from facellm.table_columns import DEFAULT, POINTS

FOLDER = Path(__file__).parent
SERVED = (".html", ".js", ".css")
POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' blob: data:",
    "media-src": "blob:",
    "connect-src": "'self'",
    "frame-ancestors": "'none'",
    "base-uri": "'none'",
    "form-action": "'none'",
}
HEADERS = {
    "Content-Security-Policy": "; ".join(f"{name} {source}" for name, source in POLICY.items()),
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",  # kept, but asked after: a new version shows at once
}


class PageFiles(StaticFiles):
    """The folder's page files, with the headers; whatever else lies there is not found."""

    def lookup_path(self, path: str) -> tuple[str, os.stat_result | None]:
        """As Starlette's, for served kinds of file only."""
        return super().lookup_path(path) if path.endswith(SERVED) else ("", None)

    def file_response(self, *args: Any, **options: Any) -> Response:
        """As Starlette's, with the page's headers."""
        response = super().file_response(*args, **options)
        response.headers.update(HEADERS)
        return response


def labels() -> dict[str, Any]:
    """What the page has to know of the label sets.

    Returns:
        ``expressions``; ``units`` (number, name, phrase, region of every action unit);
        ``unit_shown`` (probability from which one is active) and ``unit_levels``; ``regions``
        (half-open slices of the 68 points); ``measures`` (geometry that an answer may cite, in
        words); ``columns`` of a table without the points; ``longest_question`` in characters.
    """
    return {
        "expressions": EXPRESSIONS,
        "units": [
            {"number": u.number, "name": u.name, "phrase": u.phrase, "region": u.region}
            for u in FACS.values()
        ],
        "unit_shown": UNIT_SHOWN,
        "unit_levels": AU_LEVELS - 1,
        "regions": REGION_SLICES,
        "measures": CITED_GEOMETRY,
        "columns": [name for name in DEFAULT if name not in POINTS],
        "longest_question": LONGEST_QUESTION,
    }


def home(_: Request) -> Response:
    """The page."""
    return FileResponse(FOLDER / "index.html", headers=HEADERS)


def label_sets(_: Request) -> Response:
    """``labels`` as JSON."""
    return JSONResponse(labels(), headers=HEADERS)


def page_routes() -> list[BaseRoute]:
    """Routes of the page, for any Starlette or FastAPI application; none is in its OpenAPI."""
    return [
        Route("/", home, methods=["GET"]),
        Route("/page/labels.json", label_sets, methods=["GET"]),
        Mount("/page", PageFiles(directory=FOLDER)),
    ]
