"""Rectification: a sample is kept only if two independent readers agree with its label.

One reader is the shipped model, which sees the crop; the other sees the 68 points alone. Each
scores the label (``rectify_reader``); under the bound at which it would lose a set share of right
labels, it disagrees. Checked are action units, and expressions where a row has no units; other
drafts pass, with an empty note.

Example: ``RectifyStep("rectifier.npz")(drafts)`` -> drafts with ``notes["rectify"] = {"units":
[3.1, 8.4]}``, and ``Rejection(reason="two readers do not agree with the label", ...)``.

Source: the idea of SynFER's FERAnno (a label is kept where independent readings vote for it),
arXiv 2410.09865; its readers are a diffusion model's features, ours are not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from facellm.crops import upright_crop
from facellm.engine_names import TORCH
from facellm.errors import FaceLLMError
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.reading import Reading

from ..corpus.record import Draft, Outcome, reject
from .checks import check_number, check_text
from .facts import MENTIONED_FROM, facts_of, shipped_geometry
from .portrait import as_face
from .rectify_reader import Floats, Rectifier, expression_scores, features, unit_scores

READERS = ("geometry", "model")
REASON = "two readers do not agree with the label"


@dataclass(frozen=True)
class Scored:
    """A label's scores by both readers, and their bounds, (2,) each."""

    scores: Floats
    bounds: Floats

    def disagreeing(self) -> list[str]:
        """Readers under their bound, with both numbers."""
        return [
            f"{reader} {score:.1f} is under {bound:.1f}"
            for reader, score, bound in zip(READERS, self.scores, self.bounds, strict=True)
            if score < bound
        ]


@dataclass(frozen=True)
class RectifyStep:
    """See the module docstring.

    Attributes:
        weights: File that ``fit_rectifier`` wrote.
        lost: Share of right labels each reader may lose, in [0, 0.5].
        batch: Faces the model reads at once.
        checkpoint: Folder of the model; the shipped one without it.
    """

    weights: str
    lost: float = 0.05
    batch: int = 16
    checkpoint: str | None = None
    name: ClassVar[str] = "rectify"

    def __post_init__(self) -> None:
        check_text("weights", self.weights)
        check_number("lost", self.lost, 0, 0.5)
        check_number("batch", self.batch, 1)

    @cached_property
    def rectifier(self) -> Rectifier:
        """The geometry reader and the bounds."""
        return Rectifier.load(Path(self.weights))

    @cached_property
    def assistant(self) -> Any:
        """The model, loaded when it is first needed."""
        from facellm.assistant import FaceAssistant  # heavy

        # The bounds were fitted on torch's readings, and a corpus is the same on every machine.
        return FaceAssistant.load(self.checkpoint, engine=TORCH)

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts both readers agree with; those with nothing to check pass.

        Raises:
            FaceLLMError: If the weights or the model cannot be read.
        """
        checkable = [i for i, draft in enumerate(drafts) if self._points(draft) is not None]
        outcomes: list[Outcome] = [
            replace(draft, notes=draft.notes | {self.name: {}}) for draft in drafts
        ]
        if checkable:
            some = [drafts[i] for i in checkable]
            for place, found in zip(checkable, self.judge(some, self.read(some)), strict=True):
                outcomes[place] = found
        return outcomes

    def judge(self, drafts: Sequence[Draft], readings: Sequence[Reading]) -> list[Outcome]:
        """Outcomes of drafts with one face each, whose readings by the model are given."""
        scored = self._score(drafts, readings)
        return [self._judge(*pair) for pair in zip(drafts, scored, strict=True)]

    def _judge(self, draft: Draft, labels: dict[str, Scored]) -> Outcome:
        problems = [
            f"{name}: {'; '.join(low)}"
            for name, scored in labels.items()
            if (low := scored.disagreeing())
        ]
        if problems:
            return reject(draft, self.name, REASON, "; ".join(problems))
        notes = {name: np.round(held.scores, 2).tolist() for name, held in labels.items()}
        return replace(draft, notes=draft.notes | {self.name: notes})

    def _points(self, draft: Draft) -> NDArray[np.floating] | None:
        """Points to read, of a draft with one face, a picture and a label to check."""
        row = draft.row
        if draft.picture is None or len(draft.faces) != 1:
            return None
        if row.units is None and row.expression is None and row.votes is None:
            return None
        if bool(self.rectifier.published):
            return row.landmarks
        return draft.faces[0].landmarks

    def _score(
        self, drafts: Sequence[Draft], readings: Sequence[Reading]
    ) -> list[dict[str, Scored]]:
        geometry = shipped_geometry()
        points = np.stack([self._points(draft) for draft in drafts])  # type: ignore[arg-type]
        seen = features(points, geometry)
        both_units = np.stack([self.rectifier.unit_probabilities(seen), unit_shares(readings)])
        both_named = np.stack([self.rectifier.expression_shares(seen), named_shares(readings)])
        facts = facts_of(drafts, geometry)
        scored = []
        for index, known in enumerate(facts):
            labels = {}
            if known.row.units:
                labels["units"] = self._score_units(known.row.units, both_units[:, index])
            elif known.expression is not None:  # of renders the units are the label
                labels["expression"] = self._score_named(known.expression, both_named[:, index])
            scored.append(labels)
        return scored

    def _score_units(self, units: dict[int, float], read: Floats) -> Scored:
        coded = np.array([number in units for number in ACTION_UNITS])
        active = np.array([units.get(number, 0.0) >= MENTIONED_FROM for number in ACTION_UNITS])
        scores = unit_scores(read, active[None], self.rectifier.unit_prior)[:, coded].sum(axis=1)
        return Scored(scores, self.rectifier.unit_bounds(coded, self.lost))

    def _score_named(self, expression: str, read: Floats) -> Scored:
        labels = np.full(len(READERS), EXPRESSIONS.index(expression))
        scores = expression_scores(read, labels, self.rectifier.expression_prior)
        return Scored(scores, self.rectifier.expression_bounds(self.lost))

    def read(self, drafts: Sequence[Draft]) -> list[Reading]:
        """The model's readings of drafts with one face each."""
        size = self.assistant.checkpoint.processor.crop_size
        crops = [face_crop(draft, size) for draft in drafts]
        return [
            reading
            for start in range(0, len(crops), self.batch)
            for reading in self.assistant.read_crops(crops[start : start + self.batch])
        ]


def face_crop(draft: Draft, size: int) -> NDArray[np.uint8]:
    """The crop of a draft's only face as the model sees it; ``FaceLLMError`` without one."""
    face = as_face(draft)
    if face is None or draft.picture is None:
        raise FaceLLMError(f"{draft.row.where or draft.row.key}: no picture with one face")
    return upright_crop(draft.picture, face, size)


def unit_shares(readings: Sequence[Reading]) -> NDArray[np.float64]:
    """Probability (N, U) of every unit as the model reads it."""
    return np.array(
        [[r.action_units[number].probability for number in ACTION_UNITS] for r in readings]
    )


def named_shares(readings: Sequence[Reading]) -> NDArray[np.float64]:
    """Share (N, E) of every expression as the model reads it."""
    return np.array([[reading.expression[name] for name in EXPRESSIONS] for reading in readings])
