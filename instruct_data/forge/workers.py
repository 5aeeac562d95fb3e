"""Parts made by several processes: which of them makes a part never shows in the part.

Every process uses one thread, since sums of several threads may differ in their last bit, and looks
after each part whether the command that started it is still there: a killed command leaves nobody
behind. An error in a process ends the command with that error's words.
"""

from __future__ import annotations

import multiprocessing
import os
import queue
from collections.abc import Callable, Iterator, Sequence
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue

from facellm.errors import FaceLLMError

Maker = Callable[[int], None]
_ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
_LOOK = 0.5  # seconds between looks at processes that may have died


def make_parts(start: Callable[[], Maker], parts: Sequence[int], workers: int) -> Iterator[int]:
    """Make parts in ``workers`` processes; yields each as it is finished, in no order.

    Args:
        start: Called once in every process, picklable; gives what makes a part.
        parts: Numbers of the parts.
        workers: Processes, at least 1.

    Raises:
        FaceLLMError: If a process fails or dies; finished parts stay.
    """
    context = multiprocessing.get_context("spawn")
    done: Queue[tuple[int, str]] = context.Queue()
    threads = {name: os.environ.get(name) for name in _ONE_THREAD}
    os.environ.update(dict.fromkeys(_ONE_THREAD, "1"))
    processes: list[SpawnProcess] = []
    try:
        for number in range(min(workers, len(parts))):
            mine = list(parts[number::workers])
            process = context.Process(target=_work, args=(start, mine, done), daemon=True)
            process.start()
            processes.append(process)
        for _ in parts:
            part, problem = _next(done, processes)
            if problem:
                raise FaceLLMError(problem)
            yield part
    finally:
        for name, value in threads.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})
        for process in processes:
            process.terminate() if process.is_alive() else None
            process.join()


def _next(done: Queue[tuple[int, str]], processes: list[SpawnProcess]) -> tuple[int, str]:
    """The next finished part, or a problem; looks after processes that died without a word."""
    while True:
        # Looked at before waiting: what it finished before it ended is in the queue by then.
        dead = [process for process in processes if process.exitcode not in (None, 0)]
        try:
            return done.get(timeout=_LOOK)
        except queue.Empty:
            if dead:
                raise FaceLLMError(
                    f"a worker ended with code {dead[0].exitcode}; the same command goes on with "
                    "what is missing"
                ) from None


def _work(start: Callable[[], Maker], parts: list[int], done: Queue[tuple[int, str]]) -> None:
    """A process: make parts until they are done or the command is gone."""
    parent = multiprocessing.parent_process()
    try:
        make = start()
        for part in parts:
            if parent is not None and not parent.is_alive():
                return
            make(part)
            done.put((part, ""))
    except KeyboardInterrupt:
        return
    except (FaceLLMError, OSError) as error:
        done.put((-1, str(error)))
