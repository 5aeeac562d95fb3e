"""Who is let in: a bounded number of requests works, a bounded number waits, the rest hear 429.

Example::

    async with admission.entered():        # counted; its body may be received
        async with admission.slot():       # worked on
            ...
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .failures import ApiError


class Admission:
    """Counts requests inside.

    Args:
        running: Worked on at once.
        waiting: Beside those.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self.most, self.inside, self.running = running + waiting, 0, 0
        self._slots = asyncio.Semaphore(running)

    @asynccontextmanager
    async def entered(self) -> AsyncIterator[None]:
        """A place; ``ApiError`` 429 where every place is taken."""
        if self.inside >= self.most:
            message = f"{self.inside} requests are inside, all there is place for; try again"
            raise ApiError(429, "queue_full", message, retry_after=2)
        self.inside += 1
        try:
            yield
        finally:
            self.inside -= 1

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """A turn to be worked on; waits for it."""
        async with self._slots:
            self.running += 1
            try:
                yield
            finally:
                self.running -= 1
