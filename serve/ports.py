"""What the gateway asks of the picture guard and of the policy, so that each can be tested alone.

``guard`` decodes what strangers send, in processes with limits; ``policy`` knows which questions
are not answered. Both raise ``FaceLLMError`` with ``status`` (HTTP) and ``code`` (a word).

Example: ``pixels = await guard.picture(data)``; ``policy.before(["Who is she?"]).text``
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray


class ClipFrames(Protocol):
    """Frames of a clip.

    Attributes:
        frames: (H, W, 3) uint8 RGB each, upright.
        times: Seconds from the first frame, one each.
    """

    @property
    def frames(self) -> Sequence[NDArray[np.uint8]] | NDArray[np.uint8]: ...  # noqa: D102

    @property
    def times(self) -> tuple[float, ...]: ...  # noqa: D102


class Guard(Protocol):
    """Decodes pictures and clips of strangers."""

    async def start(self) -> None:
        """Start its processes."""
        ...

    async def close(self) -> None:
        """End them."""
        ...

    async def picture(self, data: bytes) -> NDArray[np.uint8]:
        """Encoded picture -> (H, W, 3) uint8 RGB, upright; status 400, 413, 415 or 504."""
        ...

    async def clip(self, data: bytes) -> ClipFrames:
        """Encoded clip -> a bounded number of its frames; raises as ``picture``."""
        ...


class Refusal(Protocol):
    """A polite answer that stands in for another.

    Attributes:
        text: Fixed.
        kind: ``identity``, ``origin`` ...: a word for metrics.
    """

    @property
    def text(self) -> str: ...  # noqa: D102

    @property
    def kind(self) -> str: ...  # noqa: D102


class Policy(Protocol):
    """What is answered, in which context of use."""

    def check_context(self, requested: str | None) -> str:
        """The context a request is answered in; raises with status 403 where it may not be."""
        ...

    def check_question(self, texts: Sequence[str], context: str) -> None:
        """Raises with status 403 for questions after emotions where they may not be told."""
        ...

    def before(self, texts: Sequence[str]) -> Refusal | None:
        """Refusal of what is asked, None where it may be answered."""
        ...

    def after(self, text: str) -> Refusal | None:
        """Refusal of what was written, None where it may be said."""
        ...

    def emotions_allowed(self, context: str) -> bool:
        """Whether expressions may be told in a context."""
        ...
