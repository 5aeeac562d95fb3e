"""What was read out of an answer: one small frozen value for every scorer.

Example: ``read_label("Not happy but surprised.", family)`` -> ``Parsed(kind="label",
labels=("surprise",), span=(14, 23))``. Everything but ``label`` counts as wrong, and is counted
under its own name.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, get_args

Kind = Literal[
    "label", "several", "outside", "unparsed", "refused", "empty", "repeated", "out_of_range"
]
KINDS: tuple[Kind, ...] = get_args(Kind)


@dataclass(frozen=True)
class Parsed:
    """The outcome of reading one answer.

    Attributes:
        kind: ``label``: exactly one answer (of units: a set, possibly empty). ``several``: the main
            claim names more than one. ``outside``: the main claim is a label the question does not
            offer. ``unparsed``: words, but no claim. ``refused``: says that it cannot or will not
            tell. ``empty``: no word at all. ``repeated``: the same words over and over.
            ``out_of_range``: an age nobody has.
        labels: The labels of the main claim, in reading order; empty where there is none.
        number: Of an age: years; the middle where a range was said.
        span: Characters [start, end) of the answer it was read from; None where there is none.
        others: Labels claimed elsewhere in the answer, which do not count.
    """

    kind: Kind
    labels: tuple[str, ...] = ()
    number: float | None = None
    span: tuple[int, int] | None = None
    others: tuple[str, ...] = ()

    @property
    def label(self) -> str | None:
        """The one label, or None: then the answer is wrong."""
        return self.labels[0] if self.kind == "label" and len(self.labels) == 1 else None

    @property
    def first(self) -> str | None:
        """The first label of the main claim, also where it names several; for other rules."""
        return self.labels[0] if self.kind in ("label", "several") and self.labels else None


def count_kinds(outcomes: Iterable[Parsed]) -> dict[str, int]:
    """How many answers of each kind; every kind is there, so that none is hidden."""
    counts = Counter(outcome.kind for outcome in outcomes)
    return {kind: counts[kind] for kind in KINDS}
