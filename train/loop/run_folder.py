"""The folder of a run: whose it is, who is at work in it.

    run.json              config, ranks, engine, digests of what it learns from: one folder, one run
    checkpoint-<step>/    the last ones (``checkpoints``)
    log.jsonl             one line every ``keep.log_every`` steps
    tensorboard/          where asked for
    model/                at the end: a ``from_pretrained`` folder, its adapter in ``model/adapter``

A run is locked by the file ``.lock`` while it is at work; the system lets go of the lock when the
process ends, however it ends.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from facellm.atomic import PART, read_json, told_in_words, write_json
from facellm.differences import differences, flat
from facellm.errors import FaceLLMError

from ..encoder_config import EncoderRun
from ..run_config import TrainRun
from .ds_config import own_config
from .run_inputs import digests

FORMAT = 1  # of the folder; a change makes older ones another run's
_LOCK = ".lock"


class RunFolder:
    """The folder of one run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.run_file, self.log_file = path / "run.json", path / "log.jsonl"
        self.model = path / "model"

    def open(self, record: dict[str, Any], *, resume: bool) -> None:
        """Make the folder this run's, or find that it already is.

        Args:
            record: What may not differ between the parts of the run (``record_of``).
            resume: Go on with what is there.

        Raises:
            FaceLLMError: If it holds anything and ``resume`` is not given, if it is another run's
                (the differences are listed), or if it cannot be made.
        """
        mine = json.loads(json.dumps(record))
        if self.run_file.is_file() and any(self.path.glob("checkpoint*")):
            if not resume:
                raise FaceLLMError(f"{self.path}: already holds a run; --resume goes on with it")
            self._check(read_json(self.run_file), mine)
        elif not self.run_file.is_file():  # a run that ended before its first checkpoint is none
            self._refuse_strangers()
        write_json(self.run_file, mine)

    def _refuse_strangers(self) -> None:
        names = sorted(path.name for path in self.path.iterdir())
        strange = [name for name in names if name != _LOCK and not name.endswith(PART)]
        if strange:
            raise FaceLLMError(f"{self.path}: is not empty and no run ({', '.join(strange[:3])})")

    def _check(self, there: dict[str, Any], mine: dict[str, Any]) -> None:
        different = [
            told
            for told in differences(flat(there), flat(mine))
            if not told.startswith("config.keep.")
        ]
        if different:
            raise FaceLLMError(
                f"{self.path}: holds a run of another config or data: {'; '.join(different)}; "
                "only keep.* may change"
            )

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Be the only process at work in the folder; it is made where missing.

        Raises:
            FaceLLMError: If another one is, or the folder cannot be made.
        """
        import fcntl  # POSIX, as DeepSpeed and the builder

        if self.path.is_file():
            raise FaceLLMError(f"{self.path}: is a file, not a folder")
        with told_in_words(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = os.open(self.path / _LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                raise FaceLLMError(f"{self.path}: another run is at work in it") from error
            yield
        finally:
            os.close(handle)


def load_record(path: Path) -> dict[str, Any]:
    """``run.json`` of a folder; ``FaceLLMError`` where there is none."""
    if not (path / "run.json").is_file():
        raise FaceLLMError(f"{path}: no run lies here (run.json missing)")
    return read_json(path / "run.json")


def record_of(run: TrainRun | EncoderRun, world: int) -> dict[str, Any]:
    """What may not differ between the parts of a run, JSON-ready; ``keep`` is left out of that."""
    record: dict[str, Any] = {"format": FORMAT, "config": run.to_dict(), "ranks": world}
    record["inputs"] = digests(run)
    if isinstance(run, TrainRun) and run.engine.config:
        record["deepspeed"] = own_config(Path(run.engine.config))
    return record
