"""What the gateway asks of whatever runs the model: log-probabilities of readouts, and words.

Two engines fulfil it: the local one (the process's own model) and vLLM behind a unix socket. The
gateway detects faces, cuts crops, takes readings and builds conversations; an engine never sees a
whole picture.

Example::

    tables = await engine.logprobs(parts)                     # every face's readouts, one prefill
    async for piece in engine.reply(turns, Bounds(longest=256)):
        send(piece.text)

Legend: N faces, Q queries.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from facellm.conversation import FacePart, Turn
from facellm.errors import FaceLLMError


class EngineDown(FaceLLMError):
    """The engine is not there, or died while it worked; the gateway answers 503."""


@dataclass(frozen=True)
class Bounds:
    """How an answer is written.

    Attributes:
        longest: Most tokens, 1 and more; an answer that reaches it ends for the reason ``length``.
        temperature: 0 is greedy, at most 2.
        top_p: Share of probability that is sampled from, in (0, 1].
        seed: Of sampling; None takes any.
        intent: What the answer is about (``facellm.labels.INTENTS``); None lets the model choose.
    """

    longest: int = 256
    temperature: float = 0.0
    top_p: float = 1.0
    seed: int | None = None
    intent: str | None = None


@dataclass(frozen=True)
class Piece:
    """Words of an answer as they become certain.

    Attributes:
        text: Rendered words; empty where only tokens are new.
        token_ids: Ids behind it; the answer's first one is its intent.
        finish: ``stop`` or ``length`` in the last piece, else None.
        prompt_tokens: Length of the prompt, in the last piece.
    """

    text: str
    token_ids: tuple[int, ...] = ()
    finish: str | None = None
    prompt_tokens: int | None = None


class ServingEngine(Protocol):
    """Runs the model for the gateway.

    Attributes:
        name: ``local`` or ``vllm``.
        detail: What exactly, with versions, for ``/v1/models`` and logs.
    """

    name: str
    detail: str

    async def start(self) -> None:
        """Load; returns when the first request can be taken.

        Raises:
            FaceLLMError: If it cannot, with what to do.
        """
        ...

    async def close(self) -> None:
        """Stop and free everything; may be called twice."""
        ...

    async def logprobs(self, faces: Sequence[FacePart]) -> list[NDArray[np.float32]]:
        """Log-probabilities of each query's labels, as ``facellm.engine.ReadingEngine``.

        Args:
            faces: N parts with crop and landmarks (NaN where missing).

        Returns:
            Q arrays (N, n_labels), in the order of ``facellm.labels.QUERIES``.

        Raises:
            EngineDown: See there.
        """
        ...

    def reply(self, turns: Sequence[Turn], bounds: Bounds) -> AsyncIterator[Piece]:
        """Words of the answer to a conversation that ends with the user's turn.

        The first token is chosen among the intents, and values that no reading in the conversation
        holds are never written (``processor.absent_ids``), as in ``FaceAssistant.reply``. Closing
        the iterator cancels generation.

        Raises:
            EngineDown: See there; also in the middle of an answer.
        """
        ...

    def check(self) -> None:
        """Return where nothing is known to be wrong; asks for no token and takes no time.

        Raises:
            EngineDown: With the reason where it is known to be down.
        """
        ...

    async def alive(self) -> None:
        """Write one token of a fixed prompt.

        Raises:
            EngineDown: If it does not come.
        """
        ...
