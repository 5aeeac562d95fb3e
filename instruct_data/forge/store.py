"""A folder of made pictures: written part by part, resumed by the same command, one writer at once.

    out/manifest.json        what the run is, whether it is complete, counts
    out/parts/00003.jsonl    one line a record or a rejection; a part that is there is finished
    out/records.jsonl        all records, once the last part is in
    out/rejected.jsonl       every source that could not be used, with its reason
    out/pictures/ out/masks/ what records name

A part is renamed into place after its pictures are written, so a kill leaves no part that reads as
whole; the same command makes the missing ones again. The disk is synchronised once, before the
folder is called complete. Nothing in a part depends on other parts or on who made it.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from facellm.atomic import whole_file
from facellm.differences import differences
from facellm.errors import FaceLLMError

MANIFEST, RECORDS, REJECTED = "manifest.json", "records.jsonl", "rejected.jsonl"
COUNTED = ("family", "method", "split")


class Store:
    """The folder, locked while it is open.

    Args:
        out: The folder; made where its parent exists.
        run: What must be the same for all parts of one folder, JSON-ready.
        n_parts: How many parts make it complete.

    Raises:
        FaceLLMError: If another command writes it, if it holds another run, or something else.
    """

    def __init__(self, out: Path, run: dict[str, Any], n_parts: int) -> None:
        self.out, self.run, self.n_parts = out, run, n_parts

    def __enter__(self) -> Store:
        if self.out.exists() and not self.out.is_dir():
            raise FaceLLMError(f"{self.out}: is a file, not a folder")
        if not self.out.parent.is_dir():
            raise FaceLLMError(f"{self.out}: the folder {self.out.parent} does not exist")
        self.out.mkdir(exist_ok=True)
        foreign = [path.name for path in self.out.iterdir() if path.name != ".lock"]
        if foreign and not (self.out / MANIFEST).is_file():
            raise FaceLLMError(
                f"{self.out}: holds {foreign[0]} and no {MANIFEST}; take a new folder"
            )
        self._lock = (self.out / ".lock").open("w")
        try:
            # The kernel lets go of it when the process ends, however it ends.
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise FaceLLMError(f"{self.out}: another command is writing this folder") from error
        try:
            self._take_up()
        except BaseException:
            self._lock.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._lock.close()

    def _take_up(self) -> None:
        """Start a manifest, or check that the one there is of the same run."""
        (self.out / "parts").mkdir(exist_ok=True)
        if not (self.out / MANIFEST).is_file():
            self._write_manifest({"complete": False})
            return
        earlier = read_manifest(self.out)["run"]
        if different := differences(earlier, self.run):
            raise FaceLLMError(
                f"{self.out}: holds another run: {'; '.join(different)}; take a new folder"
            )

    def missing(self) -> list[int]:
        """Numbers of the parts that are not finished."""
        return [part for part in range(self.n_parts) if not part_path(self.out, part).is_file()]

    def join(self, look: Callable[[dict[str, Any]], None] | None = None) -> dict[str, Any]:
        """Join the parts, one line at a time.

        Args:
            look: Called with every record.

        Returns:
            Counts of records and rejections.
        """
        tally: dict[str, Counter[str]] = {name: Counter() for name in COUNTED}
        reasons: Counter[str] = Counter()
        with (
            whole_file(self.out / RECORDS, sync=False) as records,
            whole_file(self.out / REJECTED, sync=False) as rejected,
        ):
            for part in range(self.n_parts):
                for line in read_lines(part_path(self.out, part)):
                    if "reason" in line:
                        reasons[line["reason"]] += 1
                        rejected.write(as_lines([line]))
                        continue
                    for name, counter in tally.items():
                        counter[line[name] or "real"] += 1
                    records.write(as_lines([line]))
                    if look is not None:
                        look(line)
        by = {f"by_{name}": dict(sorted(counter.items())) for name, counter in tally.items()}
        total = {"records": tally["split"].total(), "rejected": reasons.total()}
        return {**total, **by, "by_reason": dict(sorted(reasons.items()))}

    def complete(self, entries: dict[str, Any]) -> dict[str, Any]:
        """Put everything on disk and mark the folder complete; the manifest."""
        os.sync()  # once: a file at a time it would take as long as a picture does
        return self._write_manifest({"complete": True, **entries})

    def _write_manifest(self, entries: dict[str, Any]) -> dict[str, Any]:
        manifest = {"run": self.run, **entries}
        text = json.dumps(manifest, indent=1, ensure_ascii=False) + "\n"
        write_whole(self.out / MANIFEST, text.encode())
        return manifest


def part_path(out: Path, part: int) -> Path:
    """File of a part."""
    return out / "parts" / f"{part:05d}.jsonl"


def file_of(out: Path, kind: str, index: int, name: str) -> tuple[Path, str]:
    """Where picture ``index`` lies: its file, and the same relative to ``out``.

    A thousand items share a folder; the folder is made.
    """
    place = f"{kind}/{index // 1000:04d}/{name}"
    path = out / place
    path.parent.mkdir(parents=True, exist_ok=True)
    return path, place


def write_whole(path: Path, data: bytes) -> None:
    """Write a file that is there whole or not at all."""
    with whole_file(path, sync=False) as file:
        file.write(data)


def as_lines(records: list[dict[str, Any]]) -> bytes:
    """One JSON line a record."""
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records).encode()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Records of a file of JSON lines.

    Raises:
        FaceLLMError: If a line is not JSON; the message names file and line.
    """
    with path.open(encoding="utf-8") as file:
        for number, line in enumerate(file, start=1):
            try:
                yield json.loads(line)
            except ValueError as error:
                raise FaceLLMError(f"{path}, line {number}: not JSON ({error})") from error


def read_manifest(out: Path) -> dict[str, Any]:
    """The manifest of a folder.

    Raises:
        FaceLLMError: If there is none or it is not one.
    """
    path = out / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise FaceLLMError(f"{path}: {error.strerror}") from error
    except ValueError as error:
        raise FaceLLMError(f"{path}: not JSON ({error})") from error
    if not isinstance(manifest, dict) or not isinstance(manifest.get("run"), dict):
        raise FaceLLMError(f"{path}: not a manifest of facellm")
    return manifest
