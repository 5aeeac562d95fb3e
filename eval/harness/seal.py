"""Test splits are sealed: a score on one is printed with ``--final`` only, and every use is told.

A test split that is looked at for every choice becomes a validation split. So without ``--final``
the validation split is used, and each use of a test split is a line in ``final_uses.jsonl`` of the
evaluation folder (``store.eval_folder``), whose number is printed beside the score.

Example line::

    {"at": "2026-11-23T12:00:00+00:00", "task": "ferplus", "version": 1, "model": "facellm ...",
     "digest": "ab12...", "n": 3573, "limit": null}
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from facellm.errors import FaceLLMError

from .asking import Model
from .store import eval_folder
from .task import SPLITS, TEST, VALID, Task

USES = "final_uses.jsonl"


def split_to_use(split: str | None, *, final: bool) -> str:
    """The split a run takes: ``valid`` unless told; ``test`` needs ``--final``, and it ``test``.

    Raises:
        FaceLLMError: If the two do not fit, or there is no such split.
    """
    if split is not None and split not in SPLITS:
        raise FaceLLMError(f"--split {split}: must be one of {', '.join(SPLITS)}")
    if split == TEST and not final:
        raise FaceLLMError(
            "the test split is sealed: --final opens it, and every use is logged; without it the "
            "validation split is used"
        )
    if final and split not in (None, TEST):
        raise FaceLLMError(f"--final is for the test split, not for {split}")
    return TEST if final else split or VALID


@dataclass(frozen=True)
class FinalUse:
    """One look at a test split.

    Attributes:
        task: Which one.
        model: Who was measured.
        n: Samples.
        limit: Of the run, or None.
    """

    task: Task
    model: Model
    n: int
    limit: int | None

    def log(self, folder: Path | None = None) -> int:
        """Write it down; how often this task's test split was used before with other weights."""
        file = (folder or eval_folder()) / USES
        earlier = earlier_uses(file)
        record = {
            "at": datetime.now(UTC).isoformat(timespec="seconds"),
            "task": self.task.name,
            "version": self.task.version,
            "model": self.model.name,
            "digest": self.model.digest,
            "n": self.n,
            "limit": self.limit,
        }
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with file.open("a", encoding="utf-8") as out:
                out.write(json.dumps(record) + "\n")
        except OSError as error:
            raise FaceLLMError(
                f"{file}: a use of a test split cannot be logged ({error})"
            ) from error
        others = {r["digest"] for r in earlier if r["task"] == self.task.name}
        return len(others - {self.model.digest})


def earlier_uses(file: Path) -> list[dict[str, object]]:
    """What the log holds.

    Raises:
        FaceLLMError: If a line is damaged.
    """
    if not file.is_file():
        return []
    found = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            found.append(json.loads(line))
        except ValueError as error:
            raise FaceLLMError(f"{file}, line {number}: not JSON ({error})") from error
    return found
