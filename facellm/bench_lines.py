"""A measured line, the photographs they are taken on, and how they are shown.

Example: ``table([Line("crops read", 120.0, "/s", None, 7)])`` is a Markdown table.
"""

from __future__ import annotations

import os
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from skimage.data import astronaut

SIDE = 1000  # pixels: one megapixel
Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Line:
    """One measured line.

    Attributes:
        name: What was measured.
        value: Median, or a ratio of medians; None where there was nothing to measure.
        unit: ``s``, ``ms``, ``MB``, ``/s`` or ``x`` (a ratio); empty without a value.
        goal: Bound in the same unit, None for information.
        runs: How many runs the median is of.
        at_least: The goal is a lower bound; otherwise it is an upper one.
        quartiles: Of the runs, in the same unit; None where only the median is known.
    """

    name: str
    value: float | None
    unit: str
    goal: float | None
    runs: int
    at_least: bool = False
    quartiles: tuple[float, float] | None = None

    @property
    def reached(self) -> bool | None:
        """Whether the value is on the good side of the goal; None without goal or value."""
        if self.goal is None or self.value is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal


def spread(name: str, values: Sequence[float], unit: str, goal: float | None = None) -> Line:
    """Median and quartiles of runs.

    Args:
        name: What was measured.
        values: One a run.
        unit: Of the values.
        goal: Lower bound.
    """
    low, middle, high = statistics.quantiles(values, n=4, method="inclusive")
    return Line(name, middle, unit, goal, len(values), at_least=True, quartiles=(low, high))


def missing(name: str, why: str) -> Line:
    """A line about something that is not there: it has no value, which is not the value 0."""
    return Line(f"{name} ({why})", None, "", None, 0)


def new_photo(index: int) -> Rgb:
    """(1000, 1000, 3) uint8: the astronaut in another light, cut and side for every index."""
    rng = np.random.default_rng(index)
    left, top = rng.integers(0, 13, 2)
    picture = astronaut()[top : top + 500, left : left + 500]
    picture = cv2.resize(picture, (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
    picture = picture[:, ::-1] if index % 2 else picture
    lit = 255 * (picture / 255.0) ** rng.uniform(0.85, 1.15) + rng.normal(0, 1.5, picture.shape)
    return np.clip(lit, 0, 255).astype(np.uint8)


def table(lines: list[Line]) -> str:
    """Markdown table of the lines."""
    rows = ["| measured | median | goal | reached |", "|---|---|---|---|"]
    for line in lines:
        side = ">=" if line.at_least else "<="
        goal = "" if line.goal is None else f"{side} {line.goal:g} {line.unit}"
        reached = {None: "", True: "yes", False: "NO"}[line.reached]
        rows.append(f"| {line.name} | {shown(line)} | {goal} | {reached} |")
    return "\n".join(rows)


def shown(line: Line) -> str:
    """``12.50 ms``, with quartiles ``12.50 ms (12.10 to 13.00)``; ``missing`` without a value."""
    if line.value is None:
        return "missing"
    digits = 0 if line.unit in {"ms", "MB"} and line.value >= 100 else 2
    value = f"{line.value:.{digits}f} {line.unit}"
    if line.quartiles is None:
        return value
    low, high = (f"{bound:.{digits}f}" for bound in line.quartiles)
    return f"{value} ({low} to {high})"


def machine(threads: int) -> dict[str, Any]:
    """What the figures depend on."""
    return {
        "cores": os.cpu_count(),
        "threads": threads,
        "load_average": [round(value, 2) for value in os.getloadavg()],
        "torch": torch.__version__,
    }
