"""The app: exactly these routes, each behind the door, and nothing of the framework's own.

Example: ``uvicorn.Server(uvicorn.Config(new_app(house))).run()``
"""

from __future__ import annotations

import importlib.metadata
import json
from typing import Any

from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from facellm.checkpoint import weight_digests

from ..doorkeepers import NOTICE
from ..engines import EngineDown
from .chat import chat
from .door import Door
from .failures import ApiError, error_response
from .house import House
from .openapi import described
from .pages import Pages
from .readings import readings

CARD = "MODEL_CARD.md"  # beside the README of this version
METRICS_KIND = "text/plain; version=0.0.4; charset=utf-8"


def new_app(house: House) -> FastAPI:
    """The app of a house that is started elsewhere."""
    app = FastAPI(
        title="facellm",
        version=importlib.metadata.version("facellm"),
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    app.add_middleware(Door, house=house)
    app.add_exception_handler(HTTPException, plain_error)
    rooms, pages = Rooms(house), Pages()
    add = app.add_api_route
    add("/v1/chat/completions", rooms.chat, methods=["POST"], response_model=None)
    add("/v1/readings", rooms.readings, methods=["POST"], response_model=None)
    add("/v1/models", rooms.models, methods=["GET"])
    add("/v1/models/{name}", rooms.model, methods=["GET"])
    add("/health/live", rooms.live, methods=["GET"])
    add("/health/ready", rooms.ready, methods=["GET"])
    add("/metrics", rooms.metrics, methods=["GET"], response_model=None)
    add("/openapi.json", rooms.openapi, methods=["GET"], include_in_schema=False)
    add("/", pages.index, methods=["GET"], include_in_schema=False, response_model=None)
    add("/page/{name}", pages.asset, methods=["GET"], include_in_schema=False, response_model=None)
    rooms.description = described(app)
    return app


async def plain_error(_: Request, error: Exception) -> Response:
    """What the router has to say, as OpenAI says it."""
    assert isinstance(error, HTTPException)
    texts = {
        404: ("not_found", "there is no such address here"),
        405: ("method_not_allowed", "that method is not taken here"),
    }
    code, message = texts.get(error.status_code, ("invalid_request", "the request is not taken"))
    response = error_response(ApiError(error.status_code, code, message))
    response.headers.update(error.headers or {})
    return response


class Rooms:
    """What stands behind each route.

    Args:
        house: What answers.
    """

    def __init__(self, house: House) -> None:
        self.house = house
        self.description: dict[str, Any] = {}
        self.digests = weight_digests(house.looker.sight.folder)

    async def chat(self, request: Request) -> Response:
        """Answer a question about the faces of pictures, or about a clip."""
        return await chat(self.house, request)

    async def readings(self, request: Request) -> Response:
        """Read every face of some pictures."""
        return JSONResponse(await readings(self.house, request))

    async def models(self) -> dict[str, Any]:
        """The model that is served."""
        return {"object": "list", "data": [self._model()]}

    async def model(self, name: str) -> dict[str, Any]:
        """One model by its name."""
        if name != self.house.settings.name:
            message = f"the model does not exist; the one here is {self.house.settings.name!r}"
            raise ApiError(404, "model_not_found", message, "model")
        return self._model()

    def _model(self) -> dict[str, Any]:
        house = self.house
        sight = house.looker.sight
        return {
            "id": house.settings.name,
            "object": "model",
            "created": house.born,
            "owned_by": "facellm",
            "notice": NOTICE,
            "model_card": CARD,
            "weights": self.digests,
            "engine": {"name": house.engine.name, "detail": house.engine.detail},
            "max_model_len": sight.context,
            "units_on_real_faces": list(sight.calibration.units_on_real_faces),
            "limits": {
                "images": house.settings.pictures,
                "image_bytes": house.settings.picture_bytes,
                "image_pixels": house.settings.picture_pixels,
                "faces": house.settings.chat_faces,
            },
        }

    async def live(self) -> dict[str, str]:
        """This process answers."""
        return {"status": "live"}

    async def ready(self) -> dict[str, str]:
        """The engine wrote a token in the last seconds, and the server is not being stopped."""
        house = self.house
        if house.draining:
            raise ApiError(503, "shutting_down", "the server is shutting down")
        up = house.metrics.engine_up.labels(house.engine.name)
        try:
            await house.canary.check()
        except EngineDown:
            up.set(0)
            raise
        up.set(1)
        return {"status": "ready"}

    async def metrics(self) -> Response:
        """Counts, for Prometheus."""
        house = self.house
        house.metrics.inside.set(house.admission.inside)
        house.metrics.running.set(house.admission.running)
        return Response(house.metrics.text(), media_type=METRICS_KIND)

    async def openapi(self) -> Response:
        """This description."""
        return Response(json.dumps(self.description), media_type="application/json")
