"""Checkpoints: folders that are whole or not there.

    checkpoint-000400/
      state.json            step, seconds
      rng-0.pt              random states, one file a rank
      weights.safetensors   what is trained, and buffers (single engine)
      optimizer.pt          AdamW's state (single engine)
      deepspeed/            the same as DeepSpeed writes it

A checkpoint is written under ``*.part``, put on disk and renamed; one that is given up gets that
name back before it is removed. So a kill at any moment leaves the last good one, and what is there
under its own name is complete.
"""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError

from safetensors import SafetensorError

from facellm.atomic import PART, read_json, sync_folder, told_in_words, write_json
from facellm.errors import FaceLLMError

from .random_states import load_random, save_random
from .ranks import Ranks

_NAME = re.compile(r"checkpoint-(\d+)")
STATE = "state.json"
# What torch and safetensors raise for a damaged file.
UNREADABLE = (OSError, RuntimeError, UnpicklingError, SafetensorError)
SPARE = 1.1  # free room asked for, as a multiple of what a checkpoint is expected to take


@dataclass(frozen=True)
class Progress:
    """Where a run is: optimizer steps done, and seconds they took."""

    step: int = 0
    seconds: float = 0.0


def checkpoints_of(out: Path) -> list[tuple[int, Path]]:
    """(step, folder) of every whole checkpoint of a run, oldest first."""
    found = [(_NAME.fullmatch(path.name), path) for path in out.glob("checkpoint-*")]
    return sorted((int(match[1]), path) for match, path in found if match)


def latest_checkpoint(out: Path) -> Path | None:
    """The last whole checkpoint of a run."""
    found = checkpoints_of(out)
    return found[-1][1] if found else None


def load_progress(folder: Path) -> Progress:
    """Where a checkpoint was taken."""
    return Progress(**read_json(folder / STATE))


@dataclass(frozen=True)
class Checkpoints:
    """Writes and reads the checkpoints of a run.

    Attributes:
        out: Folder of the run.
        ranks: All of them write at once.
        kept: How many are kept.
        size: Bytes one takes, about.
    """

    out: Path
    ranks: Ranks
    kept: int
    size: int

    def save(self, progress: Progress, write: Callable[[Path], None]) -> Path:
        """Write one; ``write`` puts the engine's part into a folder, on every rank.

        Raises:
            FaceLLMError: If the disk has no room, or cannot be written to.
        """
        folder = self.out / f"checkpoint-{progress.step:06d}"
        part = folder.with_name(folder.name + PART)
        if self.ranks.first:
            self._begin(part)
        self.ranks.wait()
        with told_in_words(part), _errors_of_libraries(part):
            write(part)
            save_random(part / f"rng-{self.ranks.rank}.pt")
        self.ranks.wait()
        if self.ranks.first:
            write_json(part / STATE, progress.__dict__)
            with told_in_words(part):
                sync_tree(part)
                shutil.rmtree(folder, ignore_errors=True)  # resumed from an older one
                part.replace(folder)
                sync_folder(self.out)
                self._prune()
        self.ranks.wait()
        return folder

    def load(self, folder: Path, read: Callable[[Path], None]) -> Progress:
        """Read one; ``read`` takes the engine's part from its folder.

        Raises:
            FaceLLMError: If a file is missing or damaged.
        """
        try:
            read(folder)
            load_random(folder / f"rng-{self.ranks.rank}.pt")
        except (*UNREADABLE, KeyError) as error:
            raise FaceLLMError(f"{folder}: cannot be resumed from: {error}") from error
        return load_progress(folder)

    def _begin(self, part: Path) -> None:
        """Sweep what killed runs have left, look for room and make the folder."""
        for left in self.out.glob(f"checkpoint-*{PART}"):
            shutil.rmtree(left, ignore_errors=True)
        check_room(part.parent, self.size)
        with told_in_words(part):
            part.mkdir()

    def _prune(self) -> None:
        for _, old in checkpoints_of(self.out)[: -self.kept]:
            gone = old.with_name(old.name + PART)
            old.replace(gone)
            shutil.rmtree(gone)


def check_room(folder: Path, size: int) -> None:
    """Refuse to begin what the disk cannot take.

    Raises:
        FaceLLMError: With what is needed, what is free and what can be done.
    """
    free = shutil.disk_usage(folder).free
    if free < SPARE * size:
        raise FaceLLMError(
            f"{folder}: no room for a checkpoint: it takes about {size / 1e6:,.1f} MB and "
            f"{free / 1e6:,.1f} MB are free; make room, or keep fewer (keep.checkpoints), and go "
            "on with --resume"
        )


@contextmanager
def _errors_of_libraries(part: Path) -> Iterator[None]:
    """Torch and safetensors tell of a disk they cannot write to by errors of their own."""
    try:
        yield
    except (RuntimeError, SafetensorError) as error:
        if isinstance(error, RuntimeError) and "PytorchStreamWriter" not in str(error):
            raise
        free = shutil.disk_usage(part.parent).free / 1e6
        raise FaceLLMError(
            f"{part}: cannot be written ({str(error).splitlines()[0]}), {free:,.1f} MB are free; "
            "make room and go on with --resume"
        ) from error


def sync_tree(folder: Path) -> None:
    """Put every file below a folder on disk."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
    for path in [*(p for p in folder.rglob("*") if p.is_dir()), folder]:
        sync_folder(path)
