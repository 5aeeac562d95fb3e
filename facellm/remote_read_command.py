"""The part of ``facellm read`` that lets a running server read: the same tables, no weights here.

Pictures go to the server some at a time; a picture it does not take is a problem with its reason.

Example::

    $ facellm read holiday/ -o faces.csv --server http://127.0.0.1:8000
    118 pictures, 163 faces, 9 without a face, 2 unreadable (see faces.csv.problems.csv)
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from facellm.clip.opening import is_clip
from facellm.errors import FaceLLMError
from facellm.face import BoundingBox, Face, Landmarks
from facellm.journal import Block
from facellm.labels import ACTION_UNITS
from facellm.picture_files import find_pictures, shown_name
from facellm.read_command import check_any_read, print_table
from facellm.reading import Reading
from facellm.remote import Remote, RemoteError, as_data_uri, refuse_local
from facellm.table_columns import ColumnSet, TableEntry
from facellm.table_notes import column_record
from facellm.tables import TableFile, column_set, table_row
from facellm.tally import Tally, problems_path, write_problems

READINGS = "/v1/readings"
NO_FACE = "no face found"
MOST_CHARACTERS = 30_000_000  # of the pictures of one request
LOCAL_ONLY = (
    "model", "engine", "baseline", "resume", "workers", "batch", "frames", "fps", "smooth"
)  # fmt: skip


@dataclass(frozen=True)
class Desk:
    """What turns a server's answers into rows.

    Attributes:
        remote: The server.
        model: What it says of itself.
        columns: Of the table.
        units: Action units that are filled.
        crops: Every picture is one face crop.
    """

    remote: Remote
    model: dict[str, Any]
    columns: ColumnSet
    units: tuple[int, ...]
    crops: bool


def read_remotely(args: argparse.Namespace, usual: argparse.ArgumentParser) -> int:
    """Let the server read, and write the table; ``FaceLLMError`` for input that gives none."""
    refuse_local(args, usual, *LOCAL_ONLY)
    files, left_out = find_pictures(args.paths)
    remote = Remote(args.server, args.api_key)
    model = remote.get("/v1/models")["data"][0]
    units = ACTION_UNITS if args.all_units else tuple(model["units_on_real_faces"])
    desk = Desk(remote, model, column_set(args.columns), units, args.crops)
    if args.out is None:
        tally = print_table(desk.columns, blocks(desk, files))
    else:
        tally = to_file(desk, files, args.out)
    if not args.quiet:
        where = "listed above" if args.out is None else f"see {problems_path(args.out)}"
        other = f", {left_out} other files left out" if left_out else ""
        print(tally.summary(where) + other, file=sys.stderr)
    return 0


def to_file(desk: Desk, files: Sequence[Path], out: Path) -> Tally:
    """A table that appears when it is complete, its problems and how it came about."""
    from facellm.tables import check_table_path

    check_table_path(out)
    tally = Tally()
    with TableFile(out, desk.columns.columns) as writer:
        for block in blocks(desk, files):
            writer.write(block.rows)
            tally.add(block)
        write_problems(out, tally)
        check_any_read(tally)
        told = json.dumps(manifest(desk, tally), indent=2, ensure_ascii=False)
        out.with_name(out.name + ".manifest.json").write_text(told + "\n", encoding="utf-8")
    return tally


def manifest(desk: Desk, tally: Tally) -> dict[str, Any]:
    """How the table came about, JSON-ready."""
    return {
        "facellm": version("facellm"),
        "written": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": shlex.join(["facellm", *without_key(sys.argv[1:])]),
        "server": desk.remote.url,
        "weights": desk.model["weights"],
        "engine": desk.model["engine"],
        "thresholds": {"units_filled": list(desk.units)},
        "counts": tally.counts(),
        "columns": [column_record(name) for name in desk.columns.columns],
    }


def without_key(words: Sequence[str]) -> list[str]:
    """A command line that may be shown: its API key is left out."""
    hidden = ["..." if before == "--api-key" else word
              for before, word in zip(["", *words], words, strict=False)]  # fmt: skip
    return ["--api-key=..." if word.startswith("--api-key=") else word for word in hidden]


def blocks(desk: Desk, files: Sequence[Path]) -> Iterator[Block]:
    """What the files give, some at a time, in their order."""
    most = int(desk.model["limits"]["images"])
    waiting: list[tuple[Path, str]] = []
    for path in files:
        url = url_or_reason(path)
        if isinstance(url, Block):
            yield from sent(desk, waiting)
            waiting = []
            yield url
            continue
        if len(waiting) == most or sum(len(u) for _, u in waiting) + len(url) > MOST_CHARACTERS:
            yield from sent(desk, waiting)
            waiting = []
        waiting.append((path, url))
    yield from sent(desk, waiting)


def url_or_reason(path: Path) -> str | Block:
    """A picture as a data URI, or a block that says why it cannot be sent."""
    name = shown_name(path)
    try:
        if not path.is_file():
            raise FaceLLMError("no such file")
        if is_clip(path):
            reason = "is a clip; a server reads pictures, and answers about clips (`ask`)"
            return Block(clips=1, unreadable=1, problems=[(name, reason)])
        return as_data_uri(path.read_bytes())
    except (FaceLLMError, OSError) as error:
        reason = str(error).removeprefix("picture: ").removeprefix(f"{path}: ")
        return Block(pictures=1, unreadable=1, problems=[(name, reason)])


def sent(desk: Desk, waiting: Sequence[tuple[Path, str]]) -> Iterator[Block]:
    """Send pictures; where none of them is taken they are told apart one by one."""
    if not waiting:
        return
    body = {"images": [url for _, url in waiting], "landmarks": True, "crops": desk.crops}
    try:
        data = desk.remote.post(READINGS, body)["data"]
    except RemoteError as error:
        if error.status not in (400, 413, 415, 504):
            raise
        if len(waiting) > 1:
            for one in waiting:
                yield from sent(desk, [one])
            return
        data = [{"faces": [], "error": {"message": error.reason}}]
    for (path, _), entry in zip(waiting, data, strict=True):
        yield block_of(desk, shown_name(path), entry)


def block_of(desk: Desk, name: str, entry: dict[str, Any]) -> Block:
    """Rows of one picture."""
    if entry["error"] is not None:
        reason = str(entry["error"]["message"])
        return Block(pictures=1, unreadable=1, problems=[(name, reason)])
    if not entry["faces"]:
        return Block(pictures=1, problems=[(name, NO_FACE)])
    entries = [
        TableEntry(name, found["id"], face_of(found["place"]), reading, desk.units)
        for found in entry["faces"]
        for reading in [Reading.from_dict(found["reading"])]
    ]
    return Block(pictures=1, rows=[table_row(one, desk.columns) for one in entries])


def face_of(place: dict[str, Any]) -> Face:
    """Box, points and score as the server found them."""
    points = place["landmarks"]
    landmarks = None if points is None else Landmarks(np.asarray(points, np.float32))
    return Face(BoundingBox(*place["box_xyxy"]), landmarks, place["score"])
