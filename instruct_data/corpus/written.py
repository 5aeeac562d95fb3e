"""Records from elsewhere -> a corpus folder, in shards like a built one."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

from .config import CorpusConfig, PluginConfig, SourceConfig
from .export_command import check_empty
from .finish import finish
from .folder import CorpusFolder
from .record import Record
from .shards import ShardWriter

SHARD_RECORDS = 10_000


def write_corpus(records: Iterable[Record], source: SourceConfig, by: str, out: Path) -> Any:
    """Write records as a corpus into the new folder ``out``.

    Args:
        records: In order.
        source: Where they come from, in the words of a config: what the manifest keeps.
        by: Who wrote the answers.
        out: Missing or empty.

    Returns:
        The counts, as in ``counts.json``.

    Raises:
        FaceLLMError: If there are no records, or the folder is not empty.
    """
    check_empty(out)
    config = CorpusConfig((source,), (PluginConfig(by),), name=by)
    folder = CorpusFolder(out)
    folder.open(config)
    waiting, shards, rows = iter(records), 0, 0
    while group := list(islice(waiting, SHARD_RECORDS)):
        with folder.locked(shards), ShardWriter(folder, shards) as writer:
            for record in group:
                writer.write_records([record])
        shards, rows = shards + 1, rows + len(group)
    if not shards:
        raise FaceLLMError(f"{source.path}: holds no records")
    read = {"reader": source.reader, "path": source.path, "rows": rows}
    folder.tell_rows({"rows": rows, "shards": shards, "sources": [read]})
    return finish(folder, config) or {}
