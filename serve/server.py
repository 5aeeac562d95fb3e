"""The running server: what is behind the gateway is started, then it listens, then it drains.

On SIGTERM or Ctrl-C no new request is taken and readiness is false at once; running ones may end
within a bound; then the engine and the guard are ended too.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any

import uvicorn

from facellm.errors import FaceLLMError

from .gateway.app import new_app
from .gateway.house import House

MOST_CONNECTIONS = 512


class Server(uvicorn.Server):
    """uvicorn's, which says when it is ready and lets the house know when it is stopped."""

    def __init__(self, config: uvicorn.Config, house: House, quiet: bool) -> None:
        super().__init__(config)
        self.house, self.quiet = house, quiet

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Begin to drain; a second Ctrl-C does not wait.

        The signal is not raised again after the server's end, as uvicorn does: what is behind the
        gateway has to be ended first.
        """
        self.force_exit = self.should_exit and sig == signal.SIGINT
        self.should_exit = self.house.draining = True

    async def startup(self, sockets: Any = None) -> None:
        """Listen, and say where."""
        await super().startup(sockets)
        if self.started and not self.quiet:
            sys.stderr.write(greeting(self.url(), bool(self.house.settings.keys)))
            sys.stderr.flush()

    def url(self) -> str:
        """Address with the port that was taken."""
        host, port = self.servers[0].sockets[0].getsockname()[:2]
        return f"http://{f'[{host}]' if ':' in host else host}:{port}"


def greeting(url: str, keys: bool) -> str:
    """What a person needs to ask the server something."""
    key = ' -H "Authorization: Bearer KEY"' if keys else ""
    own = " --api-key KEY" if keys else ""
    return (
        f"facellm: {url} is ready: a page for browsers, OpenAI's API under {url}/v1. Try:\n"
        f'  facellm ask photo.jpg "What does this face show?" --server {url}{own}\n'
        f"  curl{key} -F image=@photo.jpg {url}/v1/readings\n"
    )


async def serve(args: argparse.Namespace, house: House, why: str) -> int:
    """Serve until stopped; the exit code.

    Args:
        args: Of the verb.
        house: Not started yet.
        why: It has this engine.

    Raises:
        FaceLLMError: If weights, engine or address cannot be used.
    """
    if not args.quiet and house.engine.name == "vllm":
        sys.stderr.write("facellm: starting vLLM, which takes a minute or more\n")
        sys.stderr.flush()
    if not await started(house):
        return 128 + signal.SIGTERM
    try:
        if not args.quiet:
            engine = house.engine
            sys.stderr.write(f"facellm: engine {engine.name} ({engine.detail}): {why}\n")
        server = Server(config_of(args, house), house, args.quiet)
        try:
            await server.serve()
        except SystemExit as error:  # uvicorn's way to say that it cannot listen
            where = f"{args.host}:{args.port}"
            raise FaceLLMError(f"cannot listen at {where}: is it taken?") from error
    finally:
        await house.close()
    return 0


async def started(house: House) -> bool:
    """Start what is behind the gateway; False where SIGTERM came meanwhile, and nothing is left.

    Raises:
        FaceLLMError: If it cannot be started.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(house.start())
    with suppress(NotImplementedError):  # of systems without such signals
        loop.add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await asyncio.wait({task})
    finally:
        task.cancel()
        with suppress(NotImplementedError):
            loop.remove_signal_handler(signal.SIGTERM)
    if task.cancelled():
        return False
    await task
    return True


def config_of(args: argparse.Namespace, house: House) -> uvicorn.Config:
    """Uvicorn's configuration: no log of addresses, no word about itself."""
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)
    return uvicorn.Config(
        new_app(house),
        host=args.host,
        port=args.port,
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        date_header=True,
        proxy_headers=args.trust_proxy is not None,
        forwarded_allow_ips=args.trust_proxy or "",
        limit_concurrency=MOST_CONNECTIONS,
        timeout_keep_alive=30,
        timeout_graceful_shutdown=max(1, round(house.settings.drain)),
    )
