"""Losses by their names in ``LossesConfig``; a dict is the registry.

A factory gets the ``Setting`` and gives an ``Objective`` (``sample``). One that weighs 0 is not
built: the step is then, bit for bit, the step without it. Building one draws no random number, so
two runs that differ in a weight start from the same weights and see the same batches.
"""

from __future__ import annotations

from collections.abc import Callable

from ..sample import Objective, Setting
from .answer import AnswerLoss
from .au_attention import UnitAttentionLoss
from .identity_adversary import IdentityAdversary
from .neighbourhood import NeighbourhoodLoss
from .readout import ReadoutLoss

OBJECTIVES: dict[str, Callable[[Setting], Objective]] = {
    "answer": AnswerLoss,
    "readout": ReadoutLoss,
    "neighbourhood": NeighbourhoodLoss,
    "identity_adversary": IdentityAdversary,
    "au_attention": UnitAttentionLoss,
}


def objectives_of(setting: Setting) -> list[tuple[Objective, float]]:
    """Every objective whose weight is above 0, with its weight."""
    weights = setting.run.losses.weights
    return [(OBJECTIVES[name](setting), weight) for name, weight in weights.items() if weight]
