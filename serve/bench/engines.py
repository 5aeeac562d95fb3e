"""vLLM beside the local engine: the real command, the same weights, the same requests in turn.

A round asks every engine 1, 4, 8 and 16 questions at once, each about a face crop nobody saw before
and for the same number of tokens. Crops are read before the clock of the answers starts, as they
are in every request; that is timed too. The first round warms up and is not counted.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import httpx
import numpy as np

from facellm.bench_lines import Line, missing, new_photo

from ..asking import Answer, Asker, Question, data_uri, photographs
from ..running import Running, served
from ..setup_environment import serving_python

LOCAL, VLLM = "local", "vllm"
LEVELS = (1, 4, 8, 16)
TOKENS = 32
GOAL_AT, GOAL = 8, 2.0  # requests at once, ratio
CACHE_GOAL = 5.0
SIDE = 192  # pixels of a crop
FACE = (slice(60, 400), slice(280, 620))  # of the photograph that is not mirrored
FIRST, SECOND = "What expression does this face show?", "How old does she look?"


@dataclass
class Side:
    """An engine's figures.

    Attributes:
        asker: Asks its server.
        answers: Requests at once -> all answers.
        rates: Requests at once -> requests a second of each round.
        read: Crops a second of each round, sixteen at once.
        new: Seconds to the first word about a new photograph.
        again: The same of a second question about it.
    """

    asker: Asker
    answers: dict[int, list[Answer]] = field(default_factory=lambda: {n: [] for n in LEVELS})
    rates: dict[int, list[float]] = field(default_factory=lambda: {n: [] for n in LEVELS})
    read: list[float] = field(default_factory=list)
    new: list[float] = field(default_factory=list)
    again: list[float] = field(default_factory=list)


def engine_lines(model: Path | None, runs: int, folder: Path) -> list[Line]:
    """Figures of the engines that are there.

    Args:
        model: Folder of weights; None takes those shipped.
        runs: Rounds that count.
        folder: Takes the servers' words.

    Raises:
        FaceLLMError: If a server does not start, or refuses a request.
    """
    words = ["--rate", "", "--running", str(max(LEVELS))]
    words += [] if model is None else ["--model", str(model)]
    names = [LOCAL] if serving_python() is None else [LOCAL, VLLM]
    with ExitStack() as held:
        running = {
            name: held.enter_context(served(["--engine", name, *words], folder / name))
            for name in names
        }
        starts = [
            Line(f"{name}: cold start of the server", one.seconds, "s", None, 1)
            for name, one in running.items()
        ]
        sides = asyncio.run(measured(running, runs))
    lines = [line for name, side in sides.items() for line in side_lines(name, side, runs)]
    if VLLM not in sides:
        return [*starts, *lines, missing("vllm beside local", "vLLM is not set up here")]
    return [*starts, *lines, *ratio_lines(sides[VLLM], sides[LOCAL], runs)]


async def measured(running: Mapping[str, Running], runs: int) -> dict[str, Side]:
    """Ask all of them in turn."""
    async with AsyncExitStack() as held:
        sides = {}
        for name, one in running.items():
            client = httpx.AsyncClient(base_url=one.url, timeout=120)
            sides[name] = Side(Asker(await held.enter_async_context(client)))
        for number in range(runs + 1):
            for together in LEVELS:
                pictures = crops(together, seed=100 * number + together)
                for side in sides.values():
                    await burst(side, pictures)
            for side in sides.values():
                await twice(side, photographs(1, first=number)[0])
            if number == 0:
                sides = {name: Side(side.asker) for name, side in sides.items()}
    return sides


async def burst(side: Side, pictures: Sequence[str]) -> None:
    """As many questions at once as there are crops, after these were read."""
    together, start = len(pictures), time.perf_counter()
    batches = [pictures[at : at + 8] for at in range(0, together, 8)]
    await asyncio.gather(*(side.asker.readings(batch, crops=True) for batch in batches))
    if together == max(LEVELS):
        side.read.append(together / (time.perf_counter() - start))
    questions = [Question("Describe the face.", (one,), TOKENS, crops=True) for one in pictures]
    start = time.perf_counter()
    answers = await asyncio.gather(*map(side.asker.stream, questions))
    side.rates[together].append(together / (time.perf_counter() - start))
    side.answers[together] += answers


async def twice(side: Side, photograph: str) -> None:
    """A question about a new photograph, and another one after it."""
    first = await side.asker.stream(Question(FIRST, (photograph,)))
    second = await side.asker.stream(Question(SECOND, (photograph,), earlier=(FIRST, first.text)))
    side.new.append(first.first)
    side.again.append(second.first)


def crops(count: int, seed: int) -> list[str]:
    """Face crops that differ in noise, as data URIs without loss."""
    face = cv2.resize(new_photo(0)[FACE], (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(seed)
    noisy = (face + rng.normal(0, 2, face.shape) for _ in range(count))
    return [data_uri(np.clip(one, 0, 255).astype(np.uint8), "PNG") for one in noisy]


def side_lines(name: str, side: Side, runs: int) -> list[Line]:
    """Medians of one engine."""
    lines = []
    for together in LEVELS:
        answers, what = side.answers[together], f"{name}, {together} at once"
        first = 1e3 * statistics.median(answer.first for answer in answers)
        token = 1e3 * statistics.median(answer.per_token for answer in answers)
        rate = statistics.median(side.rates[together])
        lines += [
            Line(f"{what}: first word", first, "ms", None, len(answers)),
            Line(f"{what}: a further token", token, "ms", None, len(answers)),
            Line(f"{what}: answers of {TOKENS} tokens", rate, "/s", None, runs),
        ]
    new, again = statistics.median(side.new), statistics.median(side.again)
    lines += [
        Line(f"{name}: crops read, 16 at once", statistics.median(side.read), "/s", None, runs),
        Line(f"{name}: new photograph, first word", 1e3 * new, "ms", None, runs),
        Line(f"{name}: second question about it, first word", 1e3 * again, "ms", None, runs),
        Line(f"{name}: first over second question", new / again, "x", CACHE_GOAL, runs, True),
    ]
    return lines


def ratio_lines(vllm: Side, local: Side, runs: int) -> list[Line]:
    """VLLM over the local engine, requests a second; medians of rounds."""
    lines = []
    for together in LEVELS:
        pairs = zip(vllm.rates[together], local.rates[together], strict=True)
        ratio = statistics.median(one / other for one, other in pairs)
        goal = GOAL if together == GOAL_AT else None
        name = f"{together} at once: vllm over local, answers a second"
        lines.append(Line(name, ratio, "x", goal, runs, at_least=True))
    return lines
