"""What the benches of the harness ask: photographs nobody was shown before, a task about them.

Example: ``turns(pairs, 3)`` -> the medians of two that took turns three times.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import count, islice
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from facellm.bench_lines import Rgb, new_photo
from facellm.errors import FaceLLMError
from facellm.labels import EXPRESSIONS

from .harness.asking import Model
from .harness.measures import accuracy
from .harness.media import Media
from .harness.runner import Plan, run_task
from .harness.sample import Sample
from .harness.scorers import label_scorer
from .harness.store import AnswerStore
from .harness.task import Data, Task

QUESTION = "Which expression does this face show?"
_NUMBERS = count(5000)  # of photographs, so that none is shown twice


def task_of(files: Sequence[Path], face: str, ways: tuple[str, ...]) -> Task:
    """A task about pictures; which answer is right does not matter here."""
    samples = [
        Sample(file.name, (Media(path=file, face=face),), QUESTION, EXPRESSIONS, EXPRESSIONS[0])
        for file in files
    ]
    data = Data("bench", "made for the bench", ())
    parts = (data, lambda path, split: iter(samples), label_scorer(), (accuracy(),), ways)
    return Task("bench", 1, "a bench", *parts)


@cache
def base_photo() -> Rgb:
    """(512, 512, 3): a photograph of ``new_photo``, smaller."""
    small = cv2.resize(new_photo(0), (512, 512), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8)


def small_photo(index: int) -> Rgb:
    """(500, 500, 3): another cut and light for every index, in a millisecond."""
    rng = np.random.default_rng(index)
    left, top = rng.integers(0, 13, 2)
    light = 255 * (np.arange(256) / 255) ** rng.uniform(0.7, 1.4)
    cut = base_photo()[top : top + 500, left : left + 500]
    return np.asarray(cv2.LUT(cut, light.astype(np.uint8)), np.uint8)


def pictures(folder: Path, number: int, crop: Callable[[Rgb], Rgb] | None = None) -> list[Path]:
    """So many photographs that were never shown before, as PNG, or crops of them."""
    files = []
    for _ in range(number):
        index = next(_NUMBERS)
        photo = small_photo(index)
        files.append(folder / f"{index}.png")
        Image.fromarray(crop(photo) if crop else photo).save(files[-1])
    return files


def timed(
    task: Task, model: Model, store: AnswerStore, clock: Callable[[], float] = time.perf_counter
) -> float:
    """Seconds a task takes, by a clock.

    Raises:
        FaceLLMError: If a question was not answered: a failure is fast, and no answer.
    """
    start = clock()
    result = run_task(Plan(task, Path(), "valid"), model, store)
    seconds = clock() - start
    failed = [row.answer for row in result.rows if row.answer.failure]
    if failed:
        raise FaceLLMError(f"{model.name}: {failed[0].failure} ({failed[0].detail})")
    return seconds


def turns(pairs: Iterator[tuple[float, float]], runs: int) -> tuple[float, float]:
    """Medians of the seconds of two that take turns; the first turn does not count."""
    first, second = zip(*islice(pairs, 1, runs + 1), strict=True)
    return statistics.median(first), statistics.median(second)
