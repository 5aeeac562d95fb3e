"""Ctrl-C is never lost, also where a library swallows it while it is imported."""

import os
import signal
from contextlib import suppress

import pytest

from facellm import cli


@pytest.fixture(autouse=True)
def listening():
    """Ctrl-C as Python meets it in a terminal, also where the suite runs in the background."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_that_is_swallowed_is_raised_later(tiny_checkpoint):
    with cli.remembered_interrupts():
        with suppress(KeyboardInterrupt):  # as an import with a bare except does
            os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            cli.load_assistant(tiny_checkpoint)


def test_the_next_command_starts_without_it(tiny_checkpoint):
    with cli.remembered_interrupts():
        assert cli.load_assistant(tiny_checkpoint).checkpoint.folder == tiny_checkpoint


def test_the_callers_handler_comes_back():
    before = signal.getsignal(signal.SIGINT)
    with cli.remembered_interrupts():
        pass
    assert signal.getsignal(signal.SIGINT) is before
