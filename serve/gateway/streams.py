"""The stream of an answer: begun where everything that can be refused has been.

The first word is waited for before the response begins, so that a bad picture, a full queue or an
engine that is down has its own status. What goes wrong later is an event.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from time import perf_counter
from typing import TYPE_CHECKING, Any

from starlette.requests import Request

from .events import DONE, Events, event
from .failures import as_api_error, error_body
from .waiting import until_gone

if TYPE_CHECKING:
    from .chat import ChatRun

SLOW_READER = 5.0  # seconds after the deadline that a client may take to read what is there


async def answer_stream(run: ChatRun, request: Request, held: AsyncExitStack) -> Events:
    """Begin an answer and stream the rest of it.

    Args:
        run: Its answer may be there already, as JSON is.
        request: Of the client that reads.
        held: Given up when the stream ends.
    """
    if run.reply.total:
        words: Any = whole(run)
        first = run.reply.content
    else:
        words, first = await until_gone(request, begin(run, held))
    until = run.asked.until + SLOW_READER
    return Events(events(run, words, first), held.pop_all(), until, run.record)


async def begin(run: ChatRun, held: AsyncExitStack) -> tuple[Any, str | None]:
    """Wait for a turn and for the first word."""
    await held.enter_async_context(run.house.admission.slot())
    words = await run.words()
    held.push_async_callback(words.aclose)
    return words, await anext(words, None)


async def whole(run: ChatRun) -> AsyncIterator[str]:
    """An answer that is there has no further words."""
    return
    yield  # makes this an iterator


async def events(run: ChatRun, words: Any, text: str | None) -> AsyncIterator[str]:
    """Events of a stream whose first word is there."""
    reply, options = run.reply, run.asked.body.stream_options
    opening = reply.chunk({"role": "assistant", "content": ""})
    yield event(opening | {"facellm": reply.seen()})
    try:
        while text is not None:
            yield event(reply.chunk({"content": text}))
            async with asyncio.timeout_at(run.asked.until):
                text = await anext(words, None)
    except Exception as error:  # the status is out: what went wrong goes where words would
        failure = as_api_error(error)
        run.record.code = failure.code
        if failure.status == 500:
            run.record.trace = type(error).__name__
        yield event(error_body(failure))
        yield DONE
        return
    if not reply.total:
        reply.finished(perf_counter() - run.start)
    if reply.refusal is not None:
        yield event(reply.chunk({"refusal": reply.refusal}))
    yield event(reply.chunk({}, run.said.finish) | {"facellm": reply.told()})
    if options is not None and options.include_usage:
        yield event(reply.usage_chunk())
    yield DONE
