"""Steps that reject a draft for what its answers say; every rejection says which words.

They are meant for generated text, and what the offline annotator writes passes them too. One bad
answer rejects its draft: nothing is cut out of a record in silence.

Example: ``LabelLeakFilter()(drafts)`` -> drafts, and ``Rejection(step="label_leak", reason="label
leak", detail="expression: annotation")`` in the place of those that leak.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from ..corpus.record import Draft, Exchange, Outcome, reject
from .checks import check_number
from .facts import facts_of, shipped_geometry
from .forbidden import forbidden_in
from .leaks import leaks_in
from .row_claims import contradictions, wrong_unit_names


def first_problem(draft: Draft, look: Callable[[Exchange], Sequence[str]]) -> str | None:
    """Task and problems of the first answer that has any."""
    for exchange in draft.exchanges:
        if problems := look(exchange):
            return f"{exchange.task}: {'; '.join(problems)}"
    return None


def outcome(draft: Draft, problem: str | None, step: str, reason: str) -> Outcome:
    """The draft, or its rejection where there is a problem."""
    return draft if problem is None else reject(draft, step, reason, problem)


@dataclass(frozen=True)
class ContradictionFilter:
    """Rejects answers that say something else than labels and landmarks.

    Attributes:
        age_tolerance: Years an answer may differ from the labelled age.
        least_quality: Landmark quality in [0, 1] under which nothing counts as measured.
    """

    age_tolerance: int = 5
    least_quality: float = 0.5
    name: ClassVar[str] = "contradiction"

    def __post_init__(self) -> None:
        check_number("age_tolerance", self.age_tolerance, 0)
        check_number("least_quality", self.least_quality, 0, 1)

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts whose answers agree with their labels."""
        known = facts_of(drafts, shipped_geometry(), self.least_quality)
        found = []
        for draft, facts in zip(drafts, known, strict=True):
            problem = first_problem(
                draft, lambda e, f=facts: contradictions(e.answer, f, self.age_tolerance)
            )
            found.append(outcome(draft, problem, self.name, "text contradicts the label"))
        return found


@dataclass(frozen=True)
class LabelLeakFilter:
    """Rejects answers that tell that a label was given (``leaks``)."""

    name: ClassVar[str] = "label_leak"

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts without such words."""
        return [
            outcome(
                draft, first_problem(draft, lambda e: leaks_in(e.answer)), self.name, "label leak"
            )
            for draft in drafts
        ]


@dataclass(frozen=True)
class ForbiddenFilter:
    """Rejects answers about identity, origin, health, honesty, character, worth or inner states.

    Answers of the task ``limits`` name these to decline them, and pass.
    """

    name: ClassVar[str] = "forbidden"

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts that touch no such topic."""

        def look(exchange: Exchange) -> Sequence[str]:
            return [] if exchange.task == "limits" else forbidden_in(exchange.answer)

        return [
            outcome(draft, first_problem(draft, look), self.name, "forbidden topic")
            for draft in drafts
        ]


@dataclass(frozen=True)
class UnitNameFilter:
    """Rejects answers that call an action unit by another name than FACS does."""

    name: ClassVar[str] = "unit_names"

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts whose units have their names."""
        return [
            outcome(
                draft,
                first_problem(draft, lambda e: wrong_unit_names(e.answer)),
                self.name,
                "wrong name of an action unit",
            )
            for draft in drafts
        ]


@dataclass(frozen=True)
class LengthFilter:
    """Rejects answers that are empty or too long.

    Attributes:
        least: Characters an answer has at least, blanks at its ends not counted.
        most: Characters an answer has at most.
    """

    least: int = 2
    most: int = 2000
    name: ClassVar[str] = "length"

    def __post_init__(self) -> None:
        check_number("least", self.least, 1)
        check_number("most", self.most, self.least)

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """Drafts whose answers lie within the bounds."""

        def look(exchange: Exchange) -> Sequence[str]:
            length = len(exchange.answer.strip())
            if length < self.least:
                return [f"{length} characters are under {self.least}"]
            return [f"{length} characters are over {self.most}"] if length > self.most else []

        return [
            outcome(draft, first_problem(draft, look), self.name, "length of an answer")
            for draft in drafts
        ]
