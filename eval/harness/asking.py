r"""How a sample becomes a question: one wording for every task and every model.

Closed questions are scored by the log-probability of each option as the answer where a model gives
log-probabilities, and asked with letters where it does not.

Example: ``prompt_of(sample, LETTER)`` ends in ``A. neutral\nB. happiness\n...``.
"""

from __future__ import annotations

import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from facellm.errors import FaceLLMError

from .sample import CLOSED, LETTER, OPTIONS, Answer, Sample
from .task import Task

ASKING_VERSION = 1  # raised with any wording below: kept answers depend on it
LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class Request:
    """One thing to ask a model.

    Attributes:
        sample: What about.
        way: ``reading``, ``options``, ``letter`` or ``free``.
        prompt: Words for models that read them.
        frames: Most frames of a clip.
    """

    sample: Sample
    way: str
    prompt: str
    frames: int

    def key(self) -> list[Any]:
        """What decides the answer, but for the model."""
        return [ASKING_VERSION, self.way, self.prompt, self.frames, self.sample.digest()]


class Model(Protocol):
    """Anything that answers.

    Attributes:
        name: For tables.
        digest: Hash of everything that decides its answers (weights, address, options).
        ways: Of ``reading``, ``options``, ``letter``, ``free``: those it can be asked.
        deterministic: Asked twice it says the same, so answers may be kept.
        training_data: Set -> splits it was trained on; None where nobody says.
    """

    name: str
    digest: str
    deterministic: bool
    training_data: dict[str, list[str]] | None

    @property
    def ways(self) -> tuple[str, ...]:
        """See the attributes; finding out may take a question."""
        ...

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """Pairs of (place in ``requests``, ``Answer``), in any order, as they come.

        A question that fails is an ``Answer`` with a failure. ``FaceLLMError`` is for what makes
        the whole run useless: a wrong key, an address nobody listens at.
        """
        ...


def prompt_of(sample: Sample, way: str) -> str:
    """The words a sample is asked with."""
    if way == OPTIONS:
        return f"{sample.question} Answer with one of: {', '.join(sample.options)}."
    if way == LETTER:
        lines = [f"{LETTERS[i]}. {option}" for i, option in enumerate(sample.options)]
        return "\n".join([sample.question, *lines, "Answer with the letter only."])
    return sample.question


def way_for(task: Task, model: Model, wanted: str = "") -> str:
    """How a model is asked: the first way of the task that the model can be asked.

    Args:
        task: The task.
        model: The model.
        wanted: ``reading``, ``closed``, ``free``, or ``letter`` to have letters where
            log-probabilities could be had; empty leaves it to the task.

    Raises:
        FaceLLMError: If there is none.
    """
    if wanted and (CLOSED if wanted == LETTER else wanted) not in task.ways:
        raise FaceLLMError(f"task {task.name} cannot be asked by {wanted}, {task.ways} it can")
    for way in (wanted,) if wanted else task.ways:
        for concrete in (OPTIONS, LETTER) if way == CLOSED else (way,):
            if concrete in model.ways:
                return concrete
    asked = wanted or ", ".join(task.ways)
    raise FaceLLMError(
        f"task {task.name} is asked by {asked}; {model.name} can be asked by "
        f"{', '.join(model.ways)}"
    )


def request_of(task: Task, sample: Sample, way: str) -> Request:
    """The request a sample becomes."""
    return Request(sample, way, prompt_of(sample, way), task.frames)
