"""What the served product answers and what it refuses: data in ``rules/``, and code to read it."""

from __future__ import annotations

from .policy import (
    ACADEMIC,
    ALLOWED,
    PROHIBITING,
    Policy,
    Refusal,
    Refused,
    emotions_allowed,
    known_context,
)
from .texts import NOTICE, REFUSALS

__all__ = [
    "ACADEMIC",
    "ALLOWED",
    "NOTICE",
    "PROHIBITING",
    "REFUSALS",
    "Policy",
    "Refusal",
    "Refused",
    "emotions_allowed",
    "known_context",
]
