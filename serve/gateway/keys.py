"""API keys, compared in constant time, and how often each may ask.

Example: ``Keys(("a", "b")).who({"authorization": "Bearer b"}, "10.0.0.7")`` -> ``"key 2"``
"""

from __future__ import annotations

import hashlib
import hmac
import math
import time
from collections.abc import Mapping, Sequence

from limits import parse
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from facellm.errors import FaceLLMError

from .failures import ApiError

LEAST_KEY = 8  # characters


class Keys:
    """Keys that open.

    Args:
        keys: Any number; none opens to everybody.

    Raises:
        FaceLLMError: If one is shorter than 8 characters.
    """

    def __init__(self, keys: Sequence[str]) -> None:
        for number, key in enumerate(keys, start=1):
            if len(key) < LEAST_KEY:
                raise FaceLLMError(f"API key {number}: has {len(key)} characters, at least 8")
        self._digests = [hashlib.sha256(key.encode()).digest() for key in keys]

    def who(self, headers: Mapping[str, str], address: str) -> str:
        """Who asks: the number of their key, or their address where no key is needed.

        Raises:
            ApiError: 401 without a right key.
        """
        if not self._digests:
            return address
        kind, _, given = headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode()).digest()
        # Every key is compared, so that time does not tell which one came near.
        same = [hmac.compare_digest(digest, known) for known in self._digests]
        if kind.lower() != "bearer" or not any(same):
            message = "a right API key is needed, as `Authorization: Bearer KEY`"
            raise ApiError(401, "invalid_api_key", message)
        return f"key {same.index(True) + 1}"


class Rates:
    """Requests over time, per asker.

    Args:
        rate: As ``600/minute``; empty is no bound.

    Raises:
        FaceLLMError: If it is not such a rate.
    """

    def __init__(self, rate: str) -> None:
        try:
            self._rate = parse(rate) if rate else None
        except ValueError as error:
            raise FaceLLMError(f"rate {rate!r}: is none, such as 600/minute") from error
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def check(self, who: str) -> None:
        """Count a request; ``ApiError`` 429 where there were too many."""
        if self._rate is None or self._limiter.hit(self._rate, who):
            return
        until = self._limiter.get_window_stats(self._rate, who).reset_time
        wait = max(1, math.ceil(until - time.time()))
        message = f"more than {self._rate} requests; try again in {wait} s"
        raise ApiError(429, "rate_limit_exceeded", message, retry_after=wait)
