"""What is left out does not come back by another way, and its names are checked."""

from dataclasses import replace

import numpy as np
import pytest
from train_corpora import face_records, train_run, write_corpus

from facellm.errors import FaceLLMError
from facellm.instruct_data.corpus import record as corpus_record
from facellm.instruct_data.corpus.folder import CorpusFolder
from facellm.instruct_data.corpus.record import ImageRef, Message
from facellm.instruct_data.under_readings import records as under_readings
from facellm.labels import INTENTS, QUERIES
from facellm.processor import FaceLLMProcessor
from facellm.stored_readings import StoredReadings, face_key
from facellm.train.data import selection
from facellm.train.data.corpus_samples import CorpusSamples
from facellm.train.data.intents import INTENT_OF


@pytest.fixture(scope="module")
def processor(tiny_checkpoint):
    return FaceLLMProcessor.from_pretrained(tiny_checkpoint)


def samples_of(processor, corpus, **data):
    samples = CorpusSamples(train_run(corpus, **data), processor)
    return samples, [samples.sample(n) for n in range(len(samples))]


def first(**changes):
    return replace(next(face_records(1, ("age",))), **changes)


def test_tasks_are_the_builders():
    assert selection.TASKS == corpus_record.TASKS
    assert under_readings.own_record("x", [], None, "train", rng()).source == selection.OWN
    assert set(selection._TOLD_BY_INTENT) <= {*INTENTS, *INTENT_OF}


def rng():
    return np.random.default_rng(0)


def test_no_answer_of_a_left_out_task_is_learned_and_its_face_still_is(processor, tmp_path):
    corpus = write_corpus(tmp_path / "c", face_records(4))
    samples, found = samples_of(processor, corpus, leave_out_tasks=("age",))
    texts = [processor.tokenizer.decode(s.input_ids) for s in found if not s.readouts]
    assert len(texts) == 4  # expression
    assert not any("years" in text or "apparent age" in text for text in texts)
    assert [set(s.readouts) for s in found if s.readouts] == [{"expr", "gender"}] * 4
    assert samples.left_out == {
        "left-out task": 4,
        "answer that may tell of a left-out task": 8,  # descriptions and limits
    }


@pytest.mark.parametrize(
    ("task", "intents", "left_out", "kept"),
    [
        ("attributes", ["mask"], "age", True),
        ("attributes", ["mask", "age"], "age", False),
        ("attributes", None, "age", False),
        ("limits", ["off_topic"], "age", True),
        ("limits", ["out_of_bounds"], "age", False),
        ("conversation", ["mask"], "age", False),
        ("geometry", None, "age", True),
        ("geometry", ["why"], "expression", False),
        ("geometry", ["measures"], "expression", False),
    ],
)
def test_intents_say_what_an_answer_may_tell_of(processor, tmp_path, task, intents, left_out, kept):
    labels = {"male": True} | ({"intents": intents} if intents else {})
    turns = (Message("user", "<image>\nso?"), Message("assistant", "So.")), (
        Message("user", "so?"), Message("assistant", "So."),
    )  # fmt: skip
    said = tuple(m for pair in turns[: len(intents or "1")] for m in pair)
    corpus = write_corpus(tmp_path / "c", [first(task=task, labels=labels, messages=said)])
    _, found = samples_of(processor, corpus, leave_out_tasks=(left_out,))
    assert [bool(s.readouts) for s in found] == ([False, True] if kept else [True])


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"leave_out_tasks": ("ages",)}, r"leave_out_tasks: 'ages' is none of .*nearest is 'age'"),
        ({"tasks": ("expresion",)}, r"data.tasks: 'expresion' .*nearest is 'expression'"),
        (
            {"leave_out_sources": ("made_up",)},
            "'made_up' is none of made-up; nearest is",
        ),
        ({"leave_out_tasks": ("age",), "context": "reading"}, "readings tell of every task"),
        ({"leave_out_tasks": ("age",), "teacher": "t.npz"}, "the teacher has learned from what"),
        ({"leave_out_sources": ("made-up",), "teacher": "t.npz"}, "with data.teacher t.npz"),
    ],
)
def test_what_cannot_be_left_out_is_refused(processor, tmp_path, monkeypatch, data, message):
    monkeypatch.setattr(StoredReadings, "load", lambda path: None)
    corpus = write_corpus(tmp_path / "c", face_records(2))
    with pytest.raises(FaceLLMError, match=message):
        samples_of(processor, corpus, **data)


@pytest.fixture
def own(tmp_path):
    """Conversations about faces of two sets."""
    records = [r for name in ("one", "two") for r in face_records(4, ("age",), source=name)]
    corpus = write_corpus(tmp_path / "c", records)
    keys = [face_key(record.images[0].path, 0) for record in records]
    shares = [np.full((8, len(q.labels)), 1 / len(q.labels), np.float16) for q in QUERIES]
    stored = StoredReadings(keys, shares, np.zeros((8, 3), np.float32), {}, np.ones(8))
    return list(under_readings.own_records(CorpusFolder(corpus), stored, 60, 1))


def test_a_conversation_about_a_left_out_sets_face_is_left_out(processor, own, tmp_path):
    corpus = write_corpus(tmp_path / "own", own)
    data = {"context": "reading", "max_tokens": 9000, "readouts": False}
    _, found = samples_of(processor, corpus, leave_out_sources=("one",), **data)
    trained = [r for r in own if r.split == "train"]
    shown = {r.id: {image.path.split("/")[0] for image in r.images} for r in trained}
    assert {s.id for s in found} == {name for name, sets in shown.items() if "one" not in sets}
    assert any(sets == {"one", "two"} for sets in shown.values())


def test_own_readings_that_do_not_say_their_sets_are_refused(processor, own, tmp_path):
    labels = {k: v for k, v in own[0].labels.items() if k != "sources"}
    corpus = write_corpus(tmp_path / "own", [replace(own[0], labels=labels)])
    with pytest.raises(FaceLLMError, match=r"own/1/train/0: labels do not say which sets"):
        samples_of(processor, corpus, leave_out_sources=("one",), context="reading")


def test_a_faces_first_record_with_a_label_is_read(processor, tmp_path):
    bare, labelled = first(id="bare", labels={}), first(id="labelled")
    corpus = write_corpus(tmp_path / "c", [bare, labelled, first(id="third")])
    samples, found = samples_of(processor, corpus)
    (reading,) = [s for s in found if s.readouts]
    assert reading.id == "labelled/reading"
    assert not samples.left_out


def test_a_face_without_a_label_in_one_corpus_is_read_from_the_next(processor, tmp_path):
    one = write_corpus(tmp_path / "a", [first(labels={})])
    two = write_corpus(tmp_path / "b", [first(images=(ImageRef("made-up/0.png"),))])
    run = train_run(one)
    run = replace(run, data=replace(run.data, corpora=(str(one), str(two))))
    samples = CorpusSamples(run, processor)
    assert [bool(samples.sample(n).readouts) for n in range(len(samples))] == [False, False, True]
    assert samples.left_out == {"face without a labelled query": 1}


def test_no_answer_left_under_readings_says_what_makes_some(processor, tmp_path):
    corpus = write_corpus(tmp_path / "c", face_records(2, ("age",)))
    with pytest.raises(FaceLLMError, match=r"no answer of train .*2 no reading.*build readings"):
        samples_of(processor, corpus, context="reading")
    run = train_run(corpus, context="reading", losses={"answer": 0.0})
    assert len(CorpusSamples(run, processor)) == 2
