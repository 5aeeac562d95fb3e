"""What a request costs beside the engine: the real gateway over a socket, and no engine at all."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import httpx
import numpy as np
import uvicorn
from numpy.typing import NDArray

from facellm.bench_lines import Line
from facellm.conversation import FacePart, Turn
from facellm.detection import CascadeDetector
from facellm.labels import QUERIES
from facellm.processor import FaceLLMProcessor

from ..asking import Asker, Question, photographs
from ..doorkeepers import new_guard, new_policy
from ..engines import Bounds, Piece
from ..gateway.app import new_app
from ..gateway.house import House
from ..gateway.looking import Looker
from ..gateway.settings import Settings
from ..sight import load_sight

WORDS = 40  # of an answer, a piece each
GOAL = 10.0  # ms


class NullEngine:
    """A ``ServingEngine`` that knows nothing and answers at once.

    Args:
        processor: Of the weights.
    """

    name, detail = "local", "answers at once, for measuring"

    def __init__(self, processor: FaceLLMProcessor) -> None:
        self._intent = int(processor.intent_ids[0])

    async def start(self) -> None:
        """Nothing to start."""

    async def close(self) -> None:
        """Nothing to stop."""

    def check(self) -> None:
        """Never down."""

    async def alive(self) -> None:
        """Never down."""

    async def logprobs(self, faces: Sequence[FacePart]) -> list[NDArray[np.float32]]:
        """Every label as likely as the next."""
        shapes = [(len(faces), len(query.labels)) for query in QUERIES]
        return [np.full(shape, -np.log(shape[1]), np.float32) for shape in shapes]

    async def reply(self, turns: Sequence[Turn], bounds: Bounds) -> AsyncIterator[Piece]:
        """The same words to everything."""
        for number in range(WORDS):
            yield Piece(f" word{number}", (self._intent,) if number == 0 else (1,))
        yield Piece("", (), "stop", 1)


def gateway_lines(model: Path | None, runs: int) -> list[Line]:
    """Milliseconds of a request in the gateway, from client to client.

    Args:
        model: Folder of weights; None takes those shipped.
        runs: Medians are of so many.
    """
    found = asyncio.run(measured(model, runs))
    return [
        Line("gateway: question without a picture", found["text"], "ms", GOAL, runs),
        Line("gateway: processor time of that, the client's too", found["cpu"], "ms", None, runs),
        Line("gateway: about a photograph seen before", found["again"], "ms", GOAL, runs),
        Line(f"gateway: the same as a stream of {WORDS} pieces", found["stream"], "ms", None, runs),
        Line("gateway: about a new photograph, faces found", found["new"], "ms", None, runs),
    ]


async def measured(model: Path | None, runs: int) -> dict[str, float]:
    """Median milliseconds of every kind of request."""
    sight = load_sight(model)
    engine = NullEngine(sight.processor)
    looker = Looker(sight, CascadeDetector(sight.landmark_net), engine, new_guard())
    house = House(Settings(rate=""), engine, looker, new_policy("personal"))
    config = uvicorn.Config(
        new_app(house), host="127.0.0.1", port=0, lifespan="off", access_log=False, log_config=None
    )
    server = uvicorn.Server(config)
    await house.start()
    task = asyncio.create_task(server.serve())
    try:
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=60) as client:
            return await medians(Asker(client), runs)
    finally:
        server.should_exit = True
        await task
        await house.close()


async def medians(asker: Asker, runs: int) -> dict[str, float]:
    """See ``measured``; kinds take turns, the first of each is not counted."""
    text = "What expression does this face show?"
    seen, *fresh = photographs(1 + runs // 5 + 1)
    about = Question(text, (seen,))
    kinds = ("text", "cpu", "again", "stream", "new")
    found: dict[str, list[float]] = {kind: [] for kind in kinds}
    for number in range(runs + 1):
        busy = time.process_time()
        found["text"].append((await asker.whole(Question(text))).total)
        found["cpu"].append(time.process_time() - busy)
        found["again"].append((await asker.whole(about)).total)
        found["stream"].append((await asker.stream(about)).total)
        if number < len(fresh):
            found["new"].append((await asker.whole(Question(text, (fresh[number],)))).total)
    return {name: 1e3 * statistics.median(times[1:]) for name, times in found.items()}
