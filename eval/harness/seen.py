"""Has a model seen a task's data? ``seen``, ``held-out`` or ``unknown``, and why.

``seen``: it was trained on this very split. ``held-out``: it was not; the note says whether it was
trained on another split of the set, or on no part of it (zero-shot). ``unknown``: nobody says what
it was trained on, which is the rule for endpoints and models without a record.
"""

from __future__ import annotations

from dataclasses import dataclass

from .asking import Model
from .task import Task

SEEN, HELD_OUT, UNKNOWN = "seen", "held-out", "unknown"


@dataclass(frozen=True)
class Seen:
    """Whether a model has seen the samples it is asked about.

    Attributes:
        verdict: ``seen``, ``held-out`` or ``unknown``.
        why: In a few words.
    """

    verdict: str
    why: str


def seen_by(model: Model, task: Task, split: str) -> Seen:
    """What is known about a model and a split."""
    trained = model.training_data
    if trained is None:
        return Seen(UNKNOWN, "the model does not say what it was trained on")
    names = task.trained_on or (task.data.source,)
    splits = sorted({used for name in names for used in trained.get(name, ())})
    if split in splits:
        return Seen(SEEN, f"trained on the {split} split")
    if splits:
        return Seen(HELD_OUT, f"trained on the {', '.join(splits)} split of the same set")
    return Seen(HELD_OUT, "no part of the set was trained on (zero-shot)")
