"""What a shard, and the whole corpus, holds: counts that can be added up.

Distinct questions cannot be added up, so each shard keeps the smallest digests of its questions;
the smallest of all shards together give the number: exactly while there are fewer than kept, else
within about 3 % (k minimum values: Bar-Yossef et al., "Counting distinct elements in a data
stream", RANDOM 2002).

Example: ``{"rows": 2000, "records": 5210, "turns": 13980, "tasks": {"age": {...}}, "rejected":
{"ferplus": {"decode: unreadable picture": 2}}, ...}``.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

from facellm.readers.row import Rejection

from ..questions import normalise
from .record import IMAGE, Record

KEPT = 1024  # digests
_DIGEST_BITS = 60


class Counts:
    """Counts of one shard while it is built."""

    def __init__(self) -> None:
        self.rows = 0
        self.tasks: dict[str, Any] = {}
        self.sources: dict[str, Any] = {}
        self.splits: dict[str, Any] = {}
        self.rejected: dict[str, dict[str, int]] = {}
        self.licences: dict[str, list[str]] = {}
        self.samples: dict[str, Any] = {}
        self._digests: set[int] = set()

    def add_rejection(self, rejection: Rejection) -> None:
        """Count a row that does not go on."""
        self.rows += 1
        reasons = self.rejected.setdefault(rejection.source, {})
        name = f"{rejection.step}: {rejection.reason}"
        reasons[name] = reasons.get(name, 0) + 1

    def add_records(self, records: Iterable[Record]) -> None:
        """Count a row by its records."""
        self.rows += 1
        for number, record in enumerate(records):
            turns = len(record.messages) // 2
            rows = 0 if number else 1  # a row counts with its first record
            for table, key in (
                (self.tasks, record.task),
                (self.sources, record.source),
                (self.splits, record.split),
            ):
                at = table.setdefault(key, {"rows": 0, "records": 0, "turns": 0})
                at["rows"] += 1 if table is self.tasks else rows
                at["records"] += 1
                at["turns"] += turns
            terms = self.licences.setdefault(record.source, [])
            if record.licence not in terms:
                terms.append(record.licence)
            self.samples.setdefault(record.task, sample_of(record))
            asked = (m.content for m in record.messages if m.role == "user")
            self._digests |= {digest(question) for question in asked}
            if len(self._digests) > 4 * KEPT:
                self._digests = set(smallest(self._digests))

    @property
    def turns(self) -> int:
        """Questions with their answers."""
        return sum(at["turns"] for at in self.splits.values())

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready, same for the same rows."""
        return {
            "rows": self.rows,
            "records": sum(at["records"] for at in self.splits.values()),
            "turns": self.turns,
            "tasks": self.tasks,
            "sources": self.sources,
            "splits": self.splits,
            "rejected": self.rejected,
            "licences": self.licences,
            "samples": self.samples,
            "questions": smallest(self._digests),
        }


def sample_of(record: Record) -> dict[str, str]:
    """First question and answer of a record."""
    question, answer = record.messages[0].content, record.messages[1].content
    return {
        "id": record.id,
        "split": record.split,
        "question": question.removeprefix(f"{IMAGE}\n"),
        "answer": answer,
    }


def digest(question: str) -> int:
    """60 bits of a question, case and punctuation left out."""
    text = normalise(question.removeprefix(f"{IMAGE}\n"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> (64 - _DIGEST_BITS)


def smallest(digests: Iterable[int]) -> list[int]:
    """The smallest digests that are kept, in order."""
    return sorted(set(digests))[:KEPT]


def distinct(digests: list[int]) -> int:
    """About how many different questions have left these digests."""
    if len(digests) < KEPT:
        return len(digests)
    return round((KEPT - 1) * 2**_DIGEST_BITS / digests[KEPT - 1])


def merge(parts: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Counts of all shards together; ``parts`` in the order of the shards."""
    total: dict[str, Any] = {"questions": []}
    for part in parts:
        questions = smallest([*total.pop("questions"), *part["questions"]])
        samples = {task: s | {"shard": part["shard"]} for task, s in part["samples"].items()}
        samples |= total.pop("samples", {})
        add(total, {k: v for k, v in part.items() if k not in _OWN})
        total |= {"questions": questions, "samples": samples}
    total["distinct_questions"] = distinct(total.pop("questions"))
    return total


_OWN = ("questions", "samples", "shard", "files")


def add(total: dict[str, Any], part: dict[str, Any]) -> None:
    """Add a tree of numbers, and lists of different words, to another in place."""
    for name, value in part.items():
        if isinstance(value, dict):
            add(total.setdefault(name, {}), value)
        elif isinstance(value, list):
            there = total.setdefault(name, [])
            there += [word for word in value if word not in there]
        else:
            total[name] = total.get(name, 0) + value
