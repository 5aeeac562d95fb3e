"""A user's own task: ``my_task.py``, ``my_task.py:smiles`` or ``module:smiles``.

Each stands for a ``Task`` or a function that returns one; without a name it is ``task``.

Example: ``facellm eval run --task-file my_task.py --data smiles=pictures/``.
"""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from facellm.calling import find
from facellm.errors import FaceLLMError

from .task import Task

SUFFIX, USUAL = ".py", "task"


def is_own(name: str) -> bool:
    """Whether a name stands for a user's task, and is not one of ours."""
    return ":" in name or name.endswith(SUFFIX)


def own_task(name: str) -> Task:
    """The task that ``file.py``, ``file.py:name`` or ``module:name`` stands for.

    Args:
        name: What stands before the last colon is a file where it ends in ``.py``, else a module;
            what follows is a ``Task`` or a function without arguments, by default ``task``.

    Raises:
        FaceLLMError: If the file is missing or cannot be run, or holds no such task.
    """
    place, _, attribute = (name, "", USUAL) if name.endswith(SUFFIX) else name.rpartition(":")
    if not place.endswith(SUFFIX):
        return as_task(find({}, name, "task"), name)
    module = module_of(Path(place))
    if not hasattr(module, attribute):
        raise FaceLLMError(f"{place}: holds no {attribute!r}; say which, as {place}:NAME")
    return as_task(getattr(module, attribute), name)


def module_of(file: Path) -> ModuleType:
    """The module a file holds; it is run once, whatever is asked of it.

    Raises:
        FaceLLMError: If it is missing or fails.
    """
    path = file.absolute()
    known = f"facellm_own_task_{abs(hash(str(path)))}"
    if known in sys.modules:
        return sys.modules[known]
    if not path.is_file():
        raise FaceLLMError(f"{file}: no such file")
    spec = importlib.util.spec_from_file_location(known, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[known] = module  # dataclasses look their own module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # somebody else's code: told with its own words
        del sys.modules[known]
        raise FaceLLMError(f"{file}: cannot be run ({type(error).__name__}: {error})") from error
    return module


def as_task(found: Any, name: str) -> Task:
    """A task, or what a function without arguments returns.

    Raises:
        FaceLLMError: If that is no ``Task``.
    """
    try:
        task = found() if callable(found) else found
    except Exception as error:  # somebody else's code: told with its own words
        raise FaceLLMError(f"{name}: {type(error).__name__}: {error}") from error
    if not isinstance(task, Task):
        raise FaceLLMError(
            f"{name}: gives {type(task).__name__}, not a facellm.eval.harness.task.Task"
        )
    return task
