"""The environment vLLM lives in: made once, apart from everything else, and found again.

vLLM pins packages that others must not see, so no extra can bring it; what is done is listed in
``setup_steps``. Every finished step is noted in ``facellm-serve.json``: after a break the same
command goes on where it stopped, and a complete environment is left as it is.

Example: ``python -m facellm.serve.setup_environment --torch-index URL-OF-CPU-WHEELS``
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from facellm.atomic import write_text
from facellm.cli import Parser
from facellm.errors import FaceLLMError

from .setup_steps import ROOT, Step, interpreter, steps

VARIABLE = "FACELLM_SERVE_PYTHON"
NOTE = "facellm-serve.json"
CPU_GB, GPU_GB = 6, 20  # free disk that is asked for: what remains, and what is unpacked meanwhile
COMMAND = "facellm serve --setup"
Say = Callable[[str], None]


def default_folder() -> Path:
    """Beside a checkout's sources, else among the user's data."""
    if (ROOT / "pyproject.toml").is_file():
        return ROOT / ".venv-serve"
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    return Path(data) / "facellm" / "venv-serve"


def serving_python() -> Path | None:
    """Interpreter of a complete serving environment; None where there is none.

    Raises:
        FaceLLMError: If ``FACELLM_SERVE_PYTHON`` names no file.
    """
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_file():
            raise FaceLLMError(f"{VARIABLE} is {named!r}, which is no file")
        return Path(named)
    folder = default_folder()
    gone = read_note(folder).get("complete") is not True or not interpreter(folder).is_file()
    return None if gone else interpreter(folder)


def needed_python() -> Path:
    """As ``serving_python``; ``FaceLLMError`` with what to do where there is none."""
    found = serving_python()
    if found is None:
        raise FaceLLMError(f"vLLM is not set up; `{COMMAND}` does it, or set {VARIABLE}")
    return found


def read_note(folder: Path) -> dict:
    """What is noted of an environment; empty where nothing is, or nothing that can be read."""
    try:
        found = json.loads((folder / NOTE).read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Wish:
    """What is asked for.

    Attributes:
        folder: Of the environment; None takes the default.
        gpu: vLLM for a GPU.
        torch_index: Where pip finds torch; None is pip's own index.
        dry: Only say what would be done.
    """

    folder: Path | None = None
    gpu: bool = False
    torch_index: str | None = None
    dry: bool = False


def set_up(wish: Wish, say: Say = print) -> Path:
    """Make the environment, or finish it.

    Args:
        wish: What is asked for.
        say: Takes a line for the user.

    Returns:
        Its interpreter.

    Raises:
        FaceLLMError: If there is too little disk, a step fails, or the folder holds something else.
    """
    folder = (wish.folder or default_folder()).absolute()
    todo = steps(gpu=wish.gpu, torch_index=wish.torch_index)
    note = read_note(folder)
    done = done_steps(todo, note.get("done", ()))
    if not interpreter(folder).is_file():
        done = []
    left = todo[len(done) :]
    if not left:
        say(f"{folder}: complete")
        return interpreter(folder)
    check_place(folder, note, GPU_GB if wish.gpu else CPU_GB)
    say(f"{folder}: {len(left)} of {len(todo)} steps to do, about {3 if not wish.gpu else 12} GB")
    if wish.dry:
        for step in left:
            say(f"  would {step.text}")
        return interpreter(folder)
    if not interpreter(folder).is_file():
        run((sys.executable, "-m", "venv", str(folder)), "make a virtual environment")
    for number, step in enumerate(left, len(done) + 1):
        begun = time.monotonic()
        if step.action is not None:
            step.action(folder)
        else:
            run((str(interpreter(folder)), *step.arguments), step.text)
        done.append(step.mark)
        save_note(folder, done, complete=False)
        say(f"  {number}. {step.text}: {time.monotonic() - begun:.0f} s")
    save_note(folder, done, complete=True)
    say(f"{folder}: complete, {size_gb(folder):.1f} GB")
    return interpreter(folder)


def done_steps(todo: Sequence[Step], noted: Sequence[str]) -> list[str]:
    """Marks of the steps that are done: a changed one has to be done again, and what follows it."""
    done: list[str] = []
    for step, mark in zip(todo, noted, strict=False):
        if step.mark != mark:
            break
        done.append(mark)
    return done


def check_place(folder: Path, note: dict, wanted_gb: int) -> None:
    """Refuse a folder that is something else, and a disk that is too full."""
    ours = note or (folder / "pyvenv.cfg").is_file()
    if folder.exists() and not ours and any(folder.iterdir()):
        raise FaceLLMError(f"{folder}: holds something else; name another folder")
    there = next(place for place in (folder, *folder.parents) if place.exists())
    free = shutil.disk_usage(there).free / 2**30
    if not note and free < wanted_gb:
        raise FaceLLMError(
            f"{there}: {free:.1f} GB free, {wanted_gb} GB are needed; free some or name a folder "
            "on another disk"
        )


def run(command: Sequence[str], text: str) -> None:
    """Run a step's command; ``FaceLLMError`` with its last words where it fails."""
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, capture_output=True, text=True, env=clean, check=False)
    if done.returncode:
        words = (done.stderr or done.stdout).strip().splitlines()[-3:]
        raise FaceLLMError(
            f"could not {text} (code {done.returncode}): {' '.join(words)}; "
            f"give the same command again to go on from here"
        )


def save_note(folder: Path, done: Sequence[str], *, complete: bool) -> None:
    """Note what is done."""
    record = {"facellm": metadata.version("facellm"), "complete": complete, "done": list(done)}
    write_text(folder / NOTE, json.dumps(record, indent=2) + "\n")


def size_gb(folder: Path) -> float:
    """Size of a folder's files, GB."""
    files = (path for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
    return sum(path.stat().st_size for path in files) / 2**30


def main(argv: list[str] | None = None) -> int:
    """Run the setup alone, as the Makefile does."""
    parser = Parser(
        prog="facellm.serve.setup_environment", description="Make the environment vLLM lives in."
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--folder", type=Path, help="of the environment")
    parser.add_argument("--torch-index", help="index that has torch, for CPU wheels")
    parser.add_argument("--gpu", action="store_true", help="vLLM for a GPU")
    parser.add_argument("--dry-run", action="store_true", help="say what would be done")
    args = parser.parse_args(argv)
    try:
        set_up(Wish(args.folder, args.gpu, args.torch_index or None, args.dry_run))
    except FaceLLMError as error:
        print(f"facellm: error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
