"""One JSON line a request: what helps to mend, nothing of what was sent.

Example::

    {"time": 1795430000.1, "id": "5f0c...", "route": "/v1/readings", "status": 200, "ms": 84.1,
     "pictures": [{"sha256": "9f86d081884c", "size": [512, 512], "faces": 1}]}
"""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import IO, Any


@dataclass
class RequestRecord:
    """What is known of a request while it is answered.

    Attributes:
        id: Of the request.
        pictures: Hash prefix, dimensions and number of faces of each picture.
        code: Of its error.
        trace: Of an error inside the server: places in code, no values.
        gone: The client went away.
    """

    id: str
    pictures: list[dict[str, Any]] = field(default_factory=list)
    code: str | None = None
    trace: str | None = None
    gone: bool = False


def hash_prefix(data: bytes) -> str:
    """12 digits of SHA-256, by which two requests about one picture are seen to be."""
    return hashlib.sha256(data).hexdigest()[:12]


class RequestLog:
    """Writes lines.

    Args:
        stream: Where to; None writes none.
    """

    def __init__(self, stream: IO[str] | None) -> None:
        self.stream = stream

    def write(self, record: RequestRecord, route: str, status: int, seconds: float) -> None:
        """One line."""
        if self.stream is None:
            return
        line: dict[str, Any] = {"time": round(time.time(), 3), "id": record.id, "route": route}
        line |= {"status": status, "ms": round(1000 * seconds, 1)}
        for name in ("pictures", "code", "trace", "gone"):
            if value := getattr(record, name):
                line[name] = value
        self.stream.write(json.dumps(line) + "\n")
        self.stream.flush()
