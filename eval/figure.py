"""A measured figure, the goal it was asked to reach, and the table they are printed in.

Example line: ``| UTKFace apparent age, mean absolute error | 6.21 years | 6.02 to 6.40 | 2,337 |
<= 7 | yes |``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from .statistics import Estimate


@dataclass(frozen=True)
class Goal:
    """What a figure should reach.

    Attributes:
        bound: In the unit of the figure's value.
        at_least: True where more is better.
    """

    bound: float
    at_least: bool = True

    def reached(self, value: float) -> bool:
        """Whether a value is on the good side of the bound; NaN is not."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True)
class Figure:
    """One row of the table.

    Attributes:
        name: What was measured, on what.
        estimate: Value, 95 % interval and n.
        goal: None where the figure is for information.
        unit: ``%`` prints a share in per cent; anything else follows the number.
        split: ``test`` or ``valid``.
        note: What a reader must know to read it rightly.
    """

    name: str
    estimate: Estimate
    goal: Goal | None = None
    unit: str = "%"
    split: str = "test"
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; a value that is not finite is None."""
        estimate = {
            key: value if math.isfinite(value) else None
            for key, value in asdict(self.estimate).items()
        }
        reached = None if self.goal is None else self.goal.reached(self.estimate.value)
        goal = None if self.goal is None else asdict(self.goal)
        return {
            "name": self.name,
            **estimate,
            "unit": self.unit,
            "split": self.split,
            "goal": goal,
            "reached": reached,
            "note": self.note,
        }


@dataclass
class Findings:
    """What one family of figures came out as.

    Attributes:
        figures: Rows of the table.
        tables: Details, name -> list of records.
    """

    figures: list[Figure] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {"figures": [figure.to_dict() for figure in self.figures], "tables": self.tables}


def spell(value: float | None, unit: str) -> str:
    """A value as printed: shares in per cent, the rest with three significant places."""
    if value is None or not math.isfinite(value):
        return "-"
    if unit == "%":
        return f"{100 * value:.1f} %"
    digits = 2 if abs(value) >= 1 else 3
    return f"{value:.{digits}f}{' ' + unit if unit else ''}"


def table_row(record: dict[str, Any]) -> str:
    """One Markdown row of a figure's record."""
    unit, goal = record["unit"], record["goal"]
    wanted, reached = "", ""
    if goal is not None:
        wanted = f"{'>=' if goal['at_least'] else '<='} {spell(goal['bound'], unit)}"
        reached = "yes" if record["reached"] else "NO"
    interval = f"{spell(record['low'], unit)} to {spell(record['high'], unit)}"
    value = spell(record["value"], unit)
    return f"| {record['name']} | {value} | {interval} | {record['n']:,} | {wanted} | {reached} |"


def table(records: Sequence[dict[str, Any]]) -> str:
    """Markdown table of figure records."""
    head = "| figure | value | 95 % interval | n | goal | reached |\n|---|---|---|---|---|---|"
    return "\n".join([head, *(table_row(record) for record in records)])
