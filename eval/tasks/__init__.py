"""The tasks, by name: a dict literal is the registry, a readable function each task.

Example: ``TASKS["ferplus"]()`` gives the ``Task``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from facellm.errors import FaceLLMError

from ..harness.task import Task
from .action_units import bp4d, disfa
from .ages import fairface_age, morph_age, utkface_age
from .attributes import celeba
from .authenticity import ffpp, real_vs_stylegan2
from .expression_clips import crema_d, dfew, ferv39k, mafw
from .expression_pictures import affectnet, fer2013, rafdb
from .ferplus import ferplus
from .genders import fairface_gender, utkface_gender
from .masks import face_mask
from .study import raer

TASKS: dict[str, Callable[[], Task]] = {
    # Data sets, by what is read off a face.
    "ferplus": ferplus,
    "fer2013": fer2013,
    "rafdb": rafdb,
    "affectnet": affectnet,
    "dfew": dfew,
    "crema_d": crema_d,
    "mafw": mafw,
    "ferv39k": ferv39k,
    "disfa": disfa,
    "bp4d": bp4d,
    "celeba": celeba,
    "utkface_age": utkface_age,
    "morph_age": morph_age,
    "fairface_age": fairface_age,
    "utkface_gender": utkface_gender,
    "fairface_gender": fairface_gender,
    "face_mask": face_mask,
    "real_vs_stylegan2": real_vs_stylegan2,
    "ffpp": ffpp,
    "raer": raer,
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
