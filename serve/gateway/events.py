"""Server-sent events of a streamed answer.

Example: ``data: {"object": "chat.completion.chunk", ...}`` and at the end ``data: [DONE]``.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from .request_log import RequestRecord

DONE = "data: [DONE]\n\n"


def event(record: dict[str, Any]) -> str:
    """One event."""
    return f"data: {json.dumps(record, ensure_ascii=False)}\n\n"


class Events(StreamingResponse):
    """A stream that frees what it holds however it ends, also before its first event.

    Args:
        events: Text of the events; the last one is ``DONE``.
        held: Closed after the last one, or when the client is gone.
        until: When a client that does not read is left, on the loop's clock.
        record: Is told of a client that went away.
    """

    def __init__(
        self, events: AsyncIterator[str], held: AsyncExitStack, until: float, record: RequestRecord
    ) -> None:
        headers = {"cache-control": "no-cache", "x-accel-buffering": "no"}
        super().__init__(self._told(events), media_type="text/event-stream", headers=headers)
        self.events, self.held, self.until, self.record = events, held, until, record

    async def _told(self, events: AsyncIterator[str]) -> AsyncIterator[str]:
        self.record.gone = True  # until the last event is out
        async for text in events:
            if text == DONE:
                self.record.gone = False
            yield text

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the events."""
        try:
            async with asyncio.timeout_at(self.until):
                await super().__call__(scope, receive, send)
        finally:
            await self.held.aclose()
