"""Many questions at once against one by one: our own server, and one that is far away.

Ours is a ``facellm serve`` in a process of its own, which computes on the same cores; the other
takes 0.2 seconds an answer whatever else it does, as an endpoint on other machines.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from facellm.bench_lines import Line, missing
from facellm.errors import FaceLLMError

from .bench_samples import pictures, task_of, timed, turns
from .harness.media import FIND
from .harness.models.endpoint import EndpointModel
from .harness.models.options import ModelOptions
from .harness.sample import FREE
from .harness.store import AnswerStore

SENT, AT_ONCE = 8, 8  # questions a turn; under way at once
FAR = 0.2  # seconds
PATIENCE = 120.0  # seconds until a server must be ready
GOAL = 3.0  # times as fast
READY = re.compile(r"(http://\S+) is ready")


def endpoint_lines(
    name: str, opened: AbstractContextManager[str], folder: Path, runs: int
) -> list[Line]:
    """Lines of one endpoint; one that says why not where it cannot be asked.

    Args:
        name: In the lines.
        opened: Gives its address, ``URL#NAME``.
        folder: For pictures.
        runs: Turns that count.
    """
    try:
        with opened as address:
            return at_once_lines(name, address, folder, runs)
    except FaceLLMError as error:
        return [missing(f"{name}: {AT_ONCE} at once over one by one", str(error))]


def at_once_lines(name: str, address: str, folder: Path, runs: int) -> list[Line]:
    """One by one and eight at once, each with pictures of its own.

    Raises:
        FaceLLMError: If a question is not answered.
    """
    models = [EndpointModel.of(address, ModelOptions(n, 0, 60.0)) for n in (1, AT_ONCE)]

    def pairs() -> Iterator[tuple[float, float]]:
        while True:
            tasks = [task_of(pictures(folder, SENT), FIND, (FREE,)) for _ in models]
            first, second = (
                timed(task, model, AnswerStore(None, None))
                for task, model in zip(tasks, models, strict=True)
            )
            yield first, second

    single, together = turns(pairs(), runs)
    return [
        Line(f"harness: a question, {name}, one by one", 1e3 * single / SENT, "ms", None, runs),
        Line(
            f"{name}: 8 at once over one by one", single / together, "x", GOAL, runs, at_least=True
        ),
    ]


class Far(BaseHTTPRequestHandler):
    """Answers any chat request after a while."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the name http.server asks for
        """One answer."""
        self.rfile.read(int(self.headers["Content-Length"]))
        time.sleep(FAR)
        message = {"role": "assistant", "content": "neutral"}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        record = {"id": "1", "object": "chat.completion", "created": 0, "model": "far"}
        data = json.dumps(record | {"choices": [choice]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:  # type: ignore[override]
        """Silent."""


@contextmanager
def far_away() -> Iterator[str]:
    """``URL#NAME`` of an endpoint whose answers take a while, whatever else it does."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Far)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/v1#far"
    finally:
        server.shutdown()
        server.server_close()


@contextmanager
def serving(model: Path | None) -> Iterator[str]:
    """``URL#NAME`` of a ``facellm serve`` in a process of its own.

    Raises:
        FaceLLMError: If it is not ready in time; holds what it said last.
    """
    command = [sys.executable, "-m", "facellm", "serve", "--engine", "local", "--port", "0"]
    command += [] if model is None else ["--model", str(model)]
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        try:
            yield f"{ready(child, said.fileno())}/v1#facellm"
        finally:
            child.send_signal(signal.SIGTERM)
            try:
                child.wait(30)
            except subprocess.TimeoutExpired:
                child.kill()


def ready(child: subprocess.Popen[bytes], said: int) -> str:
    """The address a starting server names on stderr, a file that is read from its beginning."""
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        told = os.pread(said, 100_000, 0).decode(errors="replace")
        if found := READY.search(told):
            return found[1]
        if child.poll() is not None:
            break
        time.sleep(0.1)
    lines = os.pread(said, 100_000, 0).decode(errors="replace").strip().splitlines()
    raise FaceLLMError(f"facellm serve is not ready: {lines[-1] if lines else 'it said nothing'}")
