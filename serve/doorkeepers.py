"""The guard and the policy that the gateway runs with.

Example: ``policy = new_policy("personal", academic=False)``
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .plain_guard import PlainGuard
from .ports import Guard, Policy


def new_guard() -> Guard:
    """Decodes what strangers send."""
    return PlainGuard()


def new_policy(use_context: str, *, academic: bool = False) -> Policy:
    """Knows what is answered.

    Args:
        use_context: The server's.
        academic: Academic emotions may be told where the context allows them.
    """
    return OpenPolicy(use_context)


class OpenPolicy:
    """Refuses nothing beyond what the model itself declines."""

    def __init__(self, use_context: str) -> None:
        self.use_context = use_context

    def check_context(self, requested: str | None) -> str:
        """Whatever is asked for."""
        return requested or self.use_context

    def check_question(self, texts: Sequence[str], context: str) -> None:
        """Nothing against any."""

    def before(self, texts: Sequence[str]) -> Any:
        """Nothing against it."""
        return None

    def after(self, text: str) -> Any:
        """Nothing against it."""
        return None

    def emotions_allowed(self, context: str) -> bool:
        """Always."""
        return True
