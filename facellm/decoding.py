"""Pictures decoded ahead, in processes of their own, handed out in order.

A decoder that is brought down by a picture takes nothing else with it: the picture becomes a bad
file with its reason and a fresh process goes on.

Example: ``for path, pixels in decode(files, workers=1): ...`` where ``pixels`` is (H, W, 3) uint8
or, for a picture that cannot be used, its reason as text.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.processes import end_with_parent

Rgb = NDArray[np.uint8]
AHEAD = 2  # pictures waiting per worker: memory stays flat however long the list is
CRASHED = "the decoder crashed on this picture"


def decode(files: Sequence[Path], workers: int) -> Iterator[tuple[Path, Rgb | str]]:
    """Pixels or the reason why there are none, file by file, in the order given.

    Args:
        files: Pictures.
        workers: Processes; 0 decodes in this one.
    """
    if workers == 0:
        for path in files:
            yield path, pixels_or_reason(path)
        return
    pool = _new_pool(workers)
    try:
        waiting: deque[tuple[Path, Future[Rgb | str]]] = deque()
        left = iter(files)
        while True:
            while len(waiting) < AHEAD * workers and (path := next(left, None)) is not None:
                waiting.append((path, pool.submit(pixels_or_reason, path)))
            if not waiting:
                return
            path, result = waiting.popleft()
            try:
                yield path, result.result()
            except BrokenProcessPool:
                pool.shutdown(wait=False)
                pool, again = _new_pool(workers), [path, *(other for other, _ in waiting)]
                waiting.clear()
                # Who brought it down? Each picture that was under way is tried alone.
                for suspect in again:
                    yield suspect, _alone(suspect)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)


def pixels_or_reason(path: Path) -> Rgb | str:
    """(H, W, 3) uint8, or in words why the picture cannot be used."""
    try:
        return load_image(path)
    except FaceLLMError as error:
        return str(error).removeprefix(f"{path}: ")


def _alone(path: Path) -> Rgb | str:
    """One picture in a process that may die of it."""
    with _new_pool(1) as pool:
        try:
            return pool.submit(pixels_or_reason, path).result()
        except BrokenProcessPool:
            return CRASHED


def _new_pool(workers: int) -> ProcessPoolExecutor:
    # Spawned, not forked: torch's threads do not survive a fork.
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(workers, context, initializer=end_with_parent)
