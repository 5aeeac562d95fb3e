"""Label-assisted descriptions by any OpenAI-compatible endpoint that sees pictures.

The endpoint is shown the crop and told what people said of it; it writes, for every label, what can
be seen that goes with it. The answer is our own sentence with the label and, after it, those
reasons, so a label is never reworded and an action unit never renamed. Answers go through the text
filters like any other.

Example: ``OpenAIAnnotator(url="http://localhost:8000/v1", model="m").annotate([draft])`` ->
``[(Exchange("age", "age", "About 34 years. Fine lines beside the eyes ..."),)]``.

Source: label-assisted descriptions after Face-LLaVA, arXiv 2504.07198, section 3 (FaceInstruct-1M);
the prompt is ours.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from facellm.readers.row import Rejection

from ..corpus.record import Draft, Exchange, reject
from .checks import check_number
from .endpoint import Asking, BadReply, Unanswered
from .facts import Facts, facts_of, shipped_geometry
from .portrait import TOPICS, label_sentences, measured_sentences, shown_and_told

RULES = """\
You write training texts for a model that looks at faces. You see one face, and you are told what \
people said of it and what was measured on it. For each topic write two to four plain English \
sentences about what can be SEEN that goes with it: lips, brows, eyes, skin, hair, light, edges. \
Do not repeat the topic's own sentence: your text will stand after it.
- Describe only what is visible. If little is, say little.
- Say what a face "shows", never what the person feels, thinks or is.
- Age and gender are apparent. Name no person; say nothing about origin, skin colour, health, \
honesty, character, attractiveness, beliefs.
- Where you mention an action unit write its number alone, as AU12, and only units you were told.
- Write as if you had only the picture. Never hint that you were told anything: no word about \
labels, annotations, information given, votes or data.
Reply with one JSON object and nothing else: a text for each of the topics asked for, under its \
name."""


@dataclass(frozen=True, kw_only=True)
class OpenAIAnnotator(Asking):
    """See the module docstring; the endpoint's options come first.

    Attributes:
        least_characters: Of a text that counts as one.
        most_characters: Of a text that does not run away.
        least_quality: Landmark quality in [0, 1] under which nothing counts as measured.
    """

    least_characters: int = 20
    most_characters: int = 1200
    least_quality: float = 0.5
    name: ClassVar[str] = "openai"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("least_characters", self.least_characters, 1)
        check_number("most_characters", self.most_characters, self.least_characters)
        check_number("least_quality", self.least_quality, 0, 1)

    def annotate(self, drafts: Sequence[Draft]) -> list[tuple[Exchange, ...] | Rejection]:
        """Exchanges for every draft; none where its row has no label.

        A draft the endpoint had no usable answer for is rejected: ``unusable answer`` or
        ``refused by the endpoint``.

        Raises:
            FaceLLMError: If the endpoint cannot be reached, or refuses every request.
        """
        facts = facts_of(drafts, shipped_geometry(), self.least_quality)
        pairs = list(zip(drafts, facts, strict=True))
        answers = self.endpoint.ask_all(pairs, lambda pair: self._describe(*pair))
        return [
            reject(draft, self.name, answer.reason, answer.detail)
            if isinstance(answer, Unanswered)
            else answer
            for draft, answer in zip(drafts, answers, strict=True)
        ]

    def _describe(self, draft: Draft, facts: Facts) -> tuple[Exchange, ...]:
        labels = label_sentences(facts, draft.seed)
        if not labels:
            return ()
        measured = measured_sentences(facts, draft.seed)
        texts = self.endpoint.ask(
            [
                {"role": "system", "content": RULES},
                {"role": "user", "content": shown_and_told(draft, brief(labels, measured))},
            ],
            lambda found: self._texts(found, labels),
        )
        return tuple(
            Exchange(*TOPICS[topic][:2], f"{label} {texts[topic]}")
            for topic, label in labels.items()
        )

    def _texts(self, found: dict[str, Any], topics: dict[str, str]) -> dict[str, str]:
        """The text of every topic; ``BadReply`` names one that misses or is out of bounds."""
        texts = {}
        for topic in topics:
            text = found.get(topic)
            if not isinstance(text, str):
                raise BadReply(f"no text under {topic!r}")
            texts[topic] = " ".join(text.split())
            if not self.least_characters <= len(texts[topic]) <= self.most_characters:
                bounds = f"{self.least_characters} to {self.most_characters}"
                raise BadReply(f"{topic!r} has {len(texts[topic])} characters, not {bounds}")
        return texts


def brief(labels: dict[str, str], measured: dict[str, str]) -> str:
    """What the endpoint is told: topics with their sentences, and measures."""
    parts = [f"What people said, by topic:\n{json.dumps(labels, indent=1)}"]
    if measured:
        parts.append(f"What was measured:\n{json.dumps(measured, indent=1)}")
    return "\n\n".join([*parts, f"Topics to write about: {', '.join(labels)}."])
