"""A plain Python function as a model: ``--model mymodule:answer``.

The function takes pictures (a list of (H, W, 3) uint8), the question's words, and the options (a
tuple, empty for open questions). What it returns says how it answered: text; a mapping option ->
probability; a sequence of log-probabilities, one an option; or a ``Reading``.

Optional attributes of the function: ``ways`` (default ``("options",)`` for tasks with options and
``free``), ``version`` (part of what answers are kept under; without one nothing is kept),
``training_data`` (set -> splits).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from facellm.calling import find
from facellm.errors import FaceLLMError
from facellm.reading import Reading
from facellm.response_cache import request_key

from ..asking import Request
from ..sample import BROKEN, FREE, LETTER, OPTIONS, READING, UNREADABLE, Answer

DEFAULT_WAYS = (OPTIONS, FREE)


class FunctionModel:
    """See the module docstring.

    Args:
        name: ``module:name``.
        function: What it stands for.
    """

    def __init__(self, name: str, function: Callable[..., Any]) -> None:
        self.name, self._function = name, function
        version = getattr(function, "version", None)
        self.ways: tuple[str, ...] = tuple(getattr(function, "ways", DEFAULT_WAYS))
        self.deterministic = version is not None
        self.training_data: dict[str, list[str]] | None = getattr(function, "training_data", None)
        self.digest = request_key(name, {"version": version})

    @classmethod
    def load(cls, name: str) -> FunctionModel:
        """Import ``module:name``; ``FaceLLMError`` where that fails."""
        return cls(name, find({}, name, "model"))

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """See ``Model``; one after another."""
        for place, request in enumerate(requests):
            yield place, self._answer(request)

    def _answer(self, request: Request) -> Answer:
        try:
            media = request.sample.media
            pictures = [p for medium in media for p in medium.frames(request.frames)]
        except FaceLLMError as error:
            return Answer(request.way, failure=UNREADABLE, detail=str(error))
        options = request.sample.options if request.way in (OPTIONS, LETTER) else ()
        try:
            found = self._function(pictures, request.prompt, options)
        except Exception as error:  # somebody else's code: counted, and told in the report
            detail = f"{type(error).__name__}: {error}"
            return Answer(request.way, failure=BROKEN, detail=detail)
        return answer_of(found, request)


def answer_of(found: Any, request: Request) -> Answer:
    """What a function returned, as an answer.

    Raises:
        FaceLLMError: If it is nothing of what a function may return.
    """
    options = request.sample.options
    if isinstance(found, Reading):
        return Answer(READING, reading=found.to_dict())
    if isinstance(found, str):
        return Answer(LETTER if request.way == LETTER else FREE, found)
    if isinstance(found, Mapping) and set(found) == set(options):
        found = [math.log(max(float(found[name]), 1e-12)) for name in options]
    if isinstance(found, Mapping) or len(found) != len(options):
        raise FaceLLMError(
            f"{request.sample.id}: the function returned {found!r}; text, a Reading, a probability "
            f"for each of {', '.join(options)}, or as many log-probabilities"
        )
    return Answer(OPTIONS, logprobs=normalised([float(value) for value in found]))


def normalised(logprobs: Sequence[float]) -> tuple[float, ...]:
    """Log-probabilities whose probabilities sum to 1."""
    top = max(logprobs)
    total = top + math.log(sum(math.exp(value - top) for value in logprobs))
    return tuple(value - total for value in logprobs)
