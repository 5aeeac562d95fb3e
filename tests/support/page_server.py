"""The gateway with the shipped model, in a thread of the tests' own process, on a free port.

It is the real server: guard, door, local engine, page. A test changes what it asks of callers
through ``house`` (keys, policy), and puts it back.
"""

import asyncio
import logging
import threading
from contextlib import contextmanager
from types import SimpleNamespace

import uvicorn

from facellm.detection import CascadeDetector
from facellm.serve.doorkeepers import new_guard, new_policy
from facellm.serve.gateway.app import new_app
from facellm.serve.gateway.house import House
from facellm.serve.gateway.looking import Looker
from facellm.serve.gateway.settings import Settings
from facellm.serve.local_engine import LocalEngine
from facellm.serve.sight import load_sight

START_SECONDS = 120


@contextmanager
def running_gateway():
    """A running server's ``url`` (ending in a slash) and ``house``."""
    sight = load_sight(None)
    engine = LocalEngine(None, None)
    looker = Looker(sight, CascadeDetector(sight.landmark_net), engine, new_guard())
    house = House(Settings(rate=""), engine, looker, new_policy("personal"))
    ready, found = threading.Event(), SimpleNamespace(house=house, url="", server=None)
    thread = threading.Thread(target=asyncio.run, args=(_run(found, ready),), daemon=True)
    thread.start()
    try:
        if not ready.wait(START_SECONDS) or not found.url:
            raise RuntimeError("the gateway did not start")
        yield found
    finally:
        if found.server is not None:
            found.server.should_exit = True
        thread.join(20)


async def _run(found, ready):
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    config = uvicorn.Config(
        new_app(found.house), port=0, lifespan="off", log_config=None, timeout_graceful_shutdown=2
    )
    server = found.server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None
    try:
        await found.house.start()
        serving = asyncio.create_task(server.serve())
        while not server.started and not serving.done():
            await asyncio.sleep(0.02)
        port = server.servers[0].sockets[0].getsockname()[1]
        found.url = f"http://localhost:{port}/"
        ready.set()
        await serving
    finally:
        ready.set()
        await found.house.close()
