"""The tasks, by name: a dict literal is the registry, a readable function each task.

Example: ``TASKS["ferplus"]()`` gives the ``Task``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from facellm.errors import FaceLLMError

from ..harness.task import Task
from .ferplus import ferplus
from .real_vs_stylegan2 import real_vs_stylegan2
from .utkface import utkface_age

TASKS: dict[str, Callable[[], Task]] = {
    "ferplus": ferplus,
    "utkface_age": utkface_age,
    "real_vs_stylegan2": real_vs_stylegan2,
}


def task_named(name: str) -> Task:
    """A task by its name.

    Raises:
        FaceLLMError: If there is none; the message names the nearest one.
    """
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FaceLLMError(f"no task {name!r} among {', '.join(TASKS)}{hint}")
    return TASKS[name]()
