"""Work for a client that may go away meanwhile.

Example: ``await until_gone(request, work())`` raises ``ClientDisconnect`` and cancels the work.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from starlette.requests import ClientDisconnect, Request

Value = TypeVar("Value")


async def until_gone(request: Request, work: Coroutine[Any, Any, Value]) -> Value:
    """The result of some work, unless the client goes first; the work is cancelled then.

    Args:
        request: Its body has been received.
        work: Is closed whatever happens.
    """
    task = asyncio.ensure_future(work)
    watch = asyncio.ensure_future(disconnected(request))
    try:
        await asyncio.wait({task, watch}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientDisconnect
        return task.result()
    finally:
        for one in (task, watch):
            one.cancel()
            with suppress(asyncio.CancelledError, Exception):  # told above, or of no use any more
                await one


async def disconnected(request: Request) -> None:
    """Return when the client is gone."""
    while (await request.receive())["type"] != "http.disconnect":
        pass
