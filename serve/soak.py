"""A server at full load for minutes: its memory and every piece of its streams watched.

Clients ask the same questions about the same pictures again and again, by every way there is. Words
are greedy, so every answer has to be the first one, piece by piece: what is lost or comes twice is
seen. Memory is that of all processes together; it may not grow after the first third.

Example: ``python -m facellm.serve.soak --minutes 30``
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from facellm.errors import FaceLLMError

from .asking import Asker, Question, photographs
from .running import Running, served

SAMPLE = 5.0  # seconds between two looks at the memory
PICTURES = 3
GROWTH = 0.05  # share of the memory by which it may grow
ASKED = ("What expression does this face show?", "Describe the face.", "How old does she look?")


@dataclass
class Tally:
    """What came of it.

    Attributes:
        done: Requests by kind.
        faults: What was wrong, by its words.
        memory: Seconds from the start and MB, in turn.
    """

    done: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    memory: list[tuple[float, float]] = field(default_factory=list)

    def growth(self) -> tuple[float, float, float]:
        """MB in the middle third, in the last one, and the share that came to it."""
        values = [value for _, value in self.memory]
        third = len(values) // 3
        if not third:
            raise FaceLLMError(f"{len(values)} looks at the memory are too few; take more minutes")
        middle = statistics.median(values[third : 2 * third])
        last = statistics.median(values[2 * third :])
        return middle, last, last / middle - 1


async def soak(running: Running, minutes: float, together: int) -> Tally:
    """Ask for some minutes.

    Args:
        running: The server.
        minutes: How long.
        together: Clients at once.

    Raises:
        FaceLLMError: If the first answers do not come.
    """
    tally, until = Tally(), time.monotonic() + 60 * minutes
    async with httpx.AsyncClient(base_url=running.url, timeout=120) as client:
        asker = Asker(client)
        questions = [Question(text, (one,)) for one in photographs(PICTURES) for text in ASKED]
        wanted = [(await asker.whole(question)).text for question in questions]
        watch = asyncio.create_task(watched(running, tally, until))
        clients = (
            one_client(asker, list(zip(questions, wanted, strict=True)), tally, (n, until))
            for n in range(together)
        )
        await asyncio.gather(*clients)
        await watch
    return tally


async def watched(running: Running, tally: Tally, until: float) -> None:
    """Note the memory."""
    start = time.monotonic()
    while time.monotonic() < until:
        value = await asyncio.to_thread(running.memory)
        tally.memory.append((time.monotonic() - start, value))
        await asyncio.sleep(SAMPLE)


async def one_client(
    asker: Asker, pairs: list[tuple[Question, str]], tally: Tally, times: tuple[int, float]
) -> None:
    """Ask until the time is over: two streams, a whole answer, readings, and again."""
    turn, until = times
    while time.monotonic() < until:
        question, wanted = pairs[turn % len(pairs)]
        kind = ("stream", "stream", "whole", "readings")[turn % 4]
        try:
            if kind == "readings":
                fault = "" if await asker.readings(question.pictures) else "no face was read"
            else:
                way = asker.stream if kind == "stream" else asker.whole
                fault = "" if (await way(question)).text == wanted else "another answer"
        except (FaceLLMError, httpx.HTTPError) as error:
            fault = f"{type(error).__name__}: {error}"[:160]
        tally.done[kind] += 1
        if fault:
            tally.faults[f"{kind}: {fault}"] += 1
        turn += 1


def told(tally: Tally, minutes: float) -> tuple[str, bool]:
    """What is printed, and whether all went well."""
    middle, last, share = tally.growth()
    peak = max(value for _, value in tally.memory)
    kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(tally.done.items()))
    lines = [
        f"{sum(tally.done.values())} requests in {minutes:g} minutes: {kinds}",
        f"memory: {middle:.0f} MB in the middle third, {last:.0f} MB in the last one "
        f"({100 * share:+.1f} %), at most {peak:.0f} MB",
        f"faults: {sum(tally.faults.values())}",
        *(f"  {count} x {what}" for what, count in tally.faults.most_common(10)),
    ]
    return "\n".join(lines), not tally.faults and share <= GROWTH


def main(argv: list[str] | None = None) -> int:
    """Start a server, ask, tell; 0 where nothing was wrong and the memory is flat."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--together", type=int, default=8, help="clients at once (default: 8)")
    parser.add_argument("--engine", choices=("local", "vllm"), default="local")
    parser.add_argument("--model", type=Path, help="folder of weights (default: those shipped)")
    args = parser.parse_args(argv)
    words = ["--engine", args.engine, "--rate", "", "--running", str(args.together)]
    words += [] if args.model is None else ["--model", str(args.model)]
    try:
        with (
            tempfile.TemporaryDirectory() as folder,
            served(words, Path(folder) / "log") as running,
        ):
            tally = asyncio.run(soak(running, args.minutes, args.together))
        text, well = told(tally, args.minutes)
    except FaceLLMError as error:
        print(f"facellm: error: {error}", file=sys.stderr)
        return 2
    print(text)
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
