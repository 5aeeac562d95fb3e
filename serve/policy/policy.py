"""What may be asked and answered, in code: before the model, after it, and by context of use.

Example::

    policy = Policy("personal")
    policy.before(["Who is this man?"])            # Refusal("identity", "I do not say who ...")
    policy.before(["Is he lying on the sofa?"])    # None
    context = policy.check_context("hiring")       # "hiring"
    policy.check_question(["Does she look stressed?"], context)   # Refused, 403

Where emotions may not be inferred (workplace, education, hiring, law enforcement: EU AI Act,
Article 5(1)(f), and for law enforcement our own bound), questions after expressions, emotions and
moods are refused. Movements and states a face plainly shows are no emotions (Recital 18), so action
units, a smile or a frown as a movement, eyes, mouth, tiredness, head pose, gaze, mask, apparent age
and gender, count and real or generated stay. A description holds an expression, so whoever serves
must leave the expression out of readings and answers where ``emotions_allowed`` is False.

The rules catch wordings, not thoughts: the model declines such questions too (intent
``out_of_bounds``), and its answers are checked once more by ``after``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from facellm.errors import FaceLLMError

from .names import names_a_person
from .rules import ANSWERS, EMOTIONS, QUESTIONS, load_rules
from .texts import PROHIBITED, REFUSALS

ALLOWED = (
    *("research_consented", "medical", "safety", "accessibility", "personal", "creative"),
    "other",
)
PROHIBITING = ("workplace", "education", "hiring", "law_enforcement")
LONGEST = 20_000  # characters of all texts of a call: judging them takes about a second
ACADEMIC = frozenset({"research_consented", "medical", "safety"})


class Refused(FaceLLMError):
    """The use is not allowed; the message says why.

    Attributes:
        status: Of HTTP.
        code: For programs.
    """

    status = 403
    code = "use_context_prohibited"


@dataclass(frozen=True)
class Refusal:
    """An answer in place of the model's.

    Attributes:
        kind: ``identity``, ``protected``, ``traits``, ``worth``, ``diagnosis`` or ``lying``.
        text: What to say, with what can be asked instead.
    """

    kind: str
    text: str


class Policy:
    """The bounds of one server.

    Args:
        use_context: What the server is used for, one of ``ALLOWED`` or ``PROHIBITING``.
        academic_emotion: Whether boredom, confusion and the like may be read at all.

    Raises:
        FaceLLMError: If the context is unknown, or academic emotion is wanted outside of research
            with consent, medicine and safety.
    """

    def __init__(self, use_context: str = "personal", academic_emotion: bool = False) -> None:
        self.use_context = known_context(use_context)
        if academic_emotion and use_context not in ACADEMIC:
            allowed = ", ".join(sorted(ACADEMIC))
            raise FaceLLMError(f"academic emotion in {use_context!r}: only in {allowed}")
        self.academic_emotion = academic_emotion
        self._questions, self._answers = load_rules(QUESTIONS), load_rules(ANSWERS)
        self._emotions = load_rules(EMOTIONS)

    def check_context(self, requested: str | None) -> str:
        """The context a request is judged by: its own, unless the server's forbids more.

        Raises:
            FaceLLMError: If it is unknown.
        """
        context = self.use_context if requested is None else known_context(requested)
        return context if emotions_allowed(self.use_context) else self.use_context

    def check_question(self, texts: Sequence[str], context: str) -> None:
        """Refuse questions after emotions where they may not be inferred.

        Args:
            texts: The user's turns.
            context: Of ``check_context``.

        Raises:
            Refused: See there.
            FaceLLMError: For more than 20,000 characters.
        """
        check_length(texts)
        if not emotions_allowed(context) and any(map(self.is_emotion_question, texts)):
            raise Refused(PROHIBITED.format(context=context.replace("_", " ")))

    def academic_allowed(self, context: str) -> bool:
        """Whether academic emotion may be read: by the flag, the server's and the request's use."""
        return self.academic_emotion and context in ACADEMIC

    def before(self, texts: Sequence[str]) -> Refusal | None:
        """Why the user's turns are not answered; None where they may be.

        Raises:
            FaceLLMError: For more than 20,000 characters.
        """
        check_length(texts)
        for text in texts:
            if names_a_person(text):
                return _refusal("identity")
            if (rule := self._questions.find(text)) is not None:
                return _refusal(rule.kind)
        return None

    def after(self, text: str) -> Refusal | None:
        """Why a generated answer may not go out; None where it may.

        Raises:
            FaceLLMError: For more than 20,000 characters.
        """
        check_length((text,))
        if names_a_person(text):
            return _refusal("identity")
        rule = self._answers.find(text)
        return None if rule is None else _refusal(rule.kind)

    def is_emotion_question(self, text: str) -> bool:
        """Whether a text asks after an expression, an emotion or a mood.

        Raises:
            FaceLLMError: For more than 20,000 characters.
        """
        check_length((text,))
        return self._emotions.find(text) is not None


def check_length(texts: Sequence[str]) -> None:
    """Refuse to judge what would take too long; ``FaceLLMError`` with both lengths."""
    if (length := sum(map(len, texts))) > LONGEST:
        raise FaceLLMError(f"{length:,} characters to judge, at most {LONGEST:,}")


def known_context(context: str) -> str:
    """A context of use, as it is.

    Raises:
        FaceLLMError: If it is none.
    """
    if context not in (*ALLOWED, *PROHIBITING):
        known = ", ".join((*ALLOWED, *PROHIBITING))
        raise FaceLLMError(f"use context {context[:40]!r} is none of {known}")
    return context


def emotions_allowed(context: str) -> bool:
    """Whether emotions may be inferred in a context."""
    return context not in PROHIBITING


def _refusal(kind: str) -> Refusal:
    return Refusal(kind, REFUSALS[kind])
