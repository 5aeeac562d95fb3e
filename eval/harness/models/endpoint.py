"""Any OpenAI-compatible endpoint, asked many questions at once: ``http://host:8000/v1#NAME``.

Timeouts, 429 and 5xx are tried again by the ``openai`` package with growing waits; what still fails
is an answer with a failure, so one bad picture does not end a run. An address nobody listens at, a
wrong key or an unknown model ends it at the first question.

Options are scored where the endpoint gives ``logprobs``: the model is asked with letters, one
token, twenty likeliest; the letters' probabilities among them are the options'. An endpoint that
gives none is asked for the letter itself; ``ways`` says which after one probing question.
"""

from __future__ import annotations

import asyncio
import math
import os
import queue
import threading
from collections.abc import Coroutine, Iterator, Sequence
from typing import Any

from facellm.errors import FaceLLMError
from facellm.response_cache import request_key

from ..asking import ASKING_VERSION, LETTERS, Request, prompt_of
from ..sample import (
    FREE,
    LETTER,
    NO_LOGPROBS,
    OPTIONS,
    REJECTED,
    TIMEOUT,
    TOO_LONG,
    UNREACHABLE,
    UNREADABLE,
    Answer,
)
from .function import normalised
from .options import ModelOptions
from .pictures import sent_pictures

LIKELIEST = 20  # tokens whose log-probability is asked for: the API's bound
MISSING_LOGPROB = -20.0  # of an option that is not among them
FATAL = (401, 403, 404)  # wrong key, no right, no such model: every request would fail
_DONE = object()


class EndpointModel:
    """See the module docstring.

    Args:
        url: Base address.
        model: Name the endpoint knows it by.
        options: How it is asked.
    """

    def __init__(self, url: str, model: str, options: ModelOptions) -> None:
        self.url, self.model, self.options = url, model, options
        self.name = f"{model} at {url}"
        self.deterministic = options.temperature == 0
        self.training_data: dict[str, list[str]] | None = None
        told = {"model": model, "temperature": options.temperature, "crops": options.crops}
        told |= {"most_tokens": options.most_tokens, "asking": ASKING_VERSION}
        self.digest = request_key(url, told)
        self._ways: tuple[str, ...] | None = None

    @classmethod
    def of(cls, name: str, options: ModelOptions) -> EndpointModel:
        """From ``URL#NAME``; ``FaceLLMError`` without a name."""
        url, _, model = name.partition("#")
        if not model:
            raise FaceLLMError(f"model {name!r}: say which one, as {url}#NAME")
        return cls(url.rstrip("/"), model, options)

    @property
    def ways(self) -> tuple[str, ...]:
        """Ways it can be asked; the first look asks whether it gives log-probabilities."""
        if self._ways is None:
            gives = asyncio.run(self._gives_logprobs())
            self._ways = (OPTIONS, LETTER, FREE) if gives else (LETTER, FREE)
        return self._ways

    def answers(self, requests: Sequence[Request]) -> Iterator[tuple[int, Answer]]:
        """See ``Model``; in the order the endpoint answers."""
        arrived: queue.SimpleQueue[Any] = queue.SimpleQueue()
        stop = threading.Event()

        def work() -> None:
            try:
                asyncio.run(self._ask_all(requests, arrived, stop))
            except BaseExceptionGroup as group:
                arrived.put(first_of(group))
            except BaseException as error:  # raised again by who waits
                arrived.put(error)
            arrived.put(_DONE)

        thread = threading.Thread(target=work, daemon=True)
        thread.start()
        try:
            while (item := arrived.get()) is not _DONE:
                if isinstance(item, BaseException):
                    raise item
                yield item
        finally:
            stop.set()

    async def _ask_all(
        self, requests: Sequence[Request], arrived: Any, stop: threading.Event
    ) -> None:
        """Keep ``concurrency`` requests under way; pictures are opened only for those."""
        waiting = iter(enumerate(requests))

        async def worker(client: Any) -> None:
            for place, request in waiting:
                if stop.is_set():
                    return
                arrived.put((place, await self._ask(client, request)))

        async with self._client() as client:
            count = min(self.options.concurrency, len(requests))
            await gathered([worker(client) for _ in range(count)])

    def _client(self) -> Any:
        try:
            import openai
        except ImportError as error:
            raise FaceLLMError(
                "an endpoint needs a package: pip install 'facellm[reasoner]'"
            ) from error
        return openai.AsyncOpenAI(
            base_url=self.url,
            api_key=os.environ.get(self.options.key_variable) or "none",
            timeout=self.options.timeout,
            max_retries=self.options.retries,
        )

    async def _ask(self, client: Any, request: Request) -> Answer:
        by_options = request.way == OPTIONS
        try:
            uris = await asyncio.to_thread(sent_pictures, request, crops=self.options.crops)
        except FaceLLMError as error:
            return Answer(request.way, failure=UNREADABLE, detail=str(error))
        text = prompt_of(request.sample, LETTER) if by_options else request.prompt
        images = [{"type": "image_url", "image_url": {"url": uri}} for uri in uris]
        message = {"role": "user", "content": [*images, {"type": "text", "text": text}]}
        extra: dict[str, Any] = {"max_tokens": self.options.most_tokens}
        if by_options:
            extra = {"max_tokens": 1, "logprobs": True, "top_logprobs": LIKELIEST}
        choice, failure = await self._send(client, message, extra)
        if choice is None:
            return Answer(request.way, failure=failure[0], detail=failure[1])
        if by_options:
            return option_answer(choice, len(request.sample.options))
        cut = TOO_LONG if choice.finish_reason == "length" else ""
        return Answer(request.way, choice.message.content or "", detail=cut)

    async def _send(
        self, client: Any, message: dict[str, Any], extra: dict[str, Any]
    ) -> tuple[Any, tuple[str, str]]:
        """The first choice, or None and (failure, detail).

        Raises:
            FaceLLMError: If every request would fail.
        """
        import openai

        try:
            found = await client.chat.completions.create(
                model=self.model,
                messages=[message],
                temperature=self.options.temperature,
                **extra,
            )
            return found.choices[0], ("", "")
        except openai.APITimeoutError as error:
            return None, (TIMEOUT, f"{self.options.timeout:g} s, {error}")
        except openai.APIStatusError as error:
            if error.status_code in FATAL:
                raise FaceLLMError(f"{self.url}: {error.status_code}: {error.message}") from error
            kind = UNREACHABLE if error.status_code in (429, *range(500, 600)) else REJECTED
            return None, (kind, f"{error.status_code}: {error.message}")
        except openai.APIConnectionError as error:
            return None, (UNREACHABLE, str(error))
        except (openai.OpenAIError, AttributeError, IndexError, TypeError, ValueError) as error:
            return None, (REJECTED, f"not the answer of a chat endpoint ({error})")

    async def _gives_logprobs(self) -> bool:
        """Ask once, without a picture, whether log-probabilities come back.

        Raises:
            FaceLLMError: If nobody answers at all.
        """
        async with self._client() as client:
            message = {"role": "user", "content": "Answer with the letter A."}
            extra = {"max_tokens": 1, "logprobs": True, "top_logprobs": LIKELIEST}
            choice, failure = await self._send(client, message, extra)
        if choice is None and failure[0] in (UNREACHABLE, TIMEOUT):
            raise FaceLLMError(f"{self.url}: cannot be reached ({failure[1]})")
        return choice is not None and bool(likeliest(choice))


async def gathered(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run jobs side by side; the first error ends the others."""
    async with asyncio.TaskGroup() as group:
        for job in jobs:
            group.create_task(job)


def first_of(error: BaseException) -> BaseException:
    """The first error of a group of groups."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def likeliest(choice: Any) -> list[tuple[str, float]]:
    """(token, log-probability) of the first token's likeliest; empty where none are given."""
    content = getattr(getattr(choice, "logprobs", None), "content", None) or []
    return [(top.token, top.logprob) for top in content[0].top_logprobs] if content else []


def option_answer(choice: Any, count: int) -> Answer:
    """Log-probability of each option from those of its letter, in every spelling of it."""
    tokens = likeliest(choice)
    if not tokens:
        return Answer(OPTIONS, failure=NO_LOGPROBS, detail="no log-probabilities came back")
    found = [0.0] * count
    for token, logprob in tokens:
        letter = token.strip().strip("().:").upper()
        if len(letter) == 1 and letter in LETTERS[:count]:
            found[LETTERS.index(letter)] += math.exp(logprob)
    if not any(found):
        said = ", ".join(repr(token) for token, _ in tokens[:3])
        return Answer(OPTIONS, failure=NO_LOGPROBS, detail=f"no letter among the likeliest: {said}")
    floor = math.exp(MISSING_LOGPROB)
    return Answer(OPTIONS, logprobs=normalised([math.log(max(p, floor)) for p in found]))
