"""The journal of a run over many pictures: what is finished, kept on disk, one line a block.

Pictures are read in blocks of fixed size, so that a run that is killed and resumed cuts its batches
at the same places and its table is the same to the last digit. A clip has blocks of its own, of a
fixed number of sampled frames; each but the last holds what is needed to go on inside the clip.
Each finished block is one line, at once on disk; a line torn by a kill is dropped and its block
read again. The table is written from the journal when the last block is in.

Example::

    {"facellm": "0.1.0", "weights": "3468fd...", "pictures": 118, "columns": "default", ...}
    {"pictures": 32, "rows": [{"input": "a.jpg", ...}], "problems": [["b.jpg", "no face found"]]}
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from facellm.differences import differences
from facellm.errors import FaceLLMError
from facellm.table_columns import Row


@dataclass
class Block:
    """What some consecutive pictures gave, or a stretch of one clip.

    Attributes:
        pictures: How many were opened or tried.
        rows: Table rows, in order.
        problems: (file, reason) of pictures that gave no row, and of gaps in clips.
        unreadable: How many inputs could not be used at all.
        clips: 1 in a clip's last block.
        frames: Sampled frames of a clip.
        faceless: How many of the frames show no face; each of them is a row.
        gaps: How many of the problems are gaps in clips.
        state: How to go on inside a clip; None where the next input begins.
        clip: What is known of a clip, in its last block.
    """

    pictures: int = 0
    rows: list[Row] = field(default_factory=list)
    problems: list[tuple[str, str]] = field(default_factory=list)
    unreadable: int = 0
    clips: int = 0
    frames: int = 0
    faceless: int = 0
    gaps: int = 0
    state: dict[str, Any] | None = None
    clip: dict[str, Any] | None = None


@contextmanager
def resumable(out: Path) -> Iterator[None]:
    """Tell what the machine refuses while a table is made, and that the work done is kept.

    Args:
        out: The table.

    Raises:
        FaceLLMError: In place of an ``OSError``, such as a full disk.
    """
    try:
        yield
    except BrokenPipeError:  # whoever read our messages went away; no matter of the table
        raise
    except OSError as error:
        way = "; what is done is kept, --resume goes on" if journal_path(out).is_file() else ""
        reason = f"{error.filename or out}: {error.strerror or error}"
        raise FaceLLMError(f"{reason}{way}") from error


def journal_path(out: Path) -> Path:
    """The journal of a table."""
    return out.with_name(out.name + ".journal")


def check_unfinished(out: Path) -> None:
    """Refuse to resume a table that is finished, by whatever version, rather than replace it."""
    if out.is_file() and not journal_path(out).is_file():
        reason = f"is finished ({journal_path(out).name} is gone), so there is nothing to resume"
        raise FaceLLMError(f"{out}: {reason}; without --resume it is replaced")


class Journal:
    """The journal file of a table.

    ``blocks`` and ``inputs`` count what is finished, ``state`` says how to go on inside a clip.

    Args:
        path: The journal.
        run: What must not differ between the runs that share a journal, JSON-ready.
        resume: Go on with the journal that is there; otherwise it is replaced.

    Raises:
        FaceLLMError: If the journal to resume belongs to another run; the differences are listed.
    """

    def __init__(self, path: Path, run: dict[str, Any], *, resume: bool) -> None:
        self.path, self.blocks, self.inputs = path, 0, 0
        self.state: dict[str, Any] | None = None
        if resume and path.is_file():
            self._take_up(run)
        else:
            path.write_text(json.dumps(run) + "\n", encoding="utf-8")

    def _take_up(self, run: dict[str, Any]) -> None:
        """Check the first line, count whole blocks and cut off a torn one."""
        with self.path.open("rb") as file:
            first = file.readline()
            try:
                earlier = json.loads(first)
            except ValueError as error:
                raise FaceLLMError(f"{self.path}: not a journal of facellm") from error
            if different := differences(earlier, run):
                raise FaceLLMError(
                    f"{self.path}: cannot be resumed: {'; '.join(different)}; "
                    "without --resume the run starts anew"
                )
            whole = len(first)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                whole += len(line)
                self._count(Block(**json.loads(line)))
        os.truncate(self.path, whole)

    def append(self, block: Block) -> None:
        """Put a finished block on disk before going on."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(block), ensure_ascii=False) + "\n")
            file.flush()
            os.fsync(file.fileno())
        self._count(block)

    def _count(self, block: Block) -> None:
        self.blocks += 1
        self.inputs += block.pictures + block.clips
        self.state = block.state

    def __iter__(self) -> Iterator[Block]:
        """Every finished block, in order, one at a time."""
        with self.path.open(encoding="utf-8") as file:
            next(file)
            for line in file:
                record = json.loads(line)
                record["problems"] = [tuple(problem) for problem in record["problems"]]
                yield Block(**record)
