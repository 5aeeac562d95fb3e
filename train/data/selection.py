"""Which records of a corpus a run learns from, and which of them tell what it must not learn.

What is left out (``leave_out_sources``, ``leave_out_tasks``) must not come back by another way: a
conversation of several sets' faces belongs to all of them, and a description tells of every task.

Example: with ``leave_out_tasks: [age]`` an answer of the task ``description`` is not learned, since
it may say an age; the face's other labels still are.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.label_targets import TASK_OF_QUERY

from ..run_config import DataConfig
from .records import Records

# As the builder names them (``instruct_data/corpus/record.py``).
TASKS = (
    "expression", "action_units", "attributes", "age", "deepfake", "geometry", "description",
    "limits", "academic_emotion", "nonverbal", "conversation",
)  # fmt: skip
# Source of what ``facellm build readings`` writes about a model's readings.
OWN = "own readings"
ALL = frozenset((*TASKS, *TASK_OF_QUERY.values()))
_REASONED = frozenset({"expression", "action_units", "geometry"})  # a reason cites the others
_PERSON = frozenset({"age", "attributes"})  # "a woman of about 30"
# What an answer of a task may tell of. The last ones tell of anything.
_TOLD_BY_TASK = {
    "expression": _REASONED,
    "action_units": _REASONED,
    "geometry": frozenset({"geometry"}),
    "age": _PERSON,
    "attributes": _PERSON,
    "deepfake": frozenset({"deepfake"}),
}
# What an answer to an intent may tell of; one that is not listed, of anything.
_TOLD_BY_INTENT = {
    "off_topic": frozenset(),
    "count": frozenset(),
    **dict.fromkeys(("expression", "agreement", "affect", "why", "measures"), _REASONED),
    **dict.fromkeys(("academic_emotion",), frozenset({"expression"})),
    **dict.fromkeys(("action_units", "one_unit"), _REASONED),
    **dict.fromkeys(("age", "age_group"), frozenset({"age"})),
    **dict.fromkeys(("gender", "gender_check", "mask"), frozenset({"attributes"})),
    "age_and_gender": _PERSON,
    "mouth": frozenset({"geometry", "attributes"}),  # a mask hides it
    **dict.fromkeys(("eyes", "pose", "gaze", "geometry"), frozenset({"geometry"})),
    **dict.fromkeys(("deepfake", "forgery_family", "forgery_region"), frozenset({"deepfake"})),
}


def check_left_out(data: DataConfig) -> None:
    """Refuse what brings back what is left out.

    Raises:
        FaceLLMError: If something is left out and a teacher is given, which has learned from all,
            or a task is and readings stand in the context, which tell of every task.
    """
    for name in ("leave_out_sources", "leave_out_tasks"):
        if getattr(data, name) and data.teacher:
            raise FaceLLMError(
                f"{name} {list(getattr(data, name))} with data.teacher {data.teacher}: the teacher "
                'has learned from what is left out; --set data.teacher="" trains without it'
            )
    if data.leave_out_tasks and data.context == "reading":
        raise FaceLLMError(
            f"leave_out_tasks {list(data.leave_out_tasks)} with context: reading: readings tell of "
            "every task; --set data.context=none"
        )


def check_names(data: DataConfig, corpora: Sequence[Records]) -> None:
    """Refuse names of tasks and sources that nobody knows.

    Raises:
        FaceLLMError: Naming the one that is nearest.
    """
    found = {task for records in corpora for task in records.columns["task"].to_pylist()}
    for name in ("tasks", "leave_out_tasks"):
        _refuse_unknown(name, getattr(data, name), {*TASKS, *found})
    if data.leave_out_sources:
        sources = {name for records in corpora for each in sources_of(records) for name in each}
        _refuse_unknown("leave_out_sources", data.leave_out_sources, sources)


def sources_of(records: Records) -> list[frozenset[str]]:
    """The sets that the faces of each record come from, its own source among them.

    Raises:
        FaceLLMError: If a conversation about a model's readings does not say them.
    """
    told = []
    texts = records.columns["labels"].to_pylist()
    for number, source in enumerate(records.columns["source"].to_pylist()):
        given: Any = None
        if source == OWN or '"sources"' in texts[number]:
            given = records.labels(number).get("sources")
        if source == OWN and not isinstance(given, list):
            raise FaceLLMError(
                f"{records.where(number)}: labels do not say which sets its faces are of, so that "
                "leave_out_sources cannot be kept; build it again with facellm build readings"
            )
        told.append(frozenset((source, *map(str, given if isinstance(given, list) else ()))))
    return told


def from_sources(records: Records, names: Sequence[str]) -> NDArray[np.bool_]:
    """(N,) whether any face of a record comes from one of some sets."""
    if not names:
        return np.zeros(len(records), bool)
    return np.array([bool(each & set(names)) for each in sources_of(records)], bool)


def telling(
    records: Records, numbers: NDArray[np.int64], tasks: Sequence[str]
) -> NDArray[np.bool_]:
    """Whether the answers of some records may tell of one of some tasks, one bool a record."""
    if not tasks:
        return np.zeros(len(numbers), bool)
    wanted, of = set(tasks), records.columns["task"].to_pylist()
    return np.array(
        [bool(told(of[n], records.labels(n).get("intents")) & wanted) for n in numbers.tolist()],
        bool,
    )


def told(task: str, intents: Any) -> frozenset[str]:
    """Tasks that answers may tell of.

    Args:
        task: Of the record.
        intents: ``labels["intents"]``, or None where the corpus does not say them.
    """
    if task not in _TOLD_BY_TASK and (task != "limits" or not isinstance(intents, list)):
        return ALL
    if not isinstance(intents, list):
        return _TOLD_BY_TASK[task]
    own = frozenset({task})
    return own.union(*(_TOLD_BY_INTENT.get(str(intent), ALL) for intent in intents))


def evenly(numbers: NDArray[np.int64], limit: int) -> NDArray[np.int64]:
    """``limit`` of some records, spread over them; all where it is 0 or not reached."""
    if not limit or limit >= len(numbers):
        return numbers
    return numbers[np.arange(limit) * len(numbers) // limit]


def _refuse_unknown(field: str, names: Sequence[str], known: Iterable[str]) -> None:
    known = sorted(known)
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, 1, 0.0)
            raise FaceLLMError(
                f"data.{field}: {name!r} is none of {', '.join(known)}"
                + (f"; nearest is {near[0]!r}" if near else "")
            )
