"""The engine: the same bytes however it is run, nothing lost, nothing half written."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from corpus_toys import PluginConfig, files_of, read_toys, toy_config, toy_environment

from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus.build import build, run
from facellm.instruct_data.corpus.folder import CorpusFolder
from facellm.instruct_data.corpus.index import make_index
from facellm.instruct_data.corpus.rows import Job, Part
from facellm.instruct_data.corpus.shards import read_shards

CONFIG = toy_config()
DUPLICATES = PluginConfig("corpus_toys:SameBytes")


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The toy corpus, built by one process without a break."""
    out = tmp_path_factory.mktemp("whole") / "corpus"
    build(CONFIG, out, data=out.parent)
    return out


def readable(out):
    """Every Parquet file under its own name is whole, and every counted shard has its files."""
    for path in out.glob("*.parquet"):
        pq.read_table(path)
    for path in out.glob("rejected-*.jsonl"):
        [json.loads(line) for line in path.read_text().splitlines()]
    return CorpusFolder(out).finished()


def test_every_row_is_a_record_or_a_rejection(whole):
    counts = json.loads((whole / "counts.json").read_text())
    kept = {record.id.rpartition("/")[0] for record in read_shards(CorpusFolder(whole))}
    lines = [
        json.loads(line)
        for path in sorted(whole.glob("rejected-*.jsonl"))
        for line in path.read_text().splitlines()
    ]
    rows = {f"toys/{row.key}" for row in read_toys("toys", 20)}
    assert kept | {f"{line['source']}/{line['key']}" for line in lines} == rows
    assert len(kept) + len(lines) == counts["rows"] == 20
    assert counts["rejected"] == {"toys": {"decode: unreadable picture": len(lines)}}
    assert all("row" in line["where"] and line["detail"] for line in lines)
    assert counts["turns"] == 3 * len(kept)
    assert counts["tasks"]["age"] == {"rows": 18, "records": 18, "turns": 36}
    assert sum(at["rows"] for at in counts["splits"].values()) == 18


def test_rows_that_a_reader_refuses_are_counted_whatever_their_split(tmp_path):
    source = replace(CONFIG.sources[0], reader="corpus_toys:read_some_bad", options={})
    source = replace(source, splits=("train",))
    config = replace(CONFIG, sources=(source,), dedupe=DUPLICATES)
    counts = build(config, tmp_path / "out", data=tmp_path)
    reasons = {"read: label outside the set": 4, "decode: unreadable picture": 0}
    assert counts["rejected"]["toys"] == {k: v for k, v in reasons.items() if v}
    assert counts["splits"].keys() == {"train"}
    kept = counts["splits"]["train"]["rows"]
    assert counts["rows"] == 4 + kept
    assert counts["read"][0]["other_splits"] == 12 - counts["rows"]


def test_a_file_holds_one_split_only(whole):
    for path in whole.glob("*.parquet"):
        assert set(pq.read_table(path, columns=["split"])["split"].to_pylist()) == {
            path.stem.rpartition("-")[2]
        }


@pytest.mark.parametrize("parts", [2, 3, 7])
def test_parts_give_the_bytes_of_one_process(whole, tmp_path, parts):
    for index in reversed(range(1, parts + 1)):
        assert not (tmp_path / "out" / "counts.json").exists()
        build(CONFIG, tmp_path / "out", data=tmp_path, shard=(index, parts))
    assert files_of(tmp_path / "out") == files_of(whole)


@pytest.mark.slow
def test_workers_give_the_bytes_of_one_process(whole, tmp_path):
    run(Job(CONFIG, tmp_path, tmp_path / "out"), workers=2)
    assert files_of(tmp_path / "out") == files_of(whole)


def test_another_seed_asks_other_questions(whole, tmp_path):
    build(toy_config(seed=4), tmp_path / "out", data=tmp_path)
    other = files_of(tmp_path / "out")
    assert other["rejected-00001.jsonl"] == files_of(whole)["rejected-00001.jsonl"]
    assert other["shard-00000-train.parquet"] != files_of(whole)["shard-00000-train.parquet"]


def test_killed_at_any_write_it_leaves_whole_shards_and_resumes_to_the_same(tmp_path):
    """A process is killed at its n-th fsync, for every n there is; nothing in it can tidy up."""
    config, kills, number = toy_config(rows=7, shard_rows=4), 0, 1
    build(config, tmp_path / "whole", data=tmp_path)
    unbroken = files_of(tmp_path / "whole")
    while True:
        out = tmp_path / str(number)
        child = os.fork()
        if child == 0:
            die_at_fsync(number)
            build(config, out, data=tmp_path)
            os._exit(0)
        if os.waitpid(child, 0)[1] == 0:
            break
        kills += 1
        finished = readable(out)
        build(config, out, data=tmp_path, resume=True)
        assert set(finished) <= set(readable(out))
        left = {name for name in files_of(out) if not name.endswith(".part")}
        assert {name: files_of(out)[name] for name in left} == unbroken
        number += 1
    assert kills > 20


def die_at_fsync(number):
    calls, fsync = [], os.fsync

    def count_down(handle):
        calls.append(handle)
        if len(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        fsync(handle)

    os.fsync = count_down


@pytest.mark.slow
def test_the_command_killed_from_outside_resumes_to_the_same(whole, tmp_path):
    (tmp_path / "toys.yaml").write_text(TOYS)
    command = [sys.executable, "-m", "facellm", "build", "toys.yaml", "--data", ".", "-o", "out"]
    environment = toy_environment()
    process = subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
    while not list(tmp_path.glob("out/counts/0*.json")) and process.poll() is None:
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert len(readable(tmp_path / "out")) < 4
    done = subprocess.run([*command, "--resume"], cwd=tmp_path, env=environment, check=True)
    assert done.returncode == 0
    shards = {n: data for n, data in files_of(tmp_path / "out").items() if n.endswith(".parquet")}
    assert shards == {n: data for n, data in files_of(whole).items() if n.endswith(".parquet")}


TOYS = """\
name: toys
seed: 3
shard_rows: 6
sources: [{reader: "corpus_toys:read_toys", path: toys, faces: none, options: {rows: 20}}]
annotators: [{name: "corpus_toys:LabelAnnotator", options: {pause: 0.3}}]
"""


def test_a_torn_shard_is_built_again(whole, tmp_path):
    out = tmp_path / "out"
    build(CONFIG, out, data=tmp_path)
    torn = out / "shard-00001-train.parquet"
    torn.write_bytes(torn.read_bytes()[:100])
    (out / "shard-00002-test.parquet").unlink()
    build(CONFIG, out, data=tmp_path, resume=True)
    assert files_of(out) == files_of(whole)


def test_what_is_there_is_not_built_again_unasked(whole):
    with pytest.raises(FaceLLMError, match="already holds 4 of these shards; --resume"):
        build(CONFIG, whole, data=whole.parent)


def test_a_folder_of_another_config_is_refused_with_the_difference(whole, tmp_path):
    before = files_of(whole)
    for resume in (False, True):
        with pytest.raises(FaceLLMError, match=r"seed was 3, is 9; take another folder"):
            build(toy_config(seed=9), whole, data=tmp_path, resume=resume)
    assert files_of(whole) == before


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "holiday.txt").write_text("mine")
    with pytest.raises(FaceLLMError, match=r"is not empty and no corpus \(holiday.txt\)"):
        build(CONFIG, tmp_path, data=tmp_path)
    with pytest.raises(FaceLLMError, match="is a file, not a folder"):
        build(CONFIG, tmp_path / "holiday.txt", data=tmp_path)


def test_a_shard_is_built_by_one_process_at_a_time(tmp_path):
    folder = CorpusFolder(tmp_path / "out")
    folder.open(CONFIG)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with folder.locked(2):
            os.write(writing, b"x")
            time.sleep(60)
    os.read(reading, 1)
    try:
        with pytest.raises(FaceLLMError, match="another process is building shard 2"):
            build(CONFIG, tmp_path / "out", data=tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    build(CONFIG, tmp_path / "out", data=tmp_path, resume=True)


def test_changed_data_is_told(whole, tmp_path):
    folder = CorpusFolder(whole)
    with pytest.raises(FaceLLMError, match="had 20 rows, now 21"):
        folder.tell_rows({"rows": 21, "shards": 4, "sources": []})


def test_duplicates_are_left_out_in_parts_too(tmp_path):
    config = toy_config(same=3, dedupe=DUPLICATES)
    counts = build(config, tmp_path / "one", data=tmp_path)
    assert counts["rejected"]["toys"]["dedupe: near duplicate"] == 3
    for index in (2, 1):
        make_index(Job(config, tmp_path, tmp_path / "two", Part(index, 2)))
    for index in (1, 2):
        build(config, tmp_path / "two", data=tmp_path, shard=(index, 2))
    assert files_of(tmp_path / "one") == files_of(tmp_path / "two")
    kept = [record.labels["age"] for record in read_shards(CorpusFolder(tmp_path / "one"))]
    assert len(set(kept)) == len(kept) / 2  # two records a row, no age twice


def test_a_part_without_the_index_is_told_how_to_make_it(tmp_path):
    config = toy_config(same=3, dedupe=DUPLICATES)
    with pytest.raises(FaceLLMError, match=r"facellm build index CONFIG.yaml -o .*out"):
        build(config, tmp_path / "out", data=tmp_path, shard=(1, 2))


def test_two_rows_of_one_key_are_told(tmp_path):
    twice = toy_config(dedupe=DUPLICATES)
    twice = type(twice)(**{**vars(twice), "sources": twice.sources * 2})
    with pytest.raises(FaceLLMError, match="two rows have the key 'toys/toy/0'"):
        build(twice, tmp_path / "out", data=tmp_path)
