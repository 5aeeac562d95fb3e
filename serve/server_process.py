"""A server that is kept running: started, waited for, watched, and started anew when it dies.

It listens on a unix socket in a folder only we can read. It is started through ``child_guard``, so
it ends with us. When it dies, its connections break at once, ``check`` raises and it is restarted,
after a longer wait each time; after too many tries in a row it stays down and says so.

Example::

    server = ServerProcess(command, environment)
    await server.start()
    await server.client.get("/health")
    await server.close()
"""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sys
import tempfile
import time
import weakref
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

from facellm.errors import FaceLLMError

from .engines import EngineDown

GUARD = Path(__file__).with_name("child_guard.py")
SOCKET = "{socket}"  # in a command: where the server shall listen
LOOK = 0.2  # seconds between two looks whether it is ready
SETTLED = 600.0  # seconds of work after which an end is no longer one of a row
TAIL = 3000  # characters of the log that a message may quote
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Patience:
    """How long is waited for what.

    Attributes:
        start: Seconds until the server has to be ready.
        answer: Seconds until the next piece of an answer.
        first_wait: Seconds before the first restart; doubled each time.
        longest_wait: Most of them.
        restarts: Tries in a row, with no ``SETTLED`` of work between, before it stays down.
        stop: Seconds for the server to end.
    """

    start: float = 900.0
    answer: float = 120.0
    first_wait: float = 1.0
    longest_wait: float = 60.0
    restarts: int = 8
    stop: float = 20.0


class ServerProcess:
    """See the module docstring.

    Args:
        command: Arguments; ``{socket}`` stands for the socket's path.
        environment: Added to ours.
        patience: Times.

    Attributes:
        client: HTTP over the socket.
        started: How often the server was started.
    """

    def __init__(
        self,
        command: Sequence[str],
        environment: Mapping[str, str] | None = None,
        patience: Patience | None = None,
    ) -> None:
        self.patience = patience or Patience()
        self.started = 0
        self._environment = {**os.environ, **(environment or {})}
        self._folder = Path(tempfile.mkdtemp(prefix="facellm-"))  # mode 700
        # Also where nobody closes, as when something else cannot be started.
        self._tidy = weakref.finalize(self, shutil.rmtree, self._folder, True)
        self._socket, self._log = self._folder / "s", self._folder / "log"
        self._command = [part.replace(SOCKET, str(self._socket)) for part in command]
        times = httpx.Timeout(self.patience.answer, connect=5.0)
        self.client = httpx.AsyncClient(
            transport=httpx.AsyncHTTPTransport(uds=str(self._socket)),
            base_url="http://engine",
            timeout=times,
            limits=httpx.Limits(max_connections=None),
        )
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._ready = False
        self._reason = "it was not started"

    async def start(self) -> None:
        """Start the server and wait until it is ready.

        Raises:
            FaceLLMError: If it ends or is not ready in time; the message quotes its log.
        """
        if self._watcher is not None:
            return
        try:
            await self._run()
        except EngineDown as error:
            await self.close()
            raise FaceLLMError(str(error)) from error
        self._watcher = asyncio.create_task(self._watch())

    def check(self) -> None:
        """Raise ``EngineDown`` with the reason where the server is not ready."""
        if not self._ready:
            raise EngineDown(f"the engine is down: {self._reason}")

    async def close(self) -> None:
        """End the server and all it started; may be called twice."""
        self._ready, self._reason = False, "it was stopped"
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        await self.client.aclose()
        await self._end()
        self._tidy()

    async def _run(self) -> None:
        """Start it once and wait until it is ready; ``EngineDown`` if it is not."""
        self.started += 1
        self._socket.unlink(missing_ok=True)
        with self._log.open("wb") as log:
            self._process = await asyncio.create_subprocess_exec(
                *(sys.executable, str(GUARD), *self._command),
                stdin=asyncio.subprocess.PIPE,
                stdout=log,
                stderr=log,
                env=self._environment,
                start_new_session=True,  # a Ctrl-C is ours to handle, not the server's
            )
        end = time.monotonic() + self.patience.start
        while not await self._healthy():
            if self._process.returncode is not None:
                raise EngineDown(
                    f"the engine ended with code {self._process.returncode}: {self._tail()}"
                )
            if time.monotonic() > end:
                await self._end()
                raise EngineDown(
                    f"the engine was not ready in {self.patience.start:.0f} s: {self._tail()}"
                )
            await asyncio.sleep(LOOK)
        self._ready = True

    async def _healthy(self) -> bool:
        try:
            return (await self.client.get("/health", timeout=5.0)).status_code == httpx.codes.OK
        except httpx.HTTPError:
            return False

    async def _watch(self) -> None:
        """Wait for the server's end and start it anew, until it stays down."""
        wait, tries = self.patience.first_wait, 0
        while tries < self.patience.restarts:
            assert self._process is not None
            began = time.monotonic()
            code = await self._process.wait()
            if self._ready and time.monotonic() - began > SETTLED:
                wait, tries = self.patience.first_wait, 0
            self._ready, self._reason = False, f"it ended with code {code} and is being restarted"
            logger.error("the engine ended with code %s, restart in %.0f s", code, wait)
            await asyncio.sleep(wait)
            wait, tries = min(2 * wait, self.patience.longest_wait), tries + 1
            try:
                await self._run()
                logger.warning("the engine is back")
            except EngineDown as error:
                logger.error("%s", error)
        self._reason = f"it ended {tries} times in a row and stays down; its last words: "
        self._reason += self._tail()
        logger.error("the engine is down: %s", self._reason)

    async def _end(self) -> None:
        """End the guard, which ends the server; kill it where it does not."""
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            process.terminate()
        try:
            await asyncio.wait_for(process.wait(), self.patience.stop)
        except TimeoutError:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()

    def _tail(self) -> str:
        """The end of the server's log."""
        try:
            return self._log.read_text(errors="replace")[-TAIL:].strip() or "(it said nothing)"
        except OSError:
            return "(no log)"
