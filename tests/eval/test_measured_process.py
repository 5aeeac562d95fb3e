"""Peak memory is the command's own, whatever the process that asks holds."""

import sys

import numpy as np
import pytest

from facellm.errors import FaceLLMError
from facellm.eval.measured_process import run_measured

MEGABYTES = 200


def test_what_the_bench_holds_does_not_count():
    held = np.ones(MEGABYTES * 1024 * 1024, np.uint8)  # touched, so it is resident
    small = run_measured([sys.executable, "-c", "print('said')"])
    assert held.sum() > 0
    assert small.peak < MEGABYTES / 2
    assert small.printed.strip() == "said"


def test_what_the_command_holds_does():
    command = f"kept = bytearray({MEGABYTES} * 1024 * 1024); print(len(kept))"
    large = run_measured([sys.executable, "-c", command])
    assert MEGABYTES < large.peak < 2 * MEGABYTES
    assert large.printed.strip() == str(MEGABYTES * 1024 * 1024)
    assert large.seconds > 0


def test_a_command_that_fails_is_told_with_what_it_said():
    with pytest.raises(FaceLLMError, match=r"exit code 3: .*oh"):
        run_measured([sys.executable, "-c", "import sys; sys.stderr.write('oh'); sys.exit(3)"])
