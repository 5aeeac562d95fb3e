"""Batches of a run: the same whenever asked, every sample once, ranks share without overlap."""

from collections import Counter
from dataclasses import replace

import pytest
import torch
from train_corpora import face_corpus, face_records, train_run

from facellm.errors import FaceLLMError
from facellm.processor import FaceLLMProcessor
from facellm.train.data.stream import BatchStream
from facellm.train.run_sections import KeepConfig


@pytest.fixture(scope="module")
def processor(tiny_checkpoint):
    return FaceLLMProcessor.from_pretrained(tiny_checkpoint)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return face_corpus(tmp_path_factory.mktemp("stream"))


def ids_of(batches):
    return [sample.id for batch in batches for sample in batch.samples]


def equal(one, other):
    names = ("input_ids", "labels", "segments", "positions", "pixel_values", "readout_targets")
    pairs = [(getattr(one, name), getattr(other, name)) for name in names]
    pairs.append((one.landmarks.nan_to_num(-9), other.landmarks.nan_to_num(-9)))
    return all(torch.equal(a, b) for a, b in pairs if a is not None)


@pytest.mark.parametrize("batching", ["packed", "grouped", "padded"])
def test_every_sample_is_seen_exactly_once_in_every_epoch(processor, made, batching):
    run = train_run(*made, batching=batching, schedule={"micro_batch": 1, "global_batch": 1})
    stream = BatchStream(run, processor)
    rows = stream.steps_per_epoch
    for epoch in range(3):
        seen = Counter(
            name
            for step in range(epoch * rows, (epoch + 1) * rows)
            for name in ids_of(stream.micro_batches(step))
        )
        assert set(seen.values()) == {1}
        assert len(seen) == len(stream.samples) == 8 * 4 + 8


def test_a_step_asked_for_anew_or_alone_is_the_same(processor, made):
    run = train_run(*made, max_tokens=200)
    through, alone = BatchStream(run, processor), BatchStream(run, processor)
    steps = [through.micro_batches(step) for step in range(through.steps_per_epoch + 3)]
    for step in (len(steps) - 1, 1):
        again = alone.micro_batches(step)
        assert len(again) == 2
        assert all(equal(a, b) for a, b in zip(again, steps[step], strict=True))
    other = BatchStream(train_run(*made, max_tokens=200, schedule={"seed": 1}), processor)
    assert ids_of(other.micro_batches(1)) != ids_of(steps[1])


def test_ranks_share_the_rows_of_one_process(processor, made):
    run = train_run(*made, max_tokens=150, schedule={"micro_batch": 1, "global_batch": 4})
    whole = BatchStream(run, processor)
    ranks = [BatchStream(run, processor, rank=rank, world=2) for rank in range(2)]
    for step in range(3):
        alone = whole.micro_batches(step)
        shared = [rank.micro_batches(step) for rank in ranks]
        assert [len(batches) for batches in shared] == [2, 2]
        joined = [batch for pair in zip(*shared, strict=True) for batch in pair]
        assert all(equal(a, b) for a, b in zip(alone, joined, strict=True))


def test_a_global_batch_that_cannot_be_shared_is_refused(processor, made):
    with pytest.raises(FaceLLMError, match=r"global_batch 4 .* micro_batch 2 times 3"):
        BatchStream(train_run(*made), processor, world=3)


def test_worker_processes_change_nothing(processor, made):
    here = BatchStream(train_run(*made), processor)
    there = BatchStream(train_run(*made, workers=1), processor)
    try:
        for step in (0, 1, 5):
            pairs = zip(here.micro_batches(step), there.micro_batches(step), strict=True)
            assert all(equal(a, b) for a, b in pairs)
    finally:
        there.close()


def test_validation_is_shown_as_it_is(processor, tmp_path):
    made = face_corpus(tmp_path, face_records(4, split="valid"))
    run = train_run(*made, landmarks_dropped=0.9)
    stream = BatchStream(run, processor, split="valid")
    for step in range(2):
        for batch in stream.micro_batches(step):
            assert torch.isfinite(batch.landmarks).all()
    with pytest.raises(FaceLLMError, match="no record of the split train"):
        BatchStream(run, processor)


def test_validation_takes_so_many_samples_and_counts_the_rest(processor, tmp_path):
    made = face_corpus(tmp_path, face_records(6, split="valid"))
    run = train_run(*made, schedule={"micro_batch": 1, "global_batch": 1})
    run = replace(run, keep=KeepConfig(valid_rows=10))
    stream = BatchStream(run, processor, split="valid")
    names = {n for s in range(stream.steps_per_epoch) for n in ids_of(stream.micro_batches(s))}
    assert len(names) == 10
    assert sum(name.endswith("/reading") for name in names) == 2
    assert stream.left_out == {"beyond keep.valid_rows": 20}


def test_landmarks_are_withheld_from_the_share_asked_for(processor, made):
    run = train_run(*made, landmarks_dropped=0.3, schedule={"micro_batch": 1, "global_batch": 1})
    stream = BatchStream(run, processor)
    batches = [b for s in range(4 * stream.steps_per_epoch) for b in stream.micro_batches(s)]
    points = torch.cat([batch.landmarks for batch in batches])
    missing = torch.isnan(points).flatten(1)
    assert (missing.all(1) == missing.any(1)).all()
    assert 0.15 < float(missing.all(1).float().mean()) < 0.45  # of 160: +-4 deviations


def test_only_readings_are_mirrored_and_only_with_augmentation(processor, made):
    for augment, mirrored in ((True, True), (False, False)):
        run = train_run(*made, augment=augment)
        stream = BatchStream(run, processor)
        drawn = [stream._drawn(n, epoch) for n in range(len(stream.samples)) for epoch in range(3)]
        jitters = {True: [], False: []}
        for sample, jitter, _ in drawn:
            jitters[bool(sample.readouts)].append(jitter)
        assert not any(jitter.mirror for jitter in jitters[False])
        assert any(jitter.mirror for jitter in jitters[True]) == mirrored
        assert (len(set(map(str, jitters[True]))) > 1) == augment


def test_a_picture_that_cannot_be_read_stops_the_step_with_the_samples_id(processor, tmp_path):
    corpus, pictures = face_corpus(tmp_path, face_records(1, ("age",)))
    (pictures / "made-up" / "0.png").unlink()
    for workers in (0, 1):
        stream = BatchStream(train_run(corpus, pictures, workers=workers), processor)
        with pytest.raises(FaceLLMError, match=r"sample made-up/0/\w+: .*0.png: no such file"):
            stream.micro_batches(0)
        stream.close()


def test_features_and_their_setting_go_together(processor, made):
    with pytest.raises(ValueError, match=r"data.features is 'x' and features is None"):
        BatchStream(train_run(*made, features="x"), processor)
