"""``facellm serve`` as a process of its own, for whoever measures it.

Example::

    with served(["--engine", "local"], log) as running:
        httpx.get(f"{running.url}/health/ready")
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from facellm.errors import FaceLLMError

START = 900.0  # seconds: three processes of vLLM import torch one after the other
STOP = 90.0  # seconds until one that was told to end is killed
LOOK = 0.05  # seconds between two looks at its words
PAGE = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Running:
    """A server that was started.

    Args:
        process: Of the gateway.
        log: What it writes.

    Attributes:
        url: Its address.
        seconds: It took to start.
    """

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self.log = process, log
        self.url, self.seconds = "", 0.0

    def wait(self) -> None:
        """Wait until it says where it listens; ``FaceLLMError`` with its words if it does not."""
        begun = time.monotonic()
        while not (found := [line for line in self._lines() if " is ready" in line]):
            waited = time.monotonic() - begun
            if self.process.poll() is not None or waited > START:
                words = self.log.read_text(errors="replace")[-2000:]
                raise FaceLLMError(f"the server did not start in {waited:.0f} s: {words}")
            time.sleep(LOOK)
        self.url, self.seconds = found[0].split()[1], time.monotonic() - begun

    def _lines(self) -> list[str]:
        return self.log.read_text(errors="replace").splitlines()

    def family(self) -> dict[int, str]:
        """Process ids of the server and of everything it started, with their command lines."""
        rows = {pid: row for pid in pids() if (row := process_row(pid)) is not None}
        found = {self.process.pid}
        while more := {pid for pid, (parent, _) in rows.items() if parent in found} - found:
            found |= more
        return {pid: rows[pid][1] for pid in found if pid in rows}

    def memory(self) -> float:
        """Resident memory of the whole family, MB; pages that processes share count in each."""
        return sum(resident(pid) for pid in self.family())

    def stop(self) -> int:
        """Let it end, and kill it where it does not; its exit code."""
        if self.process.poll() is None:
            self.process.terminate()
        try:
            return self.process.wait(STOP)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


@contextmanager
def served(words: Sequence[str], log: Path) -> Iterator[Running]:
    """A running server on any free port.

    Args:
        words: Arguments of ``facellm serve``.
        log: Takes what it writes.

    Raises:
        FaceLLMError: If it does not start.
    """
    command = [sys.executable, "-m", "facellm", "serve", "--port", "0", *words]
    with (
        log.open("wb") as out,
        subprocess.Popen(command, stdout=out, stderr=out, start_new_session=True) as process,
    ):
        running = Running(process, log)
        try:
            running.wait()
            yield running
        finally:
            running.stop()


def pids() -> list[int]:
    """Processes of this machine; none where there is no ``/proc``."""
    return [int(folder.name) for folder in Path("/proc").glob("[0-9]*")]


def process_row(pid: int) -> tuple[int, str] | None:
    """Parent and command line of a process; None for one that has ended."""
    folder = Path("/proc") / str(pid)
    try:
        state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
        line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    return None if state == "Z" else (int(parent), line)


def resident(pid: int) -> float:
    """Resident memory of a process, MB; 0 for one that has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * PAGE / 2**20
    except OSError:
        return 0.0
