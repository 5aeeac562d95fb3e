"""Counts and card of a corpus whose shards are all there."""

from __future__ import annotations

from typing import Any

from facellm.atomic import read_json, write_json, write_text

from .card import card_text, write_samples
from .config import CorpusConfig
from .counts import merge
from .folder import CorpusFolder
from .spending import spent


def finish(folder: CorpusFolder, config: CorpusConfig) -> dict[str, Any] | None:
    """Write ``counts.json`` and ``README.md`` where every shard is there.

    Whoever comes last writes them; two that come at once write the same.

    Returns:
        The counts, or None where shards are missing.
    """
    rows = read_json(folder.rows_file)
    finished = folder.finished()
    if len(finished) < rows["shards"]:
        return None
    counts = merge(read_json(folder.counts_of(shard)) for shard in finished)
    counts |= {"read": rows["sources"], "shards": len(finished)}
    if bill := spent(folder):
        counts["endpoints"] = bill
    samples = write_samples(folder, counts)
    write_json(folder.counts_file, counts)
    write_text(folder.card_file, card_text(config, counts, samples))
    return counts
