"""How the learning rate goes over a run: linear warm-up, then a cosine or a constant.

Every part has a peak of its own (``RatesConfig``); all follow this one curve.
"""

from __future__ import annotations

import math

from ..run_sections import ScheduleConfig


def steps_of(schedule: ScheduleConfig, steps_per_epoch: int) -> int:
    """Optimizer steps of a run: as given, or enough for its epochs, at least 1."""
    return schedule.steps or max(1, math.ceil(schedule.epochs * steps_per_epoch - 1e-9))


def rate_at(schedule: ScheduleConfig, step: int, steps: int) -> float:
    """Share of the peak at step ``step`` of ``steps``, counted from 0.

    Warm-up takes ``warmup`` of the steps, rounded up, and never starts at 0: with n of it the first
    steps run at 1/n, 2/n ... The cosine then falls from 1 at its first step to ``floor`` at the end
    (SGDR, arXiv 1608.03983, without restarts).
    """
    warm = math.ceil(schedule.warmup * steps)
    if step < warm:
        return (step + 1) / warm
    if schedule.decay == "constant":
        return 1.0
    done = (step - warm) / max(1, steps - warm)
    return schedule.floor + (1 - schedule.floor) * 0.5 * (1 + math.cos(math.pi * done))
