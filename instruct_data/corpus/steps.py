"""The Python list of steps behind ``facellm build``, and how a batch goes through it.

    decode -> faces -> filters -> annotate -> templates -> [rate] -> [text filters]

Near duplicates are taken out before ``decode`` (``index``), pictures are filtered before anybody is
paid for an answer; text filters come last. ``new_steps(config)`` is an ordinary list: leave one
out, put another in, run it on drafts of your own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import cast

import numpy as np

from .config import CorpusConfig, FacesMode
from .decode import Decode
from .faces import Faces
from .filters import PictureFilter
from .plugins import ANNOTATORS, STEPS, new_plugin
from .record import (
    IMAGE,
    TASKS,
    Annotator,
    Draft,
    Exchange,
    Outcome,
    Rejection,
    Step,
    reject,
)
from .wording_step import Templates


def new_steps(config: CorpusConfig) -> list[Step]:
    """Every step of a config but the search for duplicates, in order."""
    modes: list[FacesMode] = [source.faces for source in config.sources]
    annotators = [new_plugin(ANNOTATORS, c, "annotator") for c in config.annotators]
    steps: list[Step] = [
        Decode(),
        Faces(modes, config.pictures.least_quality),
        PictureFilter(config.pictures, modes),
        Annotate(annotators, config.questions.per_record),
        Templates(config.questions),
    ]
    if config.rating is not None:
        steps.append(new_plugin(STEPS, config.rating, "rating"))
    return steps + [new_plugin(STEPS, c, "filter") for c in config.filters]


def run_steps(steps: Sequence[Step], drafts: Sequence[Outcome]) -> list[Outcome]:
    """Take drafts through steps; rejections among them stay as they are.

    Returns:
        One outcome for each, in order: a draft that passed all, or its first rejection.

    Raises:
        ValueError: If a step gives another number of outcomes than it got drafts.
    """
    outcomes: list[Outcome] = list(drafts)
    for step in steps:
        alive = [i for i, outcome in enumerate(outcomes) if isinstance(outcome, Draft)]
        if not alive:
            break
        after = step([cast(Draft, outcomes[i]) for i in alive])
        if len(after) != len(alive):
            raise ValueError(f"step {step.name}: {len(after)} outcomes for {len(alive)} drafts")
        for i, outcome in zip(alive, after, strict=True):
            outcomes[i] = outcome
    return outcomes


class Annotate:
    """Lets annotators write the exchanges of drafts.

    Args:
        annotators: In order; what all of them say is put together.
        most: Exchanges of one task at most; more are drawn from by the draft's seed.
    """

    name = "annotate"

    def __init__(self, annotators: Sequence[Annotator], most: int) -> None:
        self.annotators, self.most = tuple(annotators), most

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts with ``exchanges``; rejects ``nothing to say`` and ``image mark in the text``.

        Where an annotator gives a rejection, the first of them is the outcome.
        """
        said: list[list[Exchange]] = [[] for _ in drafts]
        unsaid: dict[int, Rejection] = {}
        for annotator in self.annotators:
            given = annotator.annotate(drafts)
            if len(given) != len(drafts):
                raise ValueError(f"{annotator.name}: {len(given)} answers, {len(drafts)} drafts")
            for place, exchanges in enumerate(given):
                if isinstance(exchanges, Rejection):
                    unsaid.setdefault(place, exchanges)
                else:
                    said[place] += exchanges
        return [
            unsaid[place] if place in unsaid else self._outcome(draft, said[place])
            for place, draft in enumerate(drafts)
        ]

    def _outcome(self, draft: Draft, exchanges: list[Exchange]) -> Outcome:
        if not exchanges:
            return reject(draft, self.name, "nothing to say")
        if marked := [e for e in exchanges if IMAGE in e.answer + e.question]:
            return reject(draft, self.name, "image mark in the text", marked[0].answer)
        if unknown := {exchange.task for exchange in exchanges} - set(TASKS):
            raise ValueError(f"{draft.row.key}: tasks {sorted(unknown)} are none of {TASKS}")
        kept: list[Exchange] = []
        for place, task in enumerate(TASKS):
            mine = [exchange for exchange in exchanges if exchange.task == task]
            if len(mine) > self.most:
                rng = np.random.default_rng((draft.seed, len(TASKS) + place))
                picked = np.sort(rng.choice(len(mine), self.most, replace=False))
                mine = [mine[i] for i in picked]
            kept += mine
        return replace(draft, exchanges=tuple(kept))
