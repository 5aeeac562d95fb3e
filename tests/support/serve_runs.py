"""``facellm serve`` as a process of its own: started, asked, killed, stopped."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import httpx

START = 600.0  # seconds; three processes of vLLM import torch one after the other


class Running:
    """A started server.

    Attributes:
        url: Its address.
        process: Of the gateway.
        log: What it wrote.
    """

    def __init__(self, process, log):
        self.process, self.log, self.url = process, log, ""

    def wait(self, seconds=START):
        """Wait until it says where it listens."""
        end = time.monotonic() + seconds
        while not self.url:
            words = self.log.read_text()
            assert self.process.poll() is None, words
            assert time.monotonic() < end, words
            for line in words.splitlines():
                if " is ready" in line:
                    self.url = line.split()[1]
            time.sleep(0.1)
        return self

    def ready(self):
        """Status of ``/health/ready``."""
        return httpx.get(f"{self.url}/health/ready", timeout=40).status_code

    def family(self):
        """Process ids of everything it started, with their command lines."""
        found, parents = {}, {self.process.pid}
        rows = [row for row in map(stat_of, Path("/proc").glob("[0-9]*")) if row]
        while more := [row for row in rows if row[1] in parents and row[0] not in found]:
            found |= {pid: line for pid, _, line in more}
            parents |= {pid for pid, _, _ in more}
        return found

    def stop(self, seconds=60):
        """SIGTERM; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(seconds)


def stat_of(folder):
    """Process id, parent and command line; None for a process that is gone or a zombie."""
    try:
        state = (folder / "stat").read_text().rpartition(")")[2].split()
        line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    except OSError:
        return None
    return None if state[0] == "Z" else (int(folder.name), int(state[1]), line)


@contextmanager
def served(folder, *words):
    """A running server; ``folder`` takes its log. Whatever it started is gone afterwards."""
    log = Path(folder) / "serve.log"
    command = [sys.executable, "-m", "facellm", "serve", "--port", "0", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with (
        log.open("w") as out,
        subprocess.Popen(
            command, stdout=out, stderr=out, env=environment, start_new_session=True
        ) as process,
    ):
        running = Running(process, log)
        try:
            yield running.wait()
        finally:
            left = list(running.family())
            if process.poll() is None:
                process.terminate()
                try:
                    process.wait(60)
                except subprocess.TimeoutExpired:
                    process.kill()
            gone_by = time.monotonic() + 20
            while any(stat_of(Path(f"/proc/{pid}")) for pid in left):
                assert time.monotonic() < gone_by, f"left behind: {left}"
                time.sleep(0.1)
