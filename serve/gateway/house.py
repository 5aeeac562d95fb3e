"""Everything an app of the gateway holds, started and stopped together.

Example::

    house = House(Settings(), engine, Looker(sight, engine, guard), policy)
    await house.start()
    app = new_app(house)
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from typing import IO

from facellm.errors import FaceLLMError

from ..engines import EngineDown, ServingEngine
from ..ports import Policy
from .admission import Admission
from .keys import Keys, Rates
from .looking import Looker
from .metrics import Metrics
from .request_log import RequestLog
from .settings import Settings
from .turns import TurnWriter

CANARY_SECONDS = 20.0  # a token that takes longer does not count


class House:
    """See the module docstring.

    Args:
        settings: Bounds and doors.
        engine: Runs the model.
        looker: Pictures -> read faces.
        policy: What is answered.
        log: Where a line a request goes; None writes none.
    """

    def __init__(
        self,
        settings: Settings,
        engine: ServingEngine,
        looker: Looker,
        policy: Policy,
        log: IO[str] | None = None,
    ) -> None:
        self.settings, self.engine, self.looker, self.policy = settings, engine, looker, policy
        self.writer = TurnWriter(looker.sight.processor, engine, looker.sight.context)
        self.keys, self.rates = Keys(settings.keys), Rates(settings.rate)
        self.admission = Admission(settings.running, settings.waiting)
        self.metrics, self.log = Metrics(), RequestLog(log)
        self.canary = Canary(engine, settings.canary)
        self.draining, self.held, self.born = False, 0, int(time.time())

    async def start(self) -> None:
        """Start what is behind the gateway; ``FaceLLMError`` if it cannot."""
        try:
            await self.looker.guard.start()
            await self.engine.start()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Stop it; may be called twice."""
        await self.engine.close()
        await self.looker.close()


@dataclass
class Canary:
    """Whether the engine writes a token, asked at most every ``seconds``.

    An engine that is known to be down is so at once, whatever was remembered, and is asked anew
    when it is back.

    Attributes:
        engine: That is asked.
        seconds: That an answer is remembered.
        why: What was wrong, None where nothing was.
    """

    engine: ServingEngine
    seconds: float
    why: str | None = "not asked yet"
    _asked: float = -1e9
    _lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def check(self) -> None:
        """Return where it sings.

        Raises:
            EngineDown: With the reason where it does not.
        """
        async with self._lock:
            try:
                self.engine.check()
            except EngineDown:
                self._asked = -1e9
                raise
            if time.monotonic() - self._asked >= self.seconds:
                self.why = await self._ask()
                self._asked = time.monotonic()
        if self.why is not None:
            raise EngineDown(self.why)

    async def _ask(self) -> str | None:
        try:
            async with asyncio.timeout(CANARY_SECONDS):
                await self.engine.alive()
        except TimeoutError:
            return f"no token within {CANARY_SECONDS:g} s"
        except FaceLLMError as error:
            return str(error)
        return None
