"""The offline annotator: answers written by rules from labels and measures.

Deterministic by the draft's seed, with no network and no model. About eight exchanges a picture:
every sentence the facts bear out, and, for a share of the pictures, a question that is declined.
Study behaviour and dialogues are left to their own tracks (``tracks``), the former behind its gate.

Example: ``GrammarAnnotator().annotate([draft])[0][0]`` -> ``Exchange("expression", "expression",
"Sadness: 8 of 10 people read this face as sadness.")``
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ..corpus.record import Draft, Exchange
from ..grammar import REFUSALS, STYLES, write_count
from ..grammar_sentences import Writer
from . import people_sentences as people
from . import picture_sentences as picture
from . import whole_sentences as whole
from .asking import NAMED_BY_ANSWER, word
from .checks import check_number
from .facts import Facts, facts_of, shipped_geometry

Teller = Callable[[Facts, Writer], str | None]


def tell_count(facts: Facts, writer: Writer) -> str | None:
    """Number of faces found."""
    return None if facts.count is None else write_count(facts.count, writer)


# Task, intent (of the question bank or of questions_extra.json) and what writes the answer.
TELLERS: tuple[tuple[str, str, Teller], ...] = (
    ("expression", "expression", people.tell_expression),
    ("expression", "agreement", people.tell_agreement),
    ("expression", "affect", people.tell_affect),
    ("expression", "why", whole.tell_reasons),
    ("action_units", "action_units", picture.tell_units),
    ("action_units", "one_unit", picture.tell_one_unit),
    ("action_units", "why", whole.tell_unit_reasons),
    ("attributes", "attributes", picture.tell_attributes),
    ("attributes", "one_attribute", picture.tell_one_attribute),
    ("attributes", "one_attribute", picture.tell_one_attribute),
    ("attributes", "gender", people.tell_gender),
    ("attributes", "gender_check", people.tell_gender_check),
    ("attributes", "age_and_gender", people.tell_age_and_gender),
    ("attributes", "mask", picture.tell_mask),
    ("age", "age", people.tell_age),
    ("age", "age_group", people.tell_age_group),
    ("deepfake", "deepfake", picture.tell_fake),
    ("deepfake", "forgery_family", picture.tell_family),
    ("deepfake", "forgery_region", picture.tell_region),
    ("geometry", "pose", picture.tell_head),
    ("geometry", "mouth", picture.tell_mouth),
    ("geometry", "measures", picture.tell_measures),
    ("description", "describe", whole.tell_all),
    ("description", "count", tell_count),
    ("limits", "mouth", picture.tell_hidden_mouth),
)
LIMITS = ("out_of_bounds", "off_topic", "inner_state")


@dataclass(frozen=True)
class GrammarAnnotator:
    """See the module docstring.

    Attributes:
        limits: Share of pictures with a question that is declined, in [0, 1].
        most: Exchanges a picture has at most, the declined one not counted.
        least_quality: Landmark quality in [0, 1] under which nothing counts as measured.
    """

    limits: float = 0.5
    most: int = 10
    least_quality: float = 0.5
    name: ClassVar[str] = "grammar"

    def __post_init__(self) -> None:
        check_number("limits", self.limits, 0, 1)
        check_number("most", self.most, 1)
        check_number("least_quality", self.least_quality, 0, 1)

    def annotate(self, drafts: Sequence[Draft]) -> list[tuple[Exchange, ...]]:
        """Exchanges for every draft; none where the row and the landmarks say nothing.

        Questions are left to the step ``templates``, but for those that name what the answer is
        about.
        """
        facts = facts_of(drafts, shipped_geometry(), self.least_quality)
        return [
            () if draft.row.media == "dialogue" else self.exchanges(known, draft.seed)
            for draft, known in zip(drafts, facts, strict=True)
        ]

    def exchanges(self, facts: Facts, seed: int) -> tuple[Exchange, ...]:
        """Exchanges from the facts of one picture, in the order of ``TELLERS``."""
        rng = random.Random(seed)
        found = [
            Exchange(task, intent, text)
            for task, intent, write in TELLERS
            if (text := write(facts, Writer(rng, rng.randrange(STYLES)))) is not None
        ]
        found = list(dict.fromkeys(found))
        if len(found) > self.most:
            kept = sorted(rng.sample(range(len(found)), self.most))
            found = [found[index] for index in kept]
        if found and rng.random() < self.limits:
            found.append(decline(facts, rng))
        return tuple(asked(exchange, seed) for exchange in found)


def decline(facts: Facts, rng: random.Random) -> Exchange:
    """A question that is not answered, and what can be."""
    intent = rng.choice(LIMITS)
    if intent in REFUSALS:
        return Exchange("limits", intent, rng.choice(REFUSALS[intent]))
    told = whole.tell_inner_state(facts, Writer(rng, rng.randrange(STYLES)))
    return Exchange("limits", intent, told)


def asked(exchange: Exchange, seed: int) -> Exchange:
    """With its question where that names what the answer is about."""
    if exchange.intent not in NAMED_BY_ANSWER:
        return exchange
    return word(exchange, np.random.default_rng((seed, len(exchange.answer))))
