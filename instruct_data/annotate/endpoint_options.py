"""How an endpoint is asked, and what asking it came to: options of a config, and counts.

Example: ``EndpointOptions(url="http://localhost:8000/v1", model="m", prompt_price=0.15)``.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from .checks import check_number, check_text


@dataclass(frozen=True, kw_only=True)
class EndpointOptions:
    """How an endpoint is asked.

    Attributes:
        url: Base address, as ``http://localhost:8000/v1``.
        model: Name the endpoint knows it by.
        key_variable: Environment variable that holds the API key.
        cache: File that keeps answers; None keeps none.
        threads: Requests under way at once.
        timeout: Seconds without an answer after which a request is tried again.
        retries: Times a request is sent again after a transport error, 429 or 5xx.
        attempts: Times an answer is asked for until it is usable JSON.
        temperature: Of sampling, 0 to 2.
        most_tokens: Tokens of an answer at most.
        json_mode: Ask for ``response_format: json_object``; not every endpoint knows it.
        prompt_price: Of a million prompt tokens, in any currency.
        completion_price: Of a million tokens of answers, in the same.
    """

    url: str
    model: str
    key_variable: str = "FACELLM_ANNOTATOR_KEY"
    cache: str | None = None
    threads: int = 8
    timeout: float = 120.0
    retries: int = 6
    attempts: int = 3
    temperature: float = 0.0
    most_tokens: int = 1200
    json_mode: bool = True
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self) -> None:
        check_text("url", self.url)
        check_text("model", self.model)
        for name in ("threads", "attempts", "most_tokens"):
            check_number(name, getattr(self, name), 1)
        for name in ("timeout", "retries", "prompt_price", "completion_price"):
            check_number(name, getattr(self, name), 0)
        check_number("temperature", self.temperature, 0, 2)

    def cost(self, counted: Mapping[str, float]) -> float | None:
        """Price of counted tokens in the currency of the options; None where no price is given."""
        if not (self.prompt_price or self.completion_price):
            return None
        asked, answered = (counted.get(f"{who}_tokens", 0) for who in ("prompt", "completion"))
        return (asked * self.prompt_price + answered * self.completion_price) / 1e6


@dataclass
class Usage:
    """What an endpoint was asked and what it cost; safe to count from several threads.

    Attributes:
        requests: Sent and answered.
        cached: Answered from the cache, at no cost.
        retried: Sent again after a transport error, 429 or 5xx.
        unusable: Answers that were no JSON, or not what was asked for.
        prompt_tokens: Of requests that were sent.
        completion_tokens: Of their answers.
        tell: Called with every count as it is made, or nobody.
    """

    requests: int = 0
    cached: int = 0
    retried: int = 0
    unusable: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    tell: Callable[[dict[str, int]], None] | None = field(default=None, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    def count(self, **more: int) -> None:
        """Add to the fields named."""
        with self._lock:
            for name, number in more.items():
                setattr(self, name, getattr(self, name) + number)
            if self.tell is not None:
                self.tell(more)

    def cost(self, options: EndpointOptions) -> float:
        """Price of the tokens, in the currency of the options."""
        return options.cost(self.to_dict()) or 0.0

    def to_dict(self) -> dict[str, int]:
        """Counts, JSON-ready."""
        return {name: value for name, value in vars(self).items() if isinstance(value, int)}
