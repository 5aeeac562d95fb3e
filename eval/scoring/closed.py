"""Closed questions: log-probabilities of the options -> probabilities, and options in other orders.

An option's log-probability is the sum over its tokens: what the model gives to saying exactly
that. It favours short options, so the mean per token is offered too; with letters, one token each,
both are the same. The default of a task should be ``sum`` over letters, or over words of one
length; use ``mean`` where options differ in length, and say so.

Example: ``option_probabilities([[-0.1], [-2.4]])`` -> ``[0.909, 0.091]``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError

from .outcome import Parsed

Floats = NDArray[np.float64]
Length = Literal["sum", "mean"]


def option_scores(logprobs: Sequence[Sequence[float]], length: Length = "sum") -> Floats:
    """One score per option, in nats.

    Args:
        logprobs: Per option the log-probabilities of its tokens given all before; -inf is legal.
        length: ``sum`` over tokens, or their ``mean``.

    Returns:
        (K,).

    Raises:
        FaceLLMError: If there are fewer than two options, one has no token, or a value is NaN or
            above 0.
    """
    if len(logprobs) < 2:
        raise FaceLLMError(f"a closed question needs at least 2 options, got {len(logprobs)}")
    if length not in ("sum", "mean"):
        raise FaceLLMError(f"length must be 'sum' or 'mean', got {length!r}")
    scores = []
    for number, tokens in enumerate(logprobs):
        values = np.asarray(tokens, np.float64)
        if not values.size:
            raise FaceLLMError(f"option {number} has no token log-probability")
        if np.isnan(values).any() or (values > 1e-6).any():
            raise FaceLLMError(f"option {number}: log-probabilities must be <= 0, got {values}")
        scores.append(values.sum() if length == "sum" else values.mean())
    return np.array(scores)


def option_probabilities(logprobs: Sequence[Sequence[float]], length: Length = "sum") -> Floats:
    """Probabilities of the options, given that one of them is said: the softmax of their scores.

    Args:
        logprobs: As in ``option_scores``.
        length: As in ``option_scores``.

    Returns:
        (K,), sums to 1.

    Raises:
        FaceLLMError: As ``option_scores``, and if every option has probability 0.
    """
    scores = option_scores(logprobs, length)
    top = scores.max()
    if math.isinf(top):
        raise FaceLLMError("every option has log-probability -inf: none of them can be said")
    shares = np.exp(scores - top)
    return shares / shares.sum()


def choice_of(probabilities: Floats, labels: Sequence[str]) -> Parsed:
    """The likeliest option; ``several`` where two share the top exactly.

    Args:
        probabilities: (K,).
        labels: K names.

    Raises:
        FaceLLMError: If their numbers differ.
    """
    if len(probabilities) != len(labels):
        raise FaceLLMError(f"{len(probabilities)} probabilities for {len(labels)} labels")
    top = np.flatnonzero(probabilities == np.max(probabilities))
    kind = "label" if len(top) == 1 else "several"
    return Parsed(kind, tuple(labels[int(index)] for index in top))


def rotations(count: int) -> list[tuple[int, ...]]:
    """All rotations of the options; ``order[place]`` is the option shown at a place.

    Raises:
        FaceLLMError: If there are fewer than two options.

    Source: MMBench, arXiv 2307.06281, section 4.2 (CircularEval).
    """
    if count < 2:
        raise FaceLLMError(f"a closed question needs at least 2 options, got {count}")
    return [tuple((shift + place) % count for place in range(count)) for shift in range(count)]


def unrotated(probabilities: Sequence[Floats], orders: Sequence[Sequence[int]]) -> Floats:
    """Mean probability of every option over orders, so that no place is favoured.

    Args:
        probabilities: Per order (K,), by place.
        orders: Per order: the option shown at each place.

    Returns:
        (K,) by option.

    Raises:
        FaceLLMError: If their numbers differ or an order is no permutation.
    """
    if len(probabilities) != len(orders) or not orders:
        raise FaceLLMError(f"{len(probabilities)} answers for {len(orders)} orders of the options")
    total = np.zeros(len(orders[0]))
    for shares, order in zip(probabilities, orders, strict=True):
        _check_order(order, len(total))
        if len(shares) != len(order):
            raise FaceLLMError(f"{len(shares)} probabilities for {len(order)} options")
        total[list(order)] += np.asarray(shares, np.float64)
    return total / len(orders)


def circular_pick(places: Sequence[int | None], orders: Sequence[Sequence[int]]) -> int | None:
    """The option chosen in every order; None where the choices differ or one is missing.

    Args:
        places: Per order the place chosen, None where the answer was not understood.
        orders: Per order: the option shown at each place.

    Raises:
        FaceLLMError: If their numbers differ, an order is no permutation, or a place lies outside.
    """
    if len(places) != len(orders) or not orders:
        raise FaceLLMError(f"{len(places)} answers for {len(orders)} orders of the options")
    picks = set()
    for place, order in zip(places, orders, strict=True):
        _check_order(order, len(orders[0]))
        if place is not None and not 0 <= place < len(order):
            raise FaceLLMError(f"place {place} is outside of 0 to {len(order) - 1}")
        picks.add(None if place is None else order[place])
    return picks.pop() if len(picks) == 1 else None


def _check_order(order: Sequence[int], count: int) -> None:
    if sorted(order) != list(range(count)):
        raise FaceLLMError(f"an order of {count} options must hold 0 to {count - 1}, got {order}")
