"""Worker processes that do not outlive the process they work for.

Example: ``ProcessPoolExecutor(2, get_context("spawn"), initializer=end_with_parent)``.
"""

from __future__ import annotations

import multiprocessing
import os
from multiprocessing.process import BaseProcess
from threading import Thread


def end_with_parent() -> None:
    """Initializer of a worker: it ends when its parent is gone, also when that was killed.

    A pool's workers otherwise wait for work for ever: each of them holds the pipe's other end open.
    """
    parent = multiprocessing.parent_process()
    if parent is not None:
        Thread(target=_end_after, args=(parent,), daemon=True).start()


def _end_after(parent: BaseProcess) -> None:
    parent.join()
    os._exit(1)
