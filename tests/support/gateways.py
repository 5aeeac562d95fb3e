"""Gateways for tests: the real app, over a socket or in memory, with toy weights or a script."""

import asyncio
import base64
import io
import threading
from contextlib import asynccontextmanager, contextmanager

import httpx
import numpy as np
import uvicorn
from PIL import Image

from facellm.detection import CascadeDetector
from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.labels import QUERIES
from facellm.serve.engines import Piece
from facellm.serve.gateway.app import new_app
from facellm.serve.gateway.failures import ApiError
from facellm.serve.gateway.house import House
from facellm.serve.gateway.looking import Looker
from facellm.serve.gateway.settings import Settings
from facellm.serve.server import Server
from facellm.serve.sight import load_sight

JSON = {"content-type": "application/json"}


class OpenGuard:
    """Decodes in this process, without any bound."""

    def __init__(self):
        self.decoded = 0

    async def start(self):
        """Nothing to start."""

    async def close(self):
        """Nothing to close."""

    async def picture(self, data):
        self.decoded += 1
        try:
            return load_image(data)
        except FaceLLMError as error:
            raise ApiError(400, "invalid_image", str(error)) from None

    async def clip(self, data):
        raise ApiError(415, "unsupported_video", "no clips in this test")


class OpenPolicy:
    """Refuses nothing."""

    def __init__(self, use_context):
        self.use_context = use_context

    def check_context(self, requested):
        return requested or self.use_context

    def check_question(self, texts, context):
        return None

    def before(self, texts):
        return None

    def after(self, text):
        return None

    def emotions_allowed(self, context):
        return True


class ScriptedEngine:
    """Writes a fixed answer, a word a ``pause``; counts what is begun, finished and dropped."""

    name, detail = "local", "a script"

    def __init__(self, processor, pause=0.0, words=5):
        self.intent = int(processor.intent_ids[3])
        self.pause, self.words = pause, words
        self.begun = self.finished = self.dropped = 0
        self.down = self.hung = None
        self.turns = []

    async def start(self):
        """Nothing to start."""

    async def close(self):
        """Nothing to close."""

    async def logprobs(self, faces):
        return [
            np.full((len(faces), len(q.labels)), -np.log(len(q.labels)), np.float32)
            for q in QUERIES
        ]

    async def reply(self, turns, bounds):
        self.turns = list(turns)
        self.begun += 1
        finished = False
        try:
            if self.down:
                raise self.down
            for number in range(min(self.words, bounds.longest)):
                await asyncio.sleep(self.pause)
                yield Piece(f" word{number}", (self.intent if number == 0 else 1,))
            finished = True
            yield Piece("", (), "stop", 7)
        finally:
            self.finished += finished
            self.dropped += not finished

    def check(self):
        if self.down:
            raise self.down

    async def alive(self):
        if self.down or self.hung:
            raise self.down or self.hung


class AnyFace:
    """A detector that finds nothing."""

    def detect(self, image):
        return []


def new_house(folder, engine=None, guard=None, policy=None, log=None, **settings):
    """A house over a folder of weights; by default a scripted engine that finds no face."""
    sight = load_sight(folder)
    scripted = engine is None or isinstance(engine, dict)
    if scripted:
        engine = ScriptedEngine(sight.processor, **(engine or {}))
    detector = AnyFace() if scripted else CascadeDetector(sight.landmark_net)
    looker = Looker(sight, detector, engine, guard or OpenGuard())
    settings = Settings(**{"rate": "", "deadline": 30.0, **settings})
    return House(settings, engine, looker, policy or OpenPolicy("personal"), log)


@asynccontextmanager
async def client_of(house):
    """An HTTP client of a started house, in memory."""
    await house.start()
    transport = httpx.ASGITransport(new_app(house), raise_app_exceptions=False)
    try:
        async with httpx.AsyncClient(transport=transport, base_url="http://127.0.0.1") as client:
            yield client
    finally:
        await house.close()


@contextmanager
def serving_house(house):
    """A house behind a real socket, in a thread of its own; gives its address."""
    config = uvicorn.Config(
        new_app(house), host="127.0.0.1", port=0, lifespan="off", access_log=False,
        log_config=None, timeout_graceful_shutdown=5,
    )  # fmt: skip
    server = Server(config, house, quiet=True)
    server.capture_signals = _no_signals

    async def run():
        await house.start()
        try:
            await server.serve()
        finally:
            await house.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),), daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        thread.join(0.01)
    house.server = server
    try:
        yield server.url()
    finally:
        server.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@contextmanager
def _no_signals():
    """Signals reach the main thread only."""
    yield


def data_uri(source, kind="image/jpeg"):
    """A file or bytes as a data URI."""
    data = source if isinstance(source, bytes) else source.read_bytes()
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def small_png(colour=(120, 140, 160)):
    """A plain picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (48, 40), colour).save(buffer, "PNG")
    return buffer.getvalue()


def user(text, *urls):
    """A user's message with pictures."""
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls]
    return {"role": "user", "content": [*parts, {"type": "text", "text": text}]}
