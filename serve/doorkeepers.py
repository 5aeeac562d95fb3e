"""The guard and the policy that the gateway runs with.

Example: ``new_policy("personal").emotions_allowed("hiring")`` -> False
"""

from __future__ import annotations

from .guard import PictureGuard
from .policy import NOTICE, Policy, emotions_allowed

__all__ = ["NOTICE", "ServedPolicy", "new_guard", "new_policy"]


class ServedPolicy(Policy):
    """The policy, which also says what may leave the gateway."""

    def emotions_allowed(self, context: str) -> bool:
        """Whether expressions may be told in a context of use."""
        return emotions_allowed(context)


def new_guard() -> PictureGuard:
    """Decodes what strangers send."""
    return PictureGuard()


def new_policy(use_context: str, *, academic: bool = False) -> ServedPolicy:
    """Knows what is answered.

    Args:
        use_context: The server's.
        academic: Academic emotions may be told where the context allows them.

    Raises:
        FaceLLMError: If the context is unknown, or does not go with academic emotion.
    """
    return ServedPolicy(use_context, academic)
