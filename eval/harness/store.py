"""Answers on disk, so that nothing is asked twice: a run's own, and a cache that runs share.

Keyed by model, task, version and everything the sample shows. Both are one SQLite file
(``facellm.response_cache``); a process killed at any moment leaves whole rows. The shared cache
holds answers of deterministic models only. Failures of the moment are kept by neither.
"""

from __future__ import annotations

import os
from pathlib import Path

from facellm.folders import default_cache
from facellm.response_cache import Reply, ResponseCache, request_key

from .asking import Model, Request
from .sample import PASSING, Answer
from .task import Task

VARIABLE = "FACELLM_EVAL"


def eval_folder() -> Path:
    """Where evaluation keeps what runs share: env ``FACELLM_EVAL``, else beside the data cache.

    Holds ``answers.sqlite`` (kept answers), ``final_uses.jsonl`` (every look at a test split) and
    ``floors/`` (trained small networks). The first and the last can be deleted at any time.
    """
    given = os.environ.get(VARIABLE)
    return Path(given) if given else default_cache().absolute().parent / "eval"


class AnswerStore:
    """A run's answers, backed by the shared cache.

    Args:
        own: File of the run; None keeps none.
        shared: File all runs share; None for models that may say something else next time.
    """

    def __init__(self, own: Path | None, shared: Path | None) -> None:
        self._own, self._shared = ResponseCache(own), ResponseCache(shared)
        self.from_own = self.from_shared = 0

    def get(self, key: str) -> Answer | None:
        """The answer kept under a key, or None."""
        held = self._own.get(key)
        if held is not None:
            self.from_own += 1
            return Answer.from_json(held.text)
        held = self._shared.get(key)
        if held is None:
            return None
        self.from_shared += 1
        self._own.put(key, held)
        return Answer.from_json(held.text)

    def put(self, key: str, answer: Answer) -> None:
        """Keep an answer, if it is one of the model and not of the moment."""
        if answer.failure in PASSING:
            return
        reply = Reply(answer.to_json())
        self._own.put(key, reply)
        self._shared.put(key, reply)


def answer_key(model: Model, task: Task, request: Request) -> str:
    """Key of one answer."""
    return request_key(model.digest, {"task": [task.name, task.version], "asked": request.key()})
