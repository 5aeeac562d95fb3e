"""What the evaluation harness costs and saves: ``python -m facellm.eval.bench --parts harness``.

Figures are ratios of medians; what is compared takes turns in one run, after a turn that does not
count. Pictures are new ones in every turn wherever an answer could be kept.

- cache: a task of our model's log-probabilities, asked and then taken from the file of answers, key
  by key, scored both times;
- many questions at once: a running ``facellm serve`` asked one by one and eight at once, and so an
  endpoint that takes 0.2 seconds an answer whatever the load, as a model far away does;
- shared prefix: options scored after one pass over the prompt, and after one pass each;
- overhead: a Python function asked by the harness, answers on disk, and in a bare loop.

Example line: ``| kept answers over asking | 312.00 x | >= 100 x | yes |``.
"""

from __future__ import annotations

import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import cv2
from PIL import Image

from facellm.assistant import FaceAssistant
from facellm.crops import upright_crop
from facellm.errors import FaceLLMError
from facellm.labels import EXPRESSIONS

from .bench_lines import Line, Rgb, missing, new_photo
from .harness.asking import Model
from .harness.measures import accuracy
from .harness.media import CROP, FIND, Media
from .harness.models.endpoint import EndpointModel
from .harness.models.function import FunctionModel
from .harness.models.local import LocalModel
from .harness.models.options import ModelOptions
from .harness.runner import Plan, run_task
from .harness.sample import CLOSED, FREE, Sample
from .harness.scorers import label_scorer
from .harness.store import AnswerStore
from .harness.task import Data, Task

QUESTION = "Which expression does this face show?"
KEPT, SENT, PLAIN = 8, 8, 200  # samples a turn: of the cache, of an endpoint, of the bare loop
AT_ONCE = 8
FAR = 0.2  # seconds
PATIENCE = 120.0  # seconds until a server must be ready
TURNS = 3  # at most, where a turn takes seconds
READY = re.compile(r"(http://\S+) is ready")
_NUMBERS = count(5000)  # of photos, so that none is shown twice


def harness_lines(assistant: FaceAssistant, runs: int, model: Path | None = None) -> list[Line]:
    """Everything of the module docstring.

    Args:
        assistant: On the torch engine.
        runs: Turns; at most three where one takes seconds.
        model: Folder of weights that the server is started with; None for those shipped.
    """
    few = min(runs, TURNS)
    local = LocalModel(assistant)
    with tempfile.TemporaryDirectory() as folder:
        lines = cache_lines(local, Path(folder), few)
        lines += prefix_lines(local, Path(folder), runs)
        lines += overhead_lines(Path(folder), runs)
        with far_away() as url:
            lines += at_once_lines("an endpoint of 0.2 s an answer", url, Path(folder), few)
        name = "our server"
        try:
            with serving(model) as url:
                return lines + at_once_lines(name, f"{url}/v1#facellm", Path(folder), few)
        except FaceLLMError as error:
            return [*lines, missing(f"{name}: 8 questions at once over one by one", str(error))]


def task_of(files: Sequence[Path], face: str, ways: tuple[str, ...]) -> Task:
    """A task about pictures; which answer is right does not matter here."""
    samples = [
        Sample(file.name, (Media(path=file, face=face),), QUESTION, EXPRESSIONS, EXPRESSIONS[0])
        for file in files
    ]
    data = Data("bench", "made for the bench", ())
    parts = (data, lambda path, split: iter(samples), label_scorer(), (accuracy(),), ways)
    return Task("bench", 1, "a bench", *parts)


def pictures(folder: Path, number: int, crop: Callable[[Rgb], Rgb] | None = None) -> list[Path]:
    """So many photographs that were never shown before, as PNG of 500 px, or crops of them."""
    files = []
    for _ in range(number):
        index = next(_NUMBERS)
        photo = cv2.resize(new_photo(index), (500, 500), interpolation=cv2.INTER_AREA)
        files.append(folder / f"{index}.png")
        Image.fromarray(crop(photo) if crop else photo).save(files[-1])
    return files


def timed(task: Task, model: Model, store: AnswerStore, answered: bool = True) -> float:
    """Seconds a task takes.

    Raises:
        FaceLLMError: If ``answered`` and a question was not: a failure is fast, and no answer.
    """
    start = time.perf_counter()
    result = run_task(Plan(task, Path(), "valid"), model, store)
    seconds = time.perf_counter() - start
    failed = [row.answer for row in result.rows if row.answer.failure]
    if answered and failed:
        raise FaceLLMError(f"{model.name}: {failed[0].failure} ({failed[0].detail})")
    return seconds


def turns(pairs: Iterator[tuple[float, float]], runs: int) -> tuple[float, float]:
    """Medians of the seconds of two that take turns; the first turn does not count."""
    taken = [pair for pair, _ in zip(pairs, range(runs + 1), strict=False)][1:]
    first, second = zip(*taken, strict=True)
    return statistics.median(first), statistics.median(second)


def cache_lines(local: LocalModel, folder: Path, runs: int) -> list[Line]:
    """Asked, and taken from the file of answers."""
    size = local.assistant.checkpoint.processor.crop_size
    photo = cv2.resize(new_photo(0), (500, 500), interpolation=cv2.INTER_AREA)
    face = local.assistant.detector.detect(photo)[0]

    def pairs() -> Iterator[tuple[float, float]]:
        store = AnswerStore(None, folder / "answers.sqlite")
        while True:
            files = pictures(folder, KEPT, lambda p: upright_crop(p, face, size))
            task = task_of(files, CROP, (CLOSED,))
            yield timed(task, local, store), timed(task, local, store)

    cold, warm = turns(pairs(), runs)
    return [
        Line("harness: a question asked, log-probabilities", 1e3 * cold / KEPT, "ms", None, runs),
        Line("harness: the same from the cache", 1e3 * warm / KEPT, "ms", None, runs),
        Line("kept answers over asking", cold / warm, "x", 100.0, runs, at_least=True),
    ]


def prefix_lines(local: LocalModel, folder: Path, runs: int) -> list[Line]:
    """Eight options after one pass over the prompt, and after one pass each."""
    (file,) = pictures(folder, 1)
    crop = local.assistant.read(Media(path=file).frames(1)[0])[0].face
    size = local.assistant.checkpoint.processor.crop_size
    taken = upright_crop(Media(path=file).frames(1)[0], crop, size)
    prompt = local._prompt([taken], QUESTION)

    def pairs() -> Iterator[tuple[float, float]]:
        while True:
            marks = [time.perf_counter()]
            for shared in (True, False):
                local.option_logprobs(prompt, EXPRESSIONS, shared=shared)
                marks.append(time.perf_counter())
            yield marks[1] - marks[0], marks[2] - marks[1]

    together, alone = turns(pairs(), runs)
    return [
        Line("harness: 8 options scored, shared prefix", 1e3 * together, "ms", None, runs),
        Line("shared prefix over one pass an option", alone / together, "x", None, runs),
    ]


def overhead_lines(folder: Path, runs: int) -> list[Line]:
    """A Python function by the harness, and in a bare loop over the same files."""
    files = pictures(folder, 1) * PLAIN
    copies = []
    for number, file in enumerate(files):
        copies.append(folder / f"copy{number}.png")
        copies[-1].write_bytes(file.read_bytes())
    task = task_of(copies, FIND, (FREE,))

    def answer(shown: list[Rgb], question: str, options: Sequence[str]) -> str:
        return "neutral"

    stores = count()

    def pairs() -> Iterator[tuple[float, float]]:
        while True:
            start = time.perf_counter()
            for file in copies:
                answer(Media(path=file).frames(1), QUESTION, ())
            bare = time.perf_counter() - start
            store = AnswerStore(folder / f"own{next(stores)}.sqlite", None)
            yield timed(task, FunctionModel("bench:answer", answer), store), bare

    through, bare = turns(pairs(), runs)
    each = 1e3 * (through - bare) / PLAIN
    return [
        Line("harness: bare loop, decoding and a function that does nothing", 1e3 * bare / PLAIN,
             "ms", None, runs),
        Line("harness: overhead a sample (key, file of answers, score)", each, "ms", None, runs),
        Line("harness over a bare loop", through / bare, "x", None, runs),
    ]  # fmt: skip


def at_once_lines(name: str, address: str, folder: Path, runs: int) -> list[Line]:
    """One by one and eight at once, each with pictures of its own.

    Raises:
        FaceLLMError: If a question is not answered.
    """
    models = [EndpointModel.of(address, ModelOptions(n, 0, 60.0)) for n in (1, AT_ONCE)]
    seconds_each: list[float] = []

    def pairs() -> Iterator[tuple[float, float]]:
        while True:
            tasks = [task_of(pictures(folder, SENT), FIND, (FREE,)) for _ in models]
            first, second = (
                timed(task, model, AnswerStore(None, None))
                for task, model in zip(tasks, models, strict=True)
            )
            seconds_each.append(first / SENT)
            yield first, second

    single, together = turns(pairs(), runs)
    goal = 3.0
    return [
        Line(f"harness: a question, {name}, one by one", 1e3 * single / SENT, "ms", None, runs),
        Line(f"{name}: 8 at once over one by one", single / together, "x", goal, runs, at_least=True),
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

    def log_message(self, format: str, *args: object) -> None:
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
    """The address of a ``facellm serve`` in a process of its own.

    Raises:
        FaceLLMError: If it is not ready in time; holds what it said last.
    """
    command = [sys.executable, "-m", "facellm", "serve", "--engine", "local", "--port", "0"]
    command += [] if model is None else ["--model", str(model)]
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=said)
        try:
            yield ready(child, said.fileno())
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
