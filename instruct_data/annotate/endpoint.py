"""Asking an OpenAI-compatible endpoint for JSON: retries, counts, a cache, many at once.

Transport errors, 429 and 5xx are retried by the ``openai`` package, which waits exponentially
longer with jitter and honours ``Retry-After``. An answer that is no JSON, or not the JSON asked
for, is asked for again with the complaint. Only answers that pass the check are cached.

Example::

    endpoint = Endpoint(EndpointOptions(url="http://localhost:8000/v1", model="qwen2.5-vl-7b"))
    endpoint.ask([{"role": "user", "content": "..."}], check)   # check: dict -> value, or BadReply

Network: only to the address given, only when asked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, TypeVar

from facellm.errors import FaceLLMError
from facellm.response_cache import Reply, ResponseCache, request_key

from .endpoint_options import EndpointOptions, Usage

T = TypeVar("T")
A = TypeVar("A")
Check = Callable[[dict[str, Any]], T]
# The endpoint says no to this request, not to all of them.
REFUSED = (400, 413, 415, 422)


class BadReply(ValueError):
    """An answer that cannot be used; the message says why."""


class Unanswered(Exception):
    """No usable answer to one request; ``reason`` in short fixed words, ``detail`` exactly."""

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason, self.detail = reason, detail


class Endpoint:
    """See the module docstring."""

    def __init__(self, options: EndpointOptions) -> None:
        self.options, self.usage = options, Usage()

    @cached_property
    def cache(self) -> ResponseCache:
        """Opened when it is first needed."""
        return ResponseCache(None if self.options.cache is None else Path(self.options.cache))

    @cached_property
    def client(self) -> Any:
        """The ``openai`` client; ``FaceLLMError`` where the package is missing."""
        try:
            import openai
        except ImportError as error:
            raise FaceLLMError(
                "an endpoint needs a package: pip install 'facellm[reasoner]'"
            ) from error
        return openai.OpenAI(
            base_url=self.options.url,
            api_key=os.environ.get(self.options.key_variable) or "none",
            timeout=self.options.timeout,
            max_retries=self.options.retries,
        )

    def ask(self, messages: list[dict[str, Any]], check: Check[T]) -> T:
        """The checked answer to one request.

        Args:
            messages: As the chat API takes them.
            check: Turns the answer's JSON object into a value; raises ``BadReply``.

        Raises:
            Unanswered: If no answer was usable, or the endpoint refuses this request.
            FaceLLMError: If the endpoint cannot be reached, or refuses every request.
        """
        request = self._request(messages)
        key = request_key(self.options.url, request)
        held = self.cache.get(key)
        if held is not None:
            try:
                value = check(parsed(held.text))
            except BadReply:  # kept under an older, laxer check
                pass
            else:
                self.usage.count(cached=1)
                return value
        return self._ask_until_usable(request, key, check)

    def ask_all(self, items: Iterable[A], ask: Callable[[A], T]) -> Iterator[T | Unanswered]:
        """``ask`` of every item, many at once, results in order; ``Unanswered`` is a result."""

        def guarded(item: A) -> T | Unanswered:
            try:
                return ask(item)
            except Unanswered as problem:
                return problem

        _ = self.cache  # opened once, before the threads ask for it
        pool = ThreadPoolExecutor(self.options.threads)
        try:
            yield from pool.map(guarded, items)
        finally:
            pool.shutdown(cancel_futures=True)

    def _request(self, messages: list[dict[str, Any]]) -> dict[str, Any]:
        options = self.options
        request: dict[str, Any] = {
            "model": options.model,
            "messages": messages,
            "temperature": options.temperature,
            "max_tokens": options.most_tokens,
        }
        return request | ({"response_format": {"type": "json_object"}} if options.json_mode else {})

    def _ask_until_usable(self, request: dict[str, Any], key: str, check: Check[T]) -> T:
        sent, problem = request, ""
        for _ in range(self.options.attempts):
            reply = self._send(sent)
            try:
                value = check(parsed(reply.text))
            except BadReply as error:
                problem = str(error)
                self.usage.count(unusable=1)
                complaint = f"Your answer could not be used: {problem}. Reply with the JSON only."
                said = [
                    {"role": "assistant", "content": reply.text or "(nothing)"},
                    {"role": "user", "content": complaint},
                ]
                sent = request | {"messages": [*request["messages"], *said]}
            else:
                self.cache.put(key, reply)
                return value
        raise Unanswered("unusable answer", f"{problem}, {self.options.attempts} times")

    def _send(self, request: dict[str, Any]) -> Reply:
        import openai

        url = self.options.url
        create = self.client.chat.completions.with_raw_response.create
        try:
            raw = create(**request)
            completion = raw.parse()
            text = completion.choices[0].message.content or ""
        except openai.APIStatusError as error:
            if error.status_code in REFUSED:
                raise Unanswered("refused by the endpoint", error.message) from error
            raise FaceLLMError(f"{url}: {error.status_code}: {error.message}") from error
        except openai.OpenAIError as error:
            raise FaceLLMError(
                f"{url}: cannot be reached, tried {1 + self.options.retries} times ({error})"
            ) from error
        except (AttributeError, IndexError, TypeError, ValueError) as error:
            raise FaceLLMError(f"{url}: does not answer like a chat endpoint ({error})") from error
        usage = completion.usage
        tokens = (usage.prompt_tokens, usage.completion_tokens) if usage else (0, 0)
        self.usage.count(
            requests=1,
            retried=raw.retries_taken,
            prompt_tokens=tokens[0],
            completion_tokens=tokens[1],
        )
        return Reply(text, *tokens)


@dataclass(frozen=True, kw_only=True)
class Asking(EndpointOptions):
    """What an annotator and a rater behind an endpoint share; a ``corpus.spending.Spender``."""

    name: ClassVar[str]

    @cached_property
    def endpoint(self) -> Endpoint:
        """Asks, caches and counts; ``endpoint.usage`` says what it came to."""
        return Endpoint(self)

    @property
    def account(self) -> str:
        """What its counts stand under: ``openai: model``."""
        return f"{self.name}: {self.model}"

    def on_spending(self, note: Callable[[Mapping[str, float]], None] | None) -> None:
        """Call ``note`` with the numbers of every answer, and their cost where prices are given."""

        def priced(counted: dict[str, int]) -> None:
            assert note is not None
            cost = self.cost(counted)
            note(counted if cost is None else {**counted, "cost": cost})

        self.endpoint.usage.tell = None if note is None else priced


def parsed(text: str) -> dict[str, Any]:
    """The JSON object of an answer, fenced or not.

    Raises:
        BadReply: If there is none.
    """
    start, end = text.find("{"), text.rfind("}")
    try:
        found = json.loads(text[start : end + 1] if 0 <= start < end else text)
    except ValueError as error:
        raise BadReply(f"no JSON ({error})") from error
    if not isinstance(found, dict):
        raise BadReply("JSON, but no object")
    return found
