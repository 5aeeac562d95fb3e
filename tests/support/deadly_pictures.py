"""A decoder that one picture brings down; alone in a file, so that its processes start fast."""

import os
import signal
from pathlib import Path


def die_on_three(path):
    """``"fine"``, but for a picture of the name 3.png."""
    if Path(path).name == "3.png":
        os.kill(os.getpid(), signal.SIGKILL)
    return "fine"
