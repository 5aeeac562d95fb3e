"""Losses by their names in ``LossesConfig``; a dict is the registry.

A factory gets the ``Setting`` and gives an ``Objective`` (``sample``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict

from ..sample import Objective, Setting
from .answer import AnswerLoss
from .readout import ReadoutLoss

OBJECTIVES: dict[str, Callable[[Setting], Objective]] = {
    "answer": AnswerLoss,
    "readout": ReadoutLoss,
}


def objectives_of(setting: Setting) -> list[tuple[Objective, float]]:
    """Every objective whose weight is above 0, with its weight."""
    weights = asdict(setting.run.losses)
    return [(OBJECTIVES[name](setting), weight) for name, weight in weights.items() if weight]
