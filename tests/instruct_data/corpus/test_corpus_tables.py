"""Shards and counts: what is written is what is read, and counts add up."""

import errno
import os
import random
import resource
import signal
from functools import partial

import numpy as np
import pyarrow.parquet as pq
import pytest
from corpus_toys import toy_config
from hypothesis import given, settings
from hypothesis import strategies as st

from facellm.atomic import atomic_file, whole_file, write_json
from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus.build import build
from facellm.instruct_data.corpus.counts import KEPT, Counts, digest, distinct, merge, smallest
from facellm.instruct_data.corpus.record import (
    CorpusFace,
    ImageRef,
    Message,
    Rating,
    Record,
    Rejection,
)
from facellm.instruct_data.corpus.tables import from_table, to_table

TURN = (Message("user", "<image>\nhow old?"), Message("assistant", "34."))
pixels = st.floats(-50, 5000, width=32)
points = st.none() | st.integers(0, 99).map(
    lambda seed: np.random.default_rng(seed).normal(99, 70, (68, 2)).astype(np.float32)
)


def record(identity="a/1/age", **changes):
    fields = {
        "id": identity,
        "messages": TURN,
        "images": (ImageRef("a.jpg"),),
        "faces": (),
        "task": "age",
        "labels": {"age": 34},
        "source": "a",
        "licence": "free",
        "rating": None,
        "split": "train",
    }
    return Record(**{**fields, **changes})


@st.composite
def corpus_faces(draw):
    box = draw(st.tuples(pixels, pixels, pixels, pixels))
    return CorpusFace(box, draw(points), draw(st.floats(0, 1)))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.lists(corpus_faces(), max_size=2), max_size=4),
    st.text(max_size=30).filter(lambda text: "<image>" not in text),
)
def test_a_table_gives_back_its_records(faces, text):
    rating = Rating(1, 2, 3, 4, text, "m")
    written = [
        record(
            f"a/{n}/age",
            faces=tuple(found),
            rating=rating if n else None,
            labels={"text": text},
            images=(ImageRef(text, b"\x00" if n else None),),
        )
        for n, found in enumerate(faces)
    ]
    table = to_table(written)
    table.validate(full=True)
    read = from_table(table)
    assert [same(one) for one in read] == [same(one) for one in written]


def same(one):
    """A record in values that compare."""
    faces = [
        (f.box_xyxy, f.quality, None if f.landmarks is None else f.landmarks.tolist())
        for f in one.faces
    ]
    return {**vars(one), "faces": faces}


def test_a_record_with_another_number_of_pictures_is_refused():
    with pytest.raises(ValueError, match="a/1/age: 1 <image> for 2 pictures"):
        record(images=(ImageRef("a"), ImageRef("b")))


def test_datasets_reads_pictures_as_pictures(tmp_path):
    datasets = pytest.importorskip("datasets", reason="optional: datasets is not installed")
    build(toy_config(embed=True), tmp_path / "out", data=tmp_path)
    files = {"train": [str(p) for p in sorted(tmp_path.glob("out/shard-*-train.parquet"))]}
    loaded = datasets.load_dataset("parquet", data_files=files, cache_dir=str(tmp_path / "cache"))
    assert loaded["train"][0]["images"][0].size == (40, 40)
    assert len(loaded["train"][0]["expression"]) == 8
    assert set(loaded["train"]["split"]) == {"train"}


def test_counts_of_parts_add_up_to_those_of_the_whole():
    records = [
        record(f"{s}/{n}/age", source=s, split=t) for n in range(9) for s in "ab" for t in "xy"
    ]
    whole, parts = Counts(), [Counts(), Counts()]
    for number, one in enumerate(records):
        whole.add_records([one])
        parts[number % 2].add_records([one])
    for counts in (whole, parts[1]):
        counts.add_rejection(Rejection("a", "k", "faces", "no face"))
    together = merge(part.to_dict() | {"shard": n} for n, part in enumerate(parts))
    alone = merge([whole.to_dict() | {"shard": 0}])
    assert together == alone
    assert alone["rejected"] == {"a": {"faces: no face": 1}}
    assert (alone["rows"], alone["turns"]) == (37, 36)


@pytest.mark.parametrize("number", [0, 1, KEPT - 1, KEPT, 5 * KEPT, 60_000])
def test_distinct_questions_are_counted_to_a_tenth(number):
    """The standard error is 1 / sqrt(KEPT - 2), 3.1 %; the draw is fixed."""
    found = distinct(smallest(digest(f"question {n}") for n in range(number)))
    assert found == number if number < KEPT else abs(found / number - 1) < 0.1
    assert digest("How OLD?") == digest("<image>\nhow old")


def test_a_full_disk_is_told_and_leaves_nothing(tmp_path):
    """``/dev/full`` refuses every write as a full disk does."""
    part = tmp_path / f"a.json.{os.getpid()}.part"
    part.symlink_to("/dev/full")
    with pytest.raises(FaceLLMError, match=r"a.json: no room left on the disk .* --resume"):
        write_json(tmp_path / "a.json", list(range(9999)))
    assert list(tmp_path.iterdir()) == []


def test_a_build_that_runs_out_of_room_says_so_and_goes_on_later(tmp_path):
    """A bound on file size stands for the disk; the child's error comes back through a pipe."""
    config, out = toy_config(rows=8, shard_rows=8, embed=True), tmp_path / "out"
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
        try:
            build(config, out, data=tmp_path)
        except FaceLLMError as error:
            os.write(writing, str(error).encode())
        os._exit(0)
    os.waitpid(child, 0)
    os.set_blocking(reading, False)
    assert "no room left on the disk" in os.read(reading, 1000).decode()
    assert not list(out.glob("*.parquet"))
    assert not list(out.glob("**/*.part"))
    counts = build(config, out, data=tmp_path, resume=True)
    assert sum(len(pq.read_table(p)) for p in out.glob("*.parquet")) == counts["records"] == 14


def test_a_file_that_cannot_be_written_is_told_as_such(tmp_path):
    with (
        pytest.raises(FaceLLMError, match=f"cannot be written .*{errno.ENOENT}"),
        atomic_file(tmp_path / "no" / "such"),
    ):
        pass


def test_what_is_put_on_disk_has_its_name_only_afterwards(tmp_path, monkeypatch):
    order = []
    monkeypatch.setattr(os, "fsync", lambda handle: order.append((tmp_path / "a").exists()))
    for sync, synced in ((False, []), (True, [False, True])):  # the file, then its folder
        with whole_file(tmp_path / "a", sync=sync) as file:
            file.write(b"x")
        assert order == synced
        (tmp_path / "a").unlink()


@pytest.mark.parametrize("open_whole", [atomic_file, partial(whole_file, sync=False)])
def test_an_interrupted_file_leaves_nothing(tmp_path, open_whole):
    def interrupted():
        with open_whole(tmp_path / "a") as file:
            file.write(random.Random(0).randbytes(99))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
