"""The tasks, by name: a dict literal is the registry, a readable function each task.

Example: ``TASKS["ferplus"]()`` gives the ``Task``.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable

from facellm.errors import FaceLLMError

from ..harness.own_task import is_own, own_task
from ..harness.task import Task
from .action_units import bp4d, disfa
from .ages import fairface_age, morph_age, utkface_age
from .attributes import celeba
from .authenticity import ffpp, real_vs_stylegan2
from .dd_vqa import dd_vqa
from .emer import emer
from .expression_clips import crema_d, dfew, ferv39k, mafw
from .expression_pictures import affectnet, fer2013, rafdb
from .faba import faba_emotion, faba_units
from .face_human_bench import face_human_bench
from .facebench import facebench
from .facexbench import facexbench
from .ferplus import ferplus
from .genders import fairface_gender, utkface_gender
from .injection import painted_text
from .masks import face_mask
from .mme_emotion import mme_emotion
from .probes import diagnosis_probes, identity_probes
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
    # Other people's benchmarks, then probes.
    "facexbench": facexbench,
    "face_human_bench": face_human_bench,
    "facebench": facebench,
    "faba_emotion": faba_emotion,
    "faba_units": faba_units,
    "emer": emer,
    "mme_emotion": mme_emotion,
    "dd_vqa": dd_vqa,
    "identity_probes": identity_probes,
    "diagnosis_probes": diagnosis_probes,
    "painted_text": painted_text,
}


def task_named(name: str) -> Task:
    """A task by its name, or a user's own by ``file.py[:name]`` or ``module:name``.

    Raises:
        FaceLLMError: If there is none; the message names the nearest one.
    """
    if is_own(name):
        own = own_task(name)
        if own.name in TASKS:
            raise FaceLLMError(
                f"{name}: there is a task {own.name!r} already; name yours otherwise"
            )
        return own
    if name not in TASKS:
        near = difflib.get_close_matches(name, TASKS, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise FaceLLMError(f"no task {name!r} among {', '.join(TASKS)}{hint}")
    return TASKS[name]()
