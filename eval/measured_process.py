"""A command in a process of its own: what it printed, its seconds and its peak memory.

Between the bench and the command stands a small process: on Linux the peak of a child begins with
what its parent held, and the bench itself has loaded a model.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from facellm.errors import FaceLLMError

_WATCH = (
    "import resource, subprocess, sys\n"
    "code = subprocess.call(sys.argv[1:])\n"
    "print('\\n' + str(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss), end='')\n"
    "sys.exit(code)"
)
_MARK = 1024 * 1024 if sys.platform == "darwin" else 1024  # units of ru_maxrss in a MB


@dataclass(frozen=True)
class Measured:
    """One run.

    Attributes:
        printed: Its standard output.
        seconds: Wall clock, the small process's own start (about 20 ms) included.
        peak: Largest resident memory, MB.
    """

    printed: str
    seconds: float
    peak: float


def run_measured(command: Sequence[str]) -> Measured:
    """Run a command to its end.

    Raises:
        FaceLLMError: If it fails; the message holds what it said.
    """
    start = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-c", _WATCH, *command], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - start
    if done.returncode:
        raise FaceLLMError(f"{' '.join(command)}: exit code {done.returncode}: {done.stderr}")
    printed, _, peak = done.stdout.rpartition("\n")
    return Measured(printed, seconds, int(peak) / _MARK)
