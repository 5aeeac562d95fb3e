"""Answers -> questions: every exchange gets one, by its intent, seeded by the row.

Intents of ``labels.INTENTS`` are worded by the question bank, others by the annotators' own
(``plugins.EXTRA_QUESTIONS``).
Withheld wordings are never put.

Example: ``Exchange("age", "age", "34 years: ...")`` -> ``question="hi, how old does she look?"``.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from facellm.cli import resolve
from facellm.errors import FaceLLMError
from facellm.labels import INTENTS

from ..questions import is_withheld, normalise, sample_question
from .config import QuestionsConfig
from .plugins import EXTRA_QUESTIONS
from .record import Draft, Exchange, Outcome, reject

TRIES = 8  # draws for a question that the record does not have yet


class Templates:
    """Words the questions of drafts; one that a step before has worded stays."""

    name = "templates"

    def __init__(self, config: QuestionsConfig) -> None:
        self.config = config

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """The drafts with every question worded; rejects ``withheld wording``."""
        return [self._word(draft) for draft in drafts]

    def _word(self, draft: Draft) -> Outcome:
        seen: set[str] = set()
        worded = []
        rng = np.random.default_rng((draft.seed, len(draft.exchanges)))
        for exchange in draft.exchanges:
            question = exchange.question or self._draw(rng, exchange, seen)
            if is_withheld(question):
                return reject(draft, self.name, "withheld wording", question)
            seen.add(normalise(question))
            worded.append(replace(exchange, question=question))
        return replace(draft, exchanges=tuple(worded))

    def _draw(self, rng: np.random.Generator, exchange: Exchange, seen: set[str]) -> str:
        """A question that is not among ``seen``, if a few draws give one."""
        question = ""
        for _ in range(TRIES):
            question = self._question(rng, exchange.intent)
            if normalise(question) not in seen:
                break
        return question

    def _question(self, rng: np.random.Generator, intent: str) -> str:
        if intent in INTENTS:
            rates = {"typo_rate": self.config.typo_rate, "terse_rate": self.config.terse_rate}
            return sample_question(rng, intent, **rates)
        try:
            return self.extra(rng, intent)
        except FaceLLMError:
            raise
        except ValueError as error:
            raise FaceLLMError(f"nobody words questions of the intent: {error}") from error

    @cached_property
    def extra(self) -> Callable[[np.random.Generator, str], str]:
        """Who words what the question bank does not have."""
        return resolve(EXTRA_QUESTIONS)
