"""Conversations under readings: what they say stands in their context."""

import numpy as np
import pytest

from facellm.answers import answer_contradictions
from facellm.cli import main
from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus.config import SourceConfig
from facellm.instruct_data.corpus.folder import CorpusFolder
from facellm.instruct_data.corpus.record import CorpusFace, ImageRef, Message, Record
from facellm.instruct_data.corpus.shards import read_shards
from facellm.instruct_data.corpus.written import write_corpus
from facellm.instruct_data.under_readings.records import made_records, own_records
from facellm.labels import EXPRESSIONS, INTENTS, QUERIES
from facellm.pointers import render, to_pointers
from facellm.reading import Reading
from facellm.stored_readings import StoredReadings, face_key


def readings_of(record):
    return [Reading.from_dict(reading) for reading in record.labels["reading"]]


def answers_of(record):
    return [message.content for message in record.messages if message.role == "assistant"]


def test_no_answer_contradicts_its_readings_and_every_value_can_be_pointed_at():
    for record in made_records(150, 3):
        readings = readings_of(record)
        assert len(answers_of(record)) == len(record.labels["intents"])
        for answer in answers_of(record):
            assert answer_contradictions(answer, readings) == []
            assert render(to_pointers(answer, readings)) == answer


def test_the_same_seed_gives_the_same_records_and_another_gives_others():
    first, again, other = (list(made_records(5, seed)) for seed in (1, 1, 2))
    assert first == again
    assert [r.messages for r in first] != [r.messages for r in other]


def test_made_readings_cover_every_intent_and_up_to_three_faces():
    records = list(made_records(400, 0))
    assert {intent for record in records for intent in record.labels["intents"]} == set(INTENTS)
    assert {len(record.labels["reading"]) for record in records} == {0, 1, 2, 3}
    assert {record.split for record in records} == {"train", "valid"}


def face_record(number, split="train", faces=1):
    face = CorpusFace((0.0, 0.0, 20.0, 20.0), np.zeros((68, 2), np.float32), 0.9)
    return Record(
        id=f"toys/{number}/age",
        messages=(Message("user", "<image>\nhow old?"), Message("assistant", "20 years.")),
        images=(ImageRef(f"toys.parquet#{number}"),),
        faces=(face,) * faces,
        task="age",
        labels={"age": 20, "intents": ["age"]},
        source="toys",
        licence="made up",
        rating=None,
        split=split,
    )


@pytest.fixture
def corpus(tmp_path):
    records = [face_record(n) for n in range(6)]
    records += [face_record(6, "valid"), face_record(7, "test"), face_record(8, faces=2)]
    write_corpus(records, SourceConfig("toys", "toys", faces="none"), "by-hand", tmp_path / "c")
    return CorpusFolder(tmp_path / "c")


@pytest.fixture
def stored():
    """Every face reads as 70 years old and happy."""
    keys = [face_key(f"toys.parquet#{n}", 0) for n in range(9)]
    shares = []
    for query in QUERIES:
        share = np.zeros((len(keys), len(query.labels)), np.float16)
        share[:, {"age": 70, "expr": EXPRESSIONS.index("happiness")}.get(query.name, 0)] = 1
        shares.append(share)
    pose = np.zeros((len(keys), 3), np.float32)
    return StoredReadings(keys, shares, pose, {}, np.ones(len(keys), np.float32))


def test_labels_take_the_place_of_half_of_what_was_read(corpus, stored):
    records = list(own_records(corpus, stored, 300, 1))
    ages = [r.age.mean for record in records for r in readings_of(record)]
    assert {round(age) for age in ages} == {20, 70}
    assert 0.4 < np.mean([round(age) == 20 for age in ages]) < 0.6
    # what is not labelled stays as it was read
    assert all(r.top_expression == "happiness" for x in records for r in readings_of(x))
    for record in records:
        for answer in answers_of(record):
            assert answer_contradictions(answer, readings_of(record)) == []


def test_splits_do_not_mix_and_test_pictures_are_never_used(corpus, stored):
    shown = {"train": set(), "valid": set()}
    for record in own_records(corpus, stored, 300, 1):
        assert len(record.images) == len(record.faces) == len(record.labels["reading"])
        assert record.labels["sources"] == ["toys"] * len(record.faces)
        shown[record.split] |= {image.path for image in record.images}
    assert shown["train"] == {f"toys.parquet#{n}" for n in range(6)}
    assert shown["valid"] == {"toys.parquet#6"}


def test_a_corpus_nobody_has_read_is_named(corpus, stored):
    other = StoredReadings(["x@0"], [s[:1] for s in stored.shares], stored.pose, {}, stored.quality)
    with pytest.raises(FaceLLMError, match="none of its training pictures has a stored reading"):
        list(own_records(corpus, other, 3, 1))


def test_the_command_writes_a_corpus_both_ways(corpus, stored, tmp_path, capsys):
    stored.save(tmp_path / "own.npz")
    own = ["--corpus", str(corpus.path), "--readings", str(tmp_path / "own.npz"), "--n", "40"]
    assert main(["build", "readings", *own, "-o", str(tmp_path / "own")]) == 0
    assert "41 records" in capsys.readouterr().err
    assert main(["build", "readings", "--made", "20", "-o", str(tmp_path / "made")]) == 0
    assert len(list(read_shards(CorpusFolder(tmp_path / "made")))) == 20


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give --made N, or --corpus"),
        (["--made", "3", "--corpus", "c", "--readings", "r"], "give --made N, or --corpus"),
        (["--corpus", "c"], "give --made N, or --corpus"),
        (["--made", "-3"], "--made -3 is less than 0"),
        (["--corpus", "nowhere", "--readings", "r"], "nowhere: no corpus"),
    ],
)
def test_what_does_not_fit_is_told(arguments, message, tmp_path, capsys):
    assert main(["build", "readings", *arguments, "-o", str(tmp_path / "o")]) == 2
    assert message in capsys.readouterr().err
