"""Rating: an endpoint judges a draft by the five keys of FaceInstruct; low ones are rejected.

Example: ``RatingStep(url="http://localhost:8000/v1", model="m", least_overall=6)(drafts)`` ->
drafts with ``rating=Rating(9, 8, 9, 8, "The text names ...", "m")``, and rejections.

Source: the keys and the 1 to 10 scale are Face-LLaVA's, arXiv 2504.07198; the prompt is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from ..corpus.record import Draft, Outcome, Rating, reject
from .checks import check_number
from .endpoint import Asking, BadReply, Unanswered
from .facts import Facts, facts_of, shipped_geometry
from .portrait import label_sentences, shown_and_told

LOWEST, HIGHEST = 1, 10
# Key of the JSON -> field of ``Rating``.
KEYS = {
    "accuracy of manual annotation": "label_accuracy",
    "consistency of description with video": "description_picture",
    "consistency of description with the manual annotation": "description_label",
    "overall quality": "overall",
}
REASON = "Reason"
RULES = f"""\
You check a training set of face pictures. You see one picture (where a key says video, the \
picture is meant), the annotation people made for it, and the questions and answers written about \
it. Give whole numbers from {LOWEST} (useless) to {HIGHEST} (flawless) for:
- "accuracy of manual annotation": does the annotation fit what the picture shows?
- "consistency of description with video": is everything the answers say visible in the picture?
- "consistency of description with the manual annotation": do the answers agree with the annotation?
- "overall quality": would you train on it? A wrong statement outweighs good style.
- "{REASON}": one or two sentences, a text and no number.
Reply with one JSON object with exactly these five keys and nothing else."""


@dataclass(frozen=True, kw_only=True)
class RatingStep(Asking):
    """See the module docstring; the endpoint's options come first.

    Attributes:
        least_overall: Overall quality under which a draft is rejected, 1 to 10.
    """

    least_overall: int = 6
    name: ClassVar[str] = "rate"

    def __post_init__(self) -> None:
        super().__post_init__()
        check_number("least_overall", self.least_overall, LOWEST, HIGHEST)

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Rated drafts; rejects ``rated low``, ``unusable answer``, ``refused by the endpoint``.

        Raises:
            FaceLLMError: If the endpoint cannot be reached, or refuses every request.
        """
        facts = facts_of(drafts, shipped_geometry())
        pairs = list(zip(drafts, facts, strict=True))
        ratings = self.endpoint.ask_all(pairs, lambda pair: self._rate(*pair))
        return [self._judge(*pair) for pair in zip(drafts, ratings, strict=True)]

    def _judge(self, draft: Draft, rating: Rating | Unanswered) -> Outcome:
        if isinstance(rating, Unanswered):
            return reject(draft, self.name, rating.reason, rating.detail)
        if rating.overall < self.least_overall:
            detail = f"overall {rating.overall} is under {self.least_overall}: {rating.reason}"
            return reject(draft, self.name, "rated low", detail)
        return replace(draft, rating=rating)

    def _rate(self, draft: Draft, facts: Facts) -> Rating:
        messages = [
            {"role": "system", "content": RULES},
            {"role": "user", "content": shown_and_told(draft, dossier(draft, facts))},
        ]
        return self.endpoint.ask(messages, lambda found: rating_of(found, self.model))


def dossier(draft: Draft, facts: Facts) -> str:
    """Annotation, questions and answers as text."""
    labels = "\n".join(label_sentences(facts, draft.seed).values()) or "(none)"
    turns = "\n".join(f"Q: {e.question}\nA: {e.answer}" for e in draft.exchanges)
    return f"Annotation:\n{labels}\n\nQuestions and answers:\n{turns}"


def rating_of(found: dict[str, Any], rater: str) -> Rating:
    """A rating from its JSON.

    Raises:
        BadReply: If a key misses, or a number is none, no whole one or not in 1 to 10.
    """
    marks = {name: mark_of(key, found.get(key)) for key, name in KEYS.items()}
    reason = found.get(REASON)
    if not isinstance(reason, str) or not reason.strip():
        raise BadReply(f"no text under {REASON!r}")
    return Rating(**marks, reason=reason.strip(), rater=rater)


def mark_of(key: str, mark: Any) -> int:
    """A whole number from 1 to 10; ``BadReply`` names the key of anything else."""
    number = isinstance(mark, int | float) and not isinstance(mark, bool)
    if not number or not float(mark).is_integer():  # NaN and infinity are none
        raise BadReply(f"{key!r} is {mark!r}, not a whole number")
    if not LOWEST <= mark <= HIGHEST:
        raise BadReply(f"{key!r} is {mark}, not in {LOWEST}..{HIGHEST}")
    return int(mark)
