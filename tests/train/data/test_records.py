"""A corpus folder that cannot be trained on is refused by file, never read in part."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from train_corpora import face, face_records, write_corpus

from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus import folder as corpus_folder
from facellm.instruct_data.corpus.shards import read_shards
from facellm.train.data.records import FORMAT, Records


@pytest.fixture
def corpus(tmp_path):
    records = list(face_records(6))
    records[3] = records[3].__class__(**{**vars(records[3]), "faces": (face(False), face())})
    return write_corpus(tmp_path / "corpus", records, shard_records=7)


def test_records_are_those_the_builder_reads(corpus):
    loaded = Records.load(corpus, "train")
    written = list(read_shards(corpus_folder.CorpusFolder(corpus), "train"))
    assert len(loaded) == len(written) == 24
    assert len(loaded.files) == 4
    for number, record in enumerate(written):
        facts = loaded.facts(number)
        assert (facts.id, facts.task, facts.source) == (record.id, record.task, record.source)
        assert facts.labels == record.labels
        assert facts.pictures == [image.path for image in record.images]
        assert facts.boxes.tolist() == [list(found.box_xyxy) for found in record.faces]
        for points, found in zip(facts.points, record.faces, strict=True):
            known = np.full((68, 2), np.nan) if found.landmarks is None else found.landmarks
            assert np.array_equal(points, known, equal_nan=True)
    picked = [2, 8, 20]
    assert [
        (number, messages[1]["content"]) for number, messages in loaded.messages(np.array(picked))
    ] == [(number, written[number].messages[1].content) for number in picked]


def test_the_version_is_the_builders():
    assert FORMAT == corpus_folder.FORMAT


def test_another_version_is_refused(corpus):
    manifest = json.loads((corpus / "manifest.json").read_text())
    (corpus / "manifest.json").write_text(json.dumps(manifest | {"format": 7}))
    with pytest.raises(FaceLLMError, match=r"manifest.json: corpus of format 7, this is 1"):
        Records.load(corpus, "train")


def test_a_folder_that_is_no_corpus_or_not_finished_is_refused(corpus, tmp_path):
    with pytest.raises(FaceLLMError, match=r"is no corpus \(manifest.json is missing\)"):
        Records.load(tmp_path, "train")
    (corpus / "counts.json").unlink()
    with pytest.raises(FaceLLMError, match="is not finished; go on with facellm build --resume"):
        Records.load(corpus, "train")


def test_a_shard_that_is_missing_or_cut_off_is_named(corpus):
    shard = corpus / "shard-00002-train.parquet"
    whole = shard.read_bytes()
    shard.write_bytes(whole[:-9])
    with pytest.raises(
        FaceLLMError, match=rf"00002-train.parquet: has {len(whole) - 9} bytes, was"
    ):
        Records.load(corpus, "train")
    shard.unlink()
    with pytest.raises(FaceLLMError, match=r"00002-train.parquet: has None bytes"):
        Records.load(corpus, "train")


def test_a_damaged_shard_of_the_right_size_is_named(corpus):
    shard = corpus / "shard-00001-train.parquet"
    shard.write_bytes(b"x" * shard.stat().st_size)
    with pytest.raises(FaceLLMError, match=r"00001-train.parquet: is no readable shard"):
        Records.load(corpus, "train")


def test_a_shard_of_other_columns_is_named(corpus):
    shard = corpus / "shard-00000-train.parquet"
    pq.write_table(pq.read_table(shard).drop_columns(["faces"]), shard)
    counts = corpus / "counts" / "00000.json"
    facts = json.loads(counts.read_text())
    facts["files"][shard.name]["bytes"] = shard.stat().st_size
    counts.write_text(json.dumps(facts))
    with pytest.raises(FaceLLMError, match=r"is no shard, column faces is missing"):
        Records.load(corpus, "train")


def test_a_split_that_holds_nothing_is_said(corpus):
    with pytest.raises(FaceLLMError, match="holds no record of the split valid"):
        Records.load(corpus, "valid")


def test_labels_that_are_no_json_object_are_named(tmp_path):
    corpus = write_corpus(tmp_path / "c", face_records(1))
    loaded = Records.load(corpus, "train")
    texts = ["{", "[]"] + ["{}"] * 2
    loaded.columns["labels"] = pa.chunked_array([texts])
    for number in (0, 1):
        with pytest.raises(FaceLLMError, match=r"shard-00000-train.parquet: made-up/0/\w+: labels"):
            loaded.labels(number)


def test_a_corpus_without_a_face_loads(tmp_path):
    """Text alone: no face column to flatten."""
    bare = [r.__class__(**{**vars(r), "faces": ()}) for r in face_records(2)]
    loaded = Records.load(write_corpus(tmp_path / "c", bare), "train")
    assert loaded.boxes.shape == (0, 4)
    assert loaded.points.shape == (0, 68, 2)


def test_the_digest_is_of_the_config_and_of_every_shards_size(corpus, tmp_path):
    first = Records.load(corpus, "train").digest
    assert Records.load(corpus, "train").digest == first
    records = [r.__class__(**{**vars(r), "task": "limits"}) for r in face_records(6)]
    other = write_corpus(tmp_path / "other", records, shard_records=7)
    assert (other / "manifest.json").read_text() == (corpus / "manifest.json").read_text()
    assert Records.load(other, "train").digest != first


def test_the_quality_of_landmarks_is_each_faces_own(corpus):
    loaded = Records.load(corpus, "train")
    assert loaded.facts(3).quality.tolist() == pytest.approx([0.2, 0.9])
    assert len(loaded.quality) == len(loaded.boxes)
