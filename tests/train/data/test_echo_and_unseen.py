"""Answers under readings: faces nobody sees, echoed readings, a teacher for missing labels."""

from dataclasses import replace

import numpy as np
import pytest
from train_corpora import face_records, train_run, write_corpus

from facellm.context import reading_text
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.instruct_data.under_readings.records import made_records
from facellm.labels import QUERIES
from facellm.processor import IGNORE_INDEX, FaceLLMProcessor
from facellm.reading import Reading
from facellm.stored_readings import StoredReadings, face_key
from facellm.train.data.corpus_samples import CorpusSamples
from facellm.train.data.echo import NAME, VALUE, echo_text
from facellm.train.run_sections import DataConfig


@pytest.fixture(scope="module")
def processor(tiny_checkpoint):
    return FaceLLMProcessor.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    records = list(made_records(60, 2))
    return records, write_corpus(tmp_path_factory.mktemp("made") / "corpus", records)


def samples_of(processor, corpus, **data):
    samples = CorpusSamples(
        train_run(corpus, context="reading", max_tokens=4096, **data), processor
    )
    return {s.id: s for s in map(samples.sample, range(len(samples)))}


def test_faces_nobody_sees_are_their_readings_alone(processor, made):
    records, corpus = made
    samples = samples_of(processor, corpus)
    trained = [record for record in records if record.split == "train"]
    assert set(samples) == {record.id for record in trained}
    for record in trained:
        ids = samples[record.id].input_ids
        assert processor.image_token_id not in ids
        assert samples[record.id].images == ()
        contexts = [reading_text(Reading.from_dict(r)) for r in record.labels["reading"]]
        written = processor.tokenizer.decode(ids, skip_special_tokens=False)
        assert written.count("<reading>") == len(contexts)
        for context in contexts:
            wanted = processor.tokenizer(context, add_special_tokens=False)["input_ids"]
            text = ",".join(map(str, ids))
            assert ",".join(map(str, wanted)) in text
        assert ("No face." in written) == (not contexts)


def test_their_samples_are_those_of_use_without_the_patches(processor, made):
    """The prompt in use, its placeholders taken out, is what such a sample begins with."""
    records, corpus = made
    samples = samples_of(processor, corpus)
    record = next(r for r in records if r.split == "train" and len(r.labels["reading"]) == 2)
    readings = [reading_text(Reading.from_dict(r)) for r in record.labels["reading"]]
    faces = [FacePart(np.zeros((8, 8, 3), np.uint8), None, reading) for reading in readings]
    asked = Conversation((Turn("user", (*faces, TextPart(record.messages[0].content))),))
    prompt = processor.encode(processor.prompt_text(asked.turns))
    bare = [index for index in prompt if index != processor.image_token_id]
    assert samples[record.id].input_ids[: len(bare)] == bare


def test_the_echo_follows_the_conversation_and_its_values_are_learned(processor, made):
    records, corpus = made
    plain, echoed = samples_of(processor, corpus), samples_of(processor, corpus, echo=True)
    record = next(r for r in records if r.split == "train" and len(r.labels["reading"]) == 1)
    before, after = plain[record.id], echoed[record.id]
    length = len(before)
    assert after.input_ids[:length] == before.input_ids
    assert after.labels[:length] == before.labels
    words = processor.tokenizer.convert_ids_to_tokens(after.input_ids[length:])
    learned = [w for w, label in zip(words, after.labels[length:], strict=True) if label != -100]
    assert learned == [word for word in words if VALUE.fullmatch(word) or NAME.fullmatch(word)]
    context = reading_text(Reading.from_dict(record.labels["reading"][0]))
    assert all(word in context for word in learned)
    assert len(learned) > 10
    two = next(r for r in records if r.split == "train" and len(r.labels["reading"]) == 2)
    assert echoed[two.id].input_ids == plain[two.id].input_ids  # which face would it be?


def test_expressions_and_units_are_echoed_in_order_the_rest_shuffled():
    context = (
        "<reading><expr_happiness><p_90><expr_neutral><p_5><q_au12><level_4><p_95><q_age><age_34>"
        "<age_27><age_42><q_mask><no><p_95> head left<deg_-15></reading>"
    )
    texts = {echo_text(context, np.random.default_rng(seed)) for seed in range(20)}
    ordered = "<expr_happiness><p_90><expr_neutral><p_5><q_au12><level_4><p_95>"
    assert all(text.startswith(ordered) for text in texts)
    assert len(texts) == 6  # age, mask and head in every order
    assert all(" head left<deg_-15>" in text for text in texts)


def test_an_echo_without_readings_is_refused():
    with pytest.raises(ValueError, match="echo needs context: reading, not none"):
        DataConfig(("c",), echo=True)


@pytest.fixture
def taught(tmp_path):
    """A corpus labelled with votes and age, and a teacher that says the last label of all."""
    corpus = write_corpus(tmp_path / "corpus", face_records(3, ("age",)))
    keys = [face_key(f"made-up/{n}.png", 0) for n in range(2)]  # the third it has not seen
    shares = [np.zeros((2, len(query.labels)), np.float16) for query in QUERIES]
    for share in shares:
        share[:, -1] = 1
    teacher = StoredReadings(keys, shares, np.zeros((2, 3), np.float32), {}, np.ones(2))
    teacher.save(tmp_path / "own.npz")
    return corpus, tmp_path / "own.npz"


def readings_of(processor, corpus, **data):
    samples = CorpusSamples(train_run(corpus, **data), processor)
    found = [samples.sample(n) for n in range(len(samples))]
    return [s for s in found if s.readouts]


def test_a_teacher_fills_in_what_is_not_labelled_and_nothing_else(processor, taught):
    corpus, file = taught
    plain = readings_of(processor, corpus)
    found = readings_of(processor, corpus, teacher=str(file))
    assert set(plain[0].readouts) == {"expr", "age", "gender"}
    assert set(found[0].readouts) == {query.name for query in QUERIES}
    for name in ("expr", "age", "gender"):
        np.testing.assert_array_equal(found[0].readouts[name], plain[0].readouts[name])
    assert found[0].readouts["mask"].tolist() == [0, 1]
    assert found[0].readouts["au12"].argmax() == 5
    assert set(found[2].readouts) == {"expr", "age", "gender"}  # not seen by the teacher
    assert all(label == IGNORE_INDEX for label in found[0].labels)


def test_a_task_that_is_not_asked_for_is_not_taught_either(processor, taught):
    corpus, file = taught
    found = readings_of(processor, corpus, teacher=str(file), tasks=("age", "attributes"))
    assert set(found[0].readouts) == {"age", "gender", "mask"}


def test_units_follow_the_teacher_where_it_has_seen_the_face(processor, tmp_path, taught):
    """A distribution says more than one level does."""
    records = [
        replace(record, labels=record.labels | {"units": {"12": 0.0}})
        for record in face_records(3, ("age",))
    ]
    corpus = write_corpus(tmp_path / "units", records)
    found = readings_of(processor, corpus, teacher=str(taught[1]))
    assert [s.readouts["au12"].argmax() for s in found] == [5, 5, 0]
