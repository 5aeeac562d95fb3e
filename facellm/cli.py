"""The ``facellm`` command: finds the verb, runs it, turns errors into one line and an exit code.

Every verb lives in its own module and is named here as a string, so the core imports no leaf and
``facellm --help`` imports next to nothing.

Example::

    facellm ask photo.jpg "What expression does this face show?"

Exit codes: 0 done (a polite refusal is an answer), 2 unusable input, 130 interrupted, 141 the
reader of our output went away.
"""

from __future__ import annotations

import argparse
import importlib
import io
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from facellm.engine_names import AUTO, TORCH, usual_engine
from facellm.errors import FaceLLMError

if TYPE_CHECKING:
    from facellm.assistant import FaceAssistant

VERBS = {
    "ask": "facellm.ask_command:main",
    "chat": "facellm.chat_command:main",
    "read": "facellm.read_command:main",
    "calibrate": "facellm.calibrate_command:main",
    "show": "facellm.show_command:main",
    "timeline": "facellm.timeline_command:main",
    "serve": "facellm.serve.serve_command:main",
    "build": "facellm.instruct_data.build_command:main",
    "adapt": "facellm.train.adapt_command:main",
    "train": "facellm.train.train_command:main",
    "eval": "facellm.eval.eval_command:main",
    "doctor": "facellm.doctor_command:main",
    "completion": "facellm.completion_command:main",
}
USAGE = """\
usage: facellm VERB ...

Photograph in, evidence-bound answer out; nothing leaves this machine.

verbs:
  ask PHOTO ["QUESTION"]     answer a question about the faces of a picture or a clip
  chat PHOTO                 several questions, each with what was said before in view
  read PATH... [-o TABLE]    one table row per face of pictures, folders and clips
  calibrate PATH... -o JSON  take a person's own neutral, for --baseline of ask and read
  show PHOTO -o PICTURE      draw boxes, points, regions, shares and what hiding a region does
  timeline CLIP -o FILE      draw expressions, units and pose of a clip over time (.html, .png)
  serve                      OpenAI's API and a page over the model, on this machine
  build CONFIG -o FOLDER     labelled faces in, an instruction corpus out
  adapt CSV -o FOLDER        your own labelled faces in, an adapter and its report out
  train CONFIG -o FOLDER     a corpus in, a trained model out; on one machine or by DeepSpeed
  eval SUBVERB               measure models on face tasks, compare them, report honestly
  doctor                     what is installed, what is missing and how to mend it
  completion SHELL           a script that completes verbs and options in bash, zsh or fish

examples:
  facellm ask photo.jpg "What expression does this face show?"
  facellm ask photo.jpg --json
  facellm read holiday/ -o faces.csv
  facellm ask clip.mp4 "What changes?"

`facellm VERB --help` says more about a verb, `facellm --version` gives the version.
"""
NOTICE = "Note: this describes what a face shows in a picture, not what a person feels or is."
UNUSABLE, INTERRUPTED, PIPE_CLOSED = 2, 130, 141
LONGEST_MESSAGE = 400  # characters; loaders may list a hundred tensors


class Parser(argparse.ArgumentParser):
    """Reports wrong arguments as every other error is reported: one line, exit code 2."""

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the usage."""
        raise FaceLLMError(f"{message}; see `{self.prog} --help`")


def new_parser(verb: str, description: str, examples: str) -> Parser:
    """A verb's parser with what all verbs share.

    Args:
        verb: As in ``VERBS``.
        description: One sentence.
        examples: Shown under the options as they are.
    """
    parser = Parser(
        prog=f"facellm {verb}",
        description=description,
        epilog=f"examples:\n{examples}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--model", type=Path, help="folder of weights (default: those shipped)")
    parser.add_argument("--quiet", action="store_true", help="nothing on stderr but errors")
    return parser


def main(argv: list[str] | None = None) -> int:
    """Run a verb and return the exit code."""
    arguments = sys.argv[1:] if argv is None else argv
    try:
        try:
            with remembered_interrupts():
                code = run(arguments)
        finally:
            sys.stdout.flush()
        return code
    except FaceLLMError as error:
        report(str(error))
        return UNUSABLE
    except KeyboardInterrupt:
        report("interrupted")
        return INTERRUPTED
    except BrokenPipeError:
        drop_stdout()
        return PIPE_CLOSED
    except OSError as error:  # a full disk, a file taken away: the machine's state, not a bug
        drop_stdout()
        report(str(error))
        return UNUSABLE


def drop_stdout() -> None:
    """Let stdout go nowhere: Python flushes it once more at exit, and that would fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def run(arguments: list[str]) -> int:
    """Find the verb and run it."""
    if not arguments:
        raise FaceLLMError(f"no verb given; the verbs are {', '.join(VERBS)}")
    verb, *rest = arguments
    if verb in {"-h", "--help", "help"}:
        print(USAGE, end="")
        return 0
    if verb in {"-V", "--version"}:
        print(f"facellm {version('facellm')}")
        return 0
    if verb not in VERBS:
        raise FaceLLMError(f"unknown verb {verb!r}; the verbs are {', '.join(VERBS)}")
    quiet_libraries()
    return resolve(VERBS[verb])(rest)


_interrupted = False


@contextmanager
def remembered_interrupts() -> Iterator[None]:
    """Remember a Ctrl-C besides raising it: libraries swallow it while they are imported."""
    global _interrupted
    _interrupted = False

    def handler(*_: object) -> NoReturn:
        global _interrupted
        _interrupted = True
        raise KeyboardInterrupt

    own = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not own or threading.current_thread() is not threading.main_thread():
        yield  # somebody else listens, or nobody could
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def parser_of(verb: str) -> argparse.ArgumentParser:
    """A verb's own parser: ``new_VERB_parser`` of its module."""
    module, _, _ = VERBS[verb].partition(":")
    return resolve(f"{module}:new_{verb}_parser")()


def help_of_verbs() -> dict[str, str]:
    """Verb -> the sentence that ``facellm --help`` says about it."""
    lines = USAGE.partition("verbs:\n")[2].partition("\n\n")[0].splitlines()
    return {line.split()[0]: line.split("  ")[-1] for line in lines}


def resolve(place: str) -> Callable[..., Any]:
    """``"package.module:function"`` -> the function."""
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)


def report(message: str) -> None:
    """One line on stderr, whatever the message holds."""
    line = " ".join(message.split())
    if len(line) > LONGEST_MESSAGE:
        line = line[: LONGEST_MESSAGE - 3] + "..."
    print(f"facellm: error: {line}", file=sys.stderr)


def quiet_libraries() -> None:
    """Set what makes libraries silent and keeps them off the network, before they are imported."""
    settings = {
        "TRANSFORMERS_NO_ADVISORY_WARNINGS": "1",
        "HF_HUB_OFFLINE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    for name, value in settings.items():
        os.environ.setdefault(name, value)
    logging.getLogger("bitsandbytes").setLevel(logging.ERROR)  # warns of kernels nobody asked for
    if not sys.warnoptions:
        import warnings

        warnings.simplefilter("ignore")
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # an odd locale must not break an answer
            stream.reconfigure(errors="backslashreplace")


def seconds_since_start() -> float:
    """Age of this process, so that the interpreter's own start counts as importing.

    The kernel tells on Linux, to a hundredth of a second; elsewhere the time since this module was
    imported is taken.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        started = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - started
    except (OSError, AttributeError, ValueError, IndexError):
        return time.perf_counter() - _IMPORTED


def check_model_folder(path: Path | None) -> None:
    """Refuse a mistyped ``--model`` before anything heavy is imported."""
    for name in ("config.json", "tokenizer.json"):
        if path is not None and not (path / name).is_file():
            raise FaceLLMError(f"{path}: not a facellm checkpoint, {name} missing")


def load_assistant(
    path: Path | None,
    engine: str | None = None,
    *,
    few: bool = False,
    adapter: Path | None = None,
) -> FaceAssistant:
    """Load weights without a word from the libraries; what cannot be loaded is a user's error.

    Args:
        path: Folder of weights; None takes those shipped.
        engine: Of ``engine_names.ENGINES``; None takes what ``FACELLM_ENGINE`` says.
        few: For few pictures; torch is then used where nobody says, since it starts faster.
        adapter: Folder that ``facellm adapt`` wrote; None takes none.
    """
    from transformers.utils import logging

    from facellm.assistant import FaceAssistant

    if _interrupted:  # a library has swallowed it
        raise KeyboardInterrupt
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        name = engine or usual_engine(TORCH if few else AUTO)
        return FaceAssistant.load(path, engine=name, adapter=adapter)
    except FaceLLMError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise FaceLLMError(f"{path or 'shipped weights'}: cannot be loaded: {error}") from error


_IMPORTED = time.perf_counter()
