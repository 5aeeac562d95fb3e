"""Runs a command as long as its caller lives, and leaves nothing of it behind.

A server starts processes of its own. This file, run as a script with the standard library alone,
stands between it and the process that wanted it: it ends the whole family when the caller closes
the pipe to its stdin (by ending, however it ends), when it is told to, and when the server itself
is gone but part of its family is not.

Example: ``python child_guard.py vllm serve ...`` with stdin a pipe that is never written to.
"""

from __future__ import annotations

import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress

GRACE = 8.0  # seconds between asking to end and ending
LOOK = 0.1  # seconds between two looks at the server
SUBREAPER, DEATH_SIGNAL = 36, 1  # of prctl(2)


def main(command: list[str]) -> int:
    """Run a command; its exit code, or 128 + N where signal N ended it."""
    prctl(SUBREAPER, 1)  # orphans of the family become ours, so that none is lost sight of
    told: list[int] = []
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda which, _: told.append(which))
    child = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=lambda: prctl(DEATH_SIGNAL, signal.SIGKILL),  # should the guard itself be killed
    )
    while child.poll() is None and not told and not closed():
        pass
    if child.poll() is None:
        with suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            child.wait(GRACE)
    end_family(child.pid)
    code = child.wait()
    return 128 - code if code < 0 else code


def prctl(option: int, value: int) -> None:
    """Linux's ``prctl``; elsewhere nothing, and a killed guard may leave its server behind."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def closed() -> bool:
    """Whether the caller is gone; waits a moment for it."""
    ready, _, _ = select.select([sys.stdin], [], [], LOOK)
    return bool(ready) and not os.read(sys.stdin.fileno(), 4096)


def end_family(group: int) -> None:
    """Kill what is left of a process group, and of the orphans we were given."""
    with suppress(ProcessLookupError):
        os.killpg(group, signal.SIGKILL)
    end = time.monotonic() + GRACE
    while time.monotonic() < end:
        try:
            found, _ = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not found:
            time.sleep(LOOK / 10)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
