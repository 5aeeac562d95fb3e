"""Answers of an endpoint kept on disk: a run that is repeated asks, and pays, for nothing again.

One SQLite file, a row per request, by the hash of everything that was sent. Several threads and
processes may share it; a row is there as a whole or not at all.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

BUSY_SECONDS = 60.0  # another process may be writing
_TABLE = (
    "CREATE TABLE IF NOT EXISTS replies (key TEXT PRIMARY KEY, text TEXT NOT NULL, "
    "prompt_tokens INTEGER NOT NULL, completion_tokens INTEGER NOT NULL)"
)


@dataclass(frozen=True)
class Reply:
    """What came back: text and the tokens it cost."""

    text: str
    prompt_tokens: int = 0
    completion_tokens: int = 0


def request_key(url: str, request: dict[str, Any]) -> str:
    """Hash of an address and a whole request, pictures included."""
    text = json.dumps([url, request], sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


class ResponseCache:
    """See the module docstring.

    Args:
        path: The file; its folder is made. None keeps nothing.

    Raises:
        FaceLLMError: If the file cannot be opened, or is no cache of ours; so do both methods where
            it can no longer be read or written (a full disk).
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = threading.Lock()
        self._file: sqlite3.Connection | None = None
        if path is not None:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._file = sqlite3.connect(path, BUSY_SECONDS, check_same_thread=False)
                self._file.execute("PRAGMA journal_mode=WAL")
                # Whole after a killed process; only a power cut may take the last rows.
                self._file.execute("PRAGMA synchronous=NORMAL")
                self._do(_TABLE)
            except (OSError, sqlite3.Error) as error:
                raise self._unusable(error) from error

    def get(self, key: str) -> Reply | None:
        """The reply kept under a key, or None."""
        rows = self._do(
            "SELECT text, prompt_tokens, completion_tokens FROM replies WHERE key = ?", (key,)
        )
        return Reply(*rows[0]) if rows else None

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply."""
        row = (key, reply.text, reply.prompt_tokens, reply.completion_tokens)
        self._do("INSERT OR REPLACE INTO replies VALUES (?, ?, ?, ?)", row)

    def _do(self, statement: str, values: tuple[Any, ...] = ()) -> list[Any]:
        if self._file is None:
            return []
        try:
            with self._lock, self._file as file:
                return file.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> FaceLLMError:
        return FaceLLMError(f"{self.path}: the cache of replies cannot be used ({error})")
