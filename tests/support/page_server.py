"""The page with the shipped model behind it, on a free port: the API's shape, no limits, no queue.

It answers as the gateway does, for tests of the page alone. What a test wants to go wrong stands in
``Stage``: errors of the next calls, and seconds before each piece of an answer.
"""

import base64
import json
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass, field

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, StreamingResponse

from facellm.assistant import FaceAssistant
from facellm.chat import Chat, Exchange
from facellm.cli import NOTICE
from facellm.errors import FaceLLMError
from facellm.serve.page.site import page_routes
from facellm.standard_input import picture_from_bytes


@dataclass
class Stage:
    """The server's address, what it does wrong, and what it was asked.

    Attributes:
        url: Of the page.
        faults: ``(status, code, message, headers)`` of the next calls of the API, in order.
        pause: Seconds before every piece of an answer.
        key: What callers must know; None: nothing.
        context: ``workplace`` refuses questions.
        bodies: Of all POST requests, oldest first.
    """

    url: str = ""
    faults: list = field(default_factory=list)
    pause: float = 0.0
    key: str | None = None
    context: str = "personal"
    bodies: list = field(default_factory=list)


def error(status, message, code=None, headers=None):
    kind = "invalid_request_error" if status < 500 else "server_error"
    body = {"error": {"message": message, "type": kind, "param": None, "code": code}}
    return JSONResponse(body, status, headers)


def pixels_of(uri):
    return picture_from_bytes(base64.b64decode(uri.partition(",")[2]))


def face_record(face):
    points = face.face.landmarks
    listed = None if points is None else points.points.round(1).tolist()
    return face.to_dict() | {"landmarks": listed}


def chat_of(assistant, messages, face):
    """The conversation as it stood before its last question, and that question."""
    (picture, first), rest = messages[0]["content"], messages[1:]
    chat = Chat(assistant)
    chat.open(pixels_of(picture["image_url"]["url"]))
    chat.choose(face)
    said = [first["text"], *(message["content"] for message in rest)]
    pairs = zip(said[:-1:2], said[1::2], strict=True)
    chat.exchanges = [Exchange(question, answer, answer) for question, answer in pairs]
    return chat, said[-1]


def pieces(chat, question, stage):
    for piece in chat.ask(question):
        time.sleep(stage.pause)
        yield event({"delta": {"content": piece}, "finish_reason": None})
    yield event({"delta": {}, "finish_reason": "stop"})
    yield "data: [DONE]\n\n"


def event(choice):
    return f"data: {json.dumps({'choices': [{'index': 0, **choice}]})}\n\n"


def application(assistant, stage):
    """The API."""
    app = FastAPI()
    app.router.routes.extend(page_routes())

    @app.middleware("http")
    async def faulty(request: Request, go_on):
        if request.url.path.startswith("/v1"):
            if stage.key and request.headers.get("authorization") != f"Bearer {stage.key}":
                return error(401, "no key")
            if stage.faults and request.method == "POST":
                status, code, message, headers = stage.faults.pop(0)
                return error(status, message, code, headers)
        return await go_on(request)

    @app.get("/v1/models")
    def models():
        notice = NOTICE.removeprefix("Note: ")
        units = assistant.checkpoint.calibration.units_on_real_faces
        return {"data": [{"id": "facellm", "notice": notice, "units_on_real_faces": units}]}

    @app.post("/v1/readings")
    def readings(body: dict):
        stage.bodies.append(body)
        try:
            pictures = [assistant.read(pixels_of(uri)) for uri in body["images"]]
        except FaceLLMError as fault:
            return error(400, str(fault), "invalid_image")
        return {"data": [{"faces": [face_record(face) for face in faces]} for faces in pictures]}

    @app.post("/v1/chat/completions")
    def completions(body: dict):
        stage.bodies.append(body)
        if stage.context == "workplace":
            message = "Emotion questions are not answered at work."
            return error(403, message, "use_context_prohibited")
        chat, question = chat_of(assistant, body["messages"], body.get("face"))
        return StreamingResponse(pieces(chat, question, stage), media_type="text/event-stream")

    return app


@contextmanager
def page_server(assistant=None):
    """A running server's ``Stage``."""
    stage = Stage()
    config = uvicorn.Config(
        application(assistant or FaceAssistant.load(), stage), port=0, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started:
        if not thread.is_alive():
            raise RuntimeError("the page's server did not start")
        time.sleep(0.02)
    stage.url = f"http://localhost:{server.servers[0].sockets[0].getsockname()[1]}/"
    try:
        yield stage
    finally:
        server.should_exit = True
        thread.join(10)
