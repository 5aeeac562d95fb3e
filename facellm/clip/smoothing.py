"""Expression shares smoothed over time, track by track: only on request, and marked.

A causal exponential filter: each sample weighs in with 1 - exp(-dt / seconds), so what was seen
``seconds`` ago counts about a third, gaps make it forget by themselves, and no future frame is
needed. What comes on suddenly therefore shows later than it was, by about ``seconds``.

Example: with 0.5 seconds at 2 samples a second a share that jumps from 0 to 1 is given as 0.63,
0.86, 0.95.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from facellm.labels import EXPRESSIONS
from facellm.results import ReadFace

FORGOTTEN = 20  # time constants after which a track's past weighs nothing


class Smoother:
    """Smooths the expression of every track it sees.

    Args:
        seconds: Time constant; 0 changes nothing.
        abstain_below: Confidence below which an expression is left open (``Calibration``).
    """

    def __init__(self, seconds: float, abstain_below: float) -> None:
        self.seconds, self.abstain_below = seconds, abstain_below
        self.held: dict[int, tuple[float, list[float]]] = {}  # track -> time and shares

    def smooth(self, found: ReadFace, time: float) -> ReadFace:
        """A read face with its shares, confidence and abstention smoothed; the rest as read.

        The measures an answer may cite belong to the frame's own expression: where the smoothed one
        is another, none is left.
        """
        if self.seconds <= 0:
            return found
        reading = found.reading
        shares = [reading.expression[name] for name in EXPRESSIONS]
        if found.id in self.held:
            before, old = self.held[found.id]
            kept = math.exp(-(time - before) / self.seconds)
            pairs = zip(old, shares, strict=True)
            shares = [kept * was + (1 - kept) * now for was, now in pairs]
        self.held = {n: h for n, h in self.held.items() if time - h[0] < FORGOTTEN * self.seconds}
        self.held[found.id] = (time, shares)
        expression = dict(zip(EXPRESSIONS, shares, strict=True))
        confidence = max(shares)
        same = EXPRESSIONS[shares.index(confidence)] == reading.top_expression
        smoothed = replace(
            reading,
            expression=expression,
            confidence=confidence,
            abstain=confidence < self.abstain_below,
            evidence=reading.evidence if same else (),
        )
        return replace(found, reading=smoothed)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``restore`` goes on exactly from here."""
        return {str(number): list(held) for number, held in self.held.items()}

    def restore(self, record: dict[str, Any]) -> None:
        """Inverse of ``to_dict``."""
        self.held = {int(n): (time, list(shares)) for n, (time, shares) in record.items()}
