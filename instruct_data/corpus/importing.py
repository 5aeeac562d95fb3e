"""Records of another layout -> a corpus folder, in shards like a built one."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

from facellm.errors import FaceLLMError

from .config import CorpusConfig, PluginConfig, SourceConfig
from .exchange import FORMATS
from .export_command import check_empty
from .finish import finish
from .folder import CorpusFolder
from .shards import ShardWriter

SHARD_RECORDS = 10_000


def import_records(path: Path, form: str, out: Path) -> dict[str, Any]:
    """Write the records of ``path`` as a corpus into the new folder ``out``.

    Returns:
        The counts, as in ``counts.json``.

    Raises:
        FaceLLMError: If a record does not fit, by its number, or there are none.
    """
    check_empty(out)
    # The source and who wrote the answers, in the words of a config: what the manifest keeps.
    source = SourceConfig(form, path.name, faces="none")
    config = CorpusConfig((source,), (PluginConfig("imported"),), name="imported")
    folder = CorpusFolder(out)
    folder.open(config)
    records, shards, rows = FORMATS[form].read(path), 0, 0
    while group := list(islice(records, SHARD_RECORDS)):
        with folder.locked(shards), ShardWriter(folder, shards) as writer:
            for record in group:
                writer.write_records([record])
        shards, rows = shards + 1, rows + len(group)
    if not shards:
        raise FaceLLMError(f"{path}: holds no records")
    read = {"reader": form, "path": path.name, "rows": rows}
    folder.tell_rows({"rows": rows, "shards": shards, "sources": [read]})
    return finish(folder, config) or {}
