"""Checks of what a config hands to an annotator or a filter.

Example: ``check_number("limits", 1.5, 0, 1)`` -> ``FaceLLMError: limits: 1.5 is not in 0..1``.
"""

from __future__ import annotations

import math

from facellm.errors import FaceLLMError


def check_number(name: str, value: object, low: float, high: float = math.inf) -> None:
    """Refuse what is no number or lies outside of its bounds.

    Raises:
        FaceLLMError: Naming the option, the value and the bounds.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise FaceLLMError(f"{name}: {value!r} is not a number")
    if not low <= value <= high:
        bounds = f"under {low}" if high == math.inf else f"not in {low}..{high}"
        raise FaceLLMError(f"{name}: {value} is {bounds}")


def check_text(name: str, value: object) -> None:
    """Refuse what is no text or empty; ``FaceLLMError`` names the option."""
    if not isinstance(value, str) or not value.strip():
        raise FaceLLMError(f"{name}: {value!r} is not a text")
