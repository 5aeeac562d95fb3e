"""The steps of ``facellm build`` as a Ray Data job, for a cluster that has Ray already.

    python docs/ray_build.py corpus.yaml DATA OUT

Gives: OUT/records/split=train/*.parquet with the records of ``facellm build`` and OUT/rejected/*
with every row that did not become one. docs/ray.md explains it.
"""

from __future__ import annotations

import pickle
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import ray

from facellm.instruct_data.corpus.assembly import records_of
from facellm.instruct_data.corpus.build import one_thread, outcomes, without_folder
from facellm.instruct_data.corpus.config import CorpusConfig, load_config
from facellm.instruct_data.corpus.record import Rejection
from facellm.instruct_data.corpus.rows import Part, RowStream
from facellm.instruct_data.corpus.steps import new_steps
from facellm.instruct_data.corpus.tables import SCHEMA, to_json, to_table

BATCH = 512  # rows of one task


class Steps:
    """An actor: loads the landmark network once, then takes batches of rows through the steps."""

    def __init__(self, config: CorpusConfig, data: Path) -> None:
        self.config, self.data, self.steps = config, data, new_steps(config)

    def __call__(self, batch: dict[str, Any]) -> pa.Table:
        """Pickled rows -> records, and rejected rows in the last column."""
        items = [pickle.loads(item) for item in batch["item"]]
        records, rejected = [], []
        with one_thread():
            for item, outcome in outcomes(self.config, self.steps, items):
                if isinstance(outcome, Rejection):
                    rejected.append(to_json(asdict(without_folder(outcome, self.data))))
                else:
                    records += records_of(outcome, self.config.sources[item.source], self.data)
        kept = to_table(records).replace_schema_metadata()
        kept = kept.append_column("rejected", pa.nulls(len(kept), pa.string()))
        left_out = pa.table({"rejected": pa.array(rejected, pa.string())})
        return pa.concat_tables([kept, left_out], promote_options="default")


def build(config: CorpusConfig, data: Path, out: Path, parts: int) -> None:
    """Run the job on the cluster this process is connected to, ``parts`` actors side by side."""

    def rows_of(part: dict[str, Any]) -> Iterator[dict[str, bytes]]:
        mine = Part(part["id"] + 1, parts)
        for shard, items in RowStream(config, data).shards():
            if shard in mine:
                yield from ({"item": pickle.dumps(item)} for item in items)

    # Half a core each: where actors hold every core, nothing is left to read rows for them.
    done = (
        ray.data.from_items([{"id": part} for part in range(parts)], override_num_blocks=parts)
        .flat_map(rows_of, num_cpus=0.5)
        .map_batches(
            Steps,
            fn_constructor_args=(config, data),
            batch_size=BATCH,
            batch_format="numpy",
            concurrency=parts,
            num_cpus=0.5,
        )
        .materialize()
    )
    records = done.filter(lambda row: row["rejected"] is None).select_columns(SCHEMA.names)
    records.write_parquet(str(out / "records"), partition_cols=["split"])
    rejected = done.filter(lambda row: row["rejected"] is not None).select_columns(["rejected"])
    rejected.write_json(str(out / "rejected"))


if __name__ == "__main__":
    ray.init()  # or address="auto" on a cluster
    config_file, data_folder, out_folder = (Path(name).resolve() for name in sys.argv[1:])
    cores = int(ray.cluster_resources()["CPU"])
    build(load_config(config_file), data_folder, out_folder, cores)
