"""What an answer may hold, enforced inside vLLM as ``facellm.generation.greedy_tokens`` does.

The first token is one of the intents; after it, values and words that no reading in the prompt
bears out are never written. A request carries both in ``vllm_xargs`` (``extra_args``)::

    {"facellm": {"first": [45, 46], "absent": [900, 901], "after": {"45": [77], "46": []}}}

``absent`` holds for the whole answer, ``after`` what else is absent after each first token.
"""
# pyright: reportMissingImports=false

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from vllm.v1.sample.logits_processor import AdapterLogitsProcessor

ARGUMENT = "facellm"


class Intents(AdapterLogitsProcessor):
    """See the module docstring; given to vLLM by ``--logits-processors``."""

    @classmethod
    def validate_params(cls, sampling_params: Any) -> None:
        """Refuse a request whose argument is not of the form above."""
        asked = (sampling_params.extra_args or {}).get(ARGUMENT)
        if asked is None:
            return
        try:
            first = {str(int(token)) for token in asked["first"]}
            complete = first and first == set(asked["after"])
        except (TypeError, KeyError, ValueError) as error:
            raise ValueError(f"{ARGUMENT}: not of the form it has to have: {error}") from error
        if not complete:
            raise ValueError(f"{ARGUMENT}: 'after' has to name every token of 'first'")

    def is_argmax_invariant(self) -> bool:
        """It changes what is likeliest."""
        return False

    def new_req_logits_processor(self, params: Any) -> Callable[[list[int], Tensor], Tensor] | None:
        """The bounds of one request; None where it asks for none."""
        asked = (params.extra_args or {}).get(ARGUMENT)
        return None if asked is None else OneAnswer(asked)


class OneAnswer:
    """Bounds of one answer.

    Args:
        asked: The request's argument.
    """

    def __init__(self, asked: dict[str, Any]) -> None:
        self._first = torch.tensor(asked["first"])
        self._absent = asked["absent"]
        self._after = asked["after"]
        self._banned: Tensor | None = None

    def __call__(self, written: list[int], logits: Tensor) -> Tensor:
        """Logits (V,) of the next token after ``written``, with -inf where none is allowed."""
        if not written:
            bounded = torch.full_like(logits, -torch.inf)
            first = self._first.to(logits.device)
            bounded[first] = logits[first]
            return bounded
        if self._banned is None:
            banned = [*self._absent, *self._after[str(written[0])]]
            self._banned = torch.tensor(banned, dtype=torch.int64, device=logits.device)
        logits[self._banned] = -torch.inf
        return logits
