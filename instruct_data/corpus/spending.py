"""What endpoints were asked for a corpus, and what it cost: a ledger a shard, on disk at once.

    counts/spent-00007.jsonl    a line for every answer while shard 7 is built, then one in all

A run that is killed has paid for its answers too, so every answer is noted before it is used, and
whoever resumes the shard goes on with its ledger. An answer from the cache is a line as well, and
costs nothing. Ledgers are added up when the corpus is finished.

Example of a line: ``{"openai: m": {"requests": 1, "prompt_tokens": 812, "completion_tokens": 96,
"cost": 0.00021}}``.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import IO, Any, Protocol, runtime_checkable

from facellm.atomic import told_in_words, write_text
from facellm.errors import FaceLLMError

from .counts import add
from .folder import CorpusFolder
from .record import Step

COST_DIGITS = 6
Spent = dict[str, dict[str, float]]


@runtime_checkable
class Spender(Protocol):
    """A step or an annotator that pays for answers."""

    @property
    def account(self) -> str:
        """What its counts stand under: ``openai: model``."""
        ...

    def on_spending(self, note: Callable[[Mapping[str, float]], None] | None) -> None:
        """Call ``note`` with the numbers of every answer from now on; with None nobody."""
        ...


def spenders(steps: Iterable[Step]) -> list[Spender]:
    """Those among steps, and the annotators of steps, that pay."""
    found = [who for step in steps for who in (step, *getattr(step, "annotators", ()))]
    return [who for who in found if isinstance(who, Spender)]


@contextmanager
def ledger(folder: CorpusFolder, shard: int, who: Sequence[Spender]) -> Iterator[None]:
    """Keep a shard's ledger while it is built; there is none where nobody pays.

    Raises:
        FaceLLMError: If the disk is full or the ledger cannot be read.
    """
    if not who:
        yield
        return
    file = ledger_of(folder, shard)
    if file.is_file():  # a kill may have torn its last line
        _close(file)
    with told_in_words(file):
        lines = file.open("ab", buffering=0)
    with lines:
        try:
            for one in who:
                one.on_spending(partial(_note, lines, file, one.account))
            yield
        finally:
            for one in who:
                one.on_spending(None)
    _close(file)


def ledger_of(folder: CorpusFolder, shard: int) -> Path:
    """The file of a shard's ledger."""
    return folder.rows_file.parent / f"spent-{shard:05d}.jsonl"


def spent(folder: CorpusFolder) -> Spent:
    """What every endpoint was asked for the corpus so far; empty where none was."""
    bill = _sum(sorted(folder.rows_file.parent.glob("spent-*.jsonl")))
    for counted in bill.values():
        if "cost" in counted:
            counted["cost"] = round(counted["cost"], COST_DIGITS)
    return bill


def told(bill: Spent) -> list[str]:
    """A line for every endpoint, for people."""
    lines = []
    for account, counted in bill.items():
        asked, answered, requests, cached = (
            int(counted.get(name, 0))
            for name in ("prompt_tokens", "completion_tokens", "requests", "cached")
        )
        cost = f", cost {counted['cost']:.4f}" if "cost" in counted else ""
        lines.append(
            f"{account}: {requests:,} requests, {cached:,} answers from the cache, "
            f"{asked:,} + {answered:,} tokens in and out{cost}"
        )
    return lines


def _note(lines: IO[bytes], file: Path, account: str, more: Mapping[str, float]) -> None:
    with told_in_words(file):
        lines.write((json.dumps({account: dict(more)}) + "\n").encode())  # in one piece


def _close(file: Path) -> None:
    """Leave one line that says the same."""
    total = _sum([file])
    write_text(file, json.dumps(total) + "\n" if total else "")


def _sum(files: Iterable[Path]) -> Spent:
    total: dict[str, Any] = {}
    for file in files:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, start=1):
                if not line.endswith(b"\n"):  # torn by a kill: its answer was not used
                    continue
                try:
                    add(total, json.loads(line))
                except (ValueError, TypeError) as error:
                    raise FaceLLMError(f"{file}, line {number}: no ledger ({error})") from error
    return {account: total[account] for account in sorted(total)}
