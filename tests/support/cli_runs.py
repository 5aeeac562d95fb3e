"""Running the command line in tests: in a process of its own, or in this one."""

import signal
import subprocess
import sys

from facellm.cli import main


def start(*arguments, stdin=None, **options):
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "facellm", *map(str, arguments)],
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        # A suite that runs in a shell's background has Ctrl-C ignored, and children inherit that.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def refused(capsys, *arguments):
    """Run in this process; the error line of a run that must exit with 2."""
    code = main([str(argument) for argument in arguments])
    printed = capsys.readouterr()
    assert code == 2
    assert printed.err.startswith("facellm: error: ")
    assert printed.err.count("\n") == 1
    assert "Traceback" not in printed.err
    return printed.err
