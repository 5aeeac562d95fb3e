"""The Ray job of the docs gives the records of ``facellm build``, on a local Ray."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from corpus_toys import toy_environment
from pyarrow.dataset import dataset

from facellm.instruct_data.corpus.build import build
from facellm.instruct_data.corpus.config import load_config
from facellm.instruct_data.corpus.folder import CorpusFolder
from facellm.instruct_data.corpus.shards import read_shards
from facellm.instruct_data.corpus.tables import to_json

SCRIPT = Path(__file__).parents[2] / "docs" / "ray_build.py"


CONFIG = """\
name: toys
seed: 3
shard_rows: 6
sources: [{reader: "corpus_toys:read_toys", path: toys, faces: none, options: {rows: 30}}]
annotators: ["corpus_toys:LabelAnnotator"]
"""


@pytest.mark.long
def test_the_job_gives_the_records_of_the_builder(tmp_path):
    pytest.importorskip("ray", reason="optional: ray is not installed")
    (tmp_path / "toys.yaml").write_text(CONFIG)
    build(load_config(tmp_path / "toys.yaml"), tmp_path / "corpus", data=tmp_path)
    done = subprocess.run(
        [sys.executable, str(SCRIPT), "toys.yaml", ".", "out"],
        cwd=tmp_path,
        env=toy_environment() | {"RAY_AUTH_MODE": "disabled", "RAY_USAGE_STATS_ENABLED": "0"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    ours = {
        record.id: ([vars(m) for m in record.messages], to_json(record.labels), record.split)
        for record in read_shards(CorpusFolder(tmp_path / "corpus"))
    }
    table = dataset(tmp_path / "out" / "records", partitioning="hive").to_table()
    rows = table.to_pylist()
    theirs = {row["id"]: (row["messages"], row["labels"], row["split"]) for row in rows}
    assert theirs == ours
    assert len(table) == len(ours)
    assert keys_of((tmp_path / "out" / "rejected").glob("*"), "rejected") == keys_of(
        (tmp_path / "corpus").glob("rejected-*"), None
    )


def keys_of(files, field):
    """Keys of the rejections in files of JSON lines."""
    lines = [json.loads(line) for file in files for line in file.read_text().splitlines()]
    return sorted((line if field is None else json.loads(line[field]))["key"] for line in lines)
