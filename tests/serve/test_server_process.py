"""The supervisor, with a small real server on a unix socket that is killed."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from facellm.errors import FaceLLMError
from facellm.serve.engines import EngineDown
from facellm.serve.server_process import GUARD, Patience, ServerProcess

TOY = Path(__file__).parents[1] / "support" / "toy_server.py"
QUICK = Patience(start=20, answer=10, first_wait=0.05, longest_wait=0.1, restarts=2, stop=5)


def toy(*modes: str, patience: Patience = QUICK) -> ServerProcess:
    return ServerProcess((sys.executable, str(TOY), "{socket}", *modes), patience=patience)


def pid_of(server: ServerProcess, what: str = "pid") -> int:
    return int(Path(f"{server._socket}.{what}").read_text())


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not state.exists() or state.read_text().rpartition(")")[2].split()[0] != "Z"


async def until(true: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it did not come to pass"
        await asyncio.sleep(0.02)


def test_a_started_server_answers_and_leaves_nothing_behind():
    async def story() -> None:
        server = toy("family")
        with pytest.raises(EngineDown, match="not started"):
            server.check()
        await server.start()
        server.check()
        pids = pid_of(server), pid_of(server, "child")
        assert (await server.client.get("/version")).json() == {"version": "0.0.toy"}
        assert os.stat(server._folder).st_mode & 0o077 == 0
        await server.close()
        await server.close()
        await until(lambda: not any(alive(pid) for pid in pids))
        assert not server._folder.exists()
        with pytest.raises(EngineDown, match="stopped"):
            server.check()

    asyncio.run(story())


def test_a_killed_server_comes_back_without_its_orphans():
    async def story() -> None:
        server = toy("family")
        await server.start()
        first, orphan = pid_of(server), pid_of(server, "child")
        os.kill(first, signal.SIGKILL)
        await until(lambda: not server._ready)
        with pytest.raises(EngineDown, match="being restarted"):
            server.check()
        await until(lambda: server._ready)
        assert server.started == 2
        assert pid_of(server) != first
        assert not alive(orphan)
        assert (await server.client.get("/version")).is_success
        await server.close()

    asyncio.run(story())


def test_a_server_that_cannot_start_is_told_in_its_own_words():
    async def story() -> None:
        server = toy("fails")
        with pytest.raises(FaceLLMError, match="code 1: no memory left"):
            await server.start()
        assert not server._folder.exists()

    asyncio.run(story())


def test_a_server_that_is_never_ready_is_given_up_and_ended():
    async def story() -> None:
        server = toy("never-ready", patience=Patience(start=4, stop=5))
        task = asyncio.create_task(server.start())
        await until(lambda: Path(f"{server._socket}.pid").is_file())
        pid = pid_of(server)
        with pytest.raises(FaceLLMError, match="not ready in 4 s"):
            await task
        assert not alive(pid)

    asyncio.run(story())


def test_a_server_that_keeps_ending_stays_down_and_says_so():
    async def story() -> None:
        server = toy()
        await server.start()
        server._command.append("fails")  # from now on it ends at once
        os.kill(pid_of(server), signal.SIGKILL)
        assert server._watcher is not None
        await asyncio.wait_for(asyncio.shield(server._watcher), 60)
        assert server.started == 1 + QUICK.restarts
        with pytest.raises(EngineDown, match=r"2 times in a row.*no memory left"):
            server.check()
        await server.close()

    asyncio.run(story())


def test_the_guard_ends_its_server_when_the_caller_is_killed(tmp_path):
    """The caller, a process of its own, is killed; it could not close anything."""
    socket = tmp_path / "s"
    words = [sys.executable, str(GUARD), sys.executable, str(TOY), str(socket), "family"]
    code = (
        "import subprocess, time\n"
        f"subprocess.Popen({words!r}, stdin=subprocess.PIPE, start_new_session=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen([sys.executable, "-c", code]) as caller:
        asyncio.run(until(lambda: Path(f"{socket}.pid").is_file()))
        pids = [int(Path(f"{socket}.{what}").read_text() or 0) for what in ("pid", "child")]
        caller.kill()
    asyncio.run(until(lambda: not any(alive(pid) for pid in pids)))


def test_the_guard_hands_on_its_servers_exit_code():
    words = [sys.executable, "-c", "raise SystemExit(7)"]
    with subprocess.Popen([sys.executable, GUARD, *words], stdin=subprocess.PIPE) as guard:
        assert guard.wait(20) == 7
