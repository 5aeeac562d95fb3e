"""Packing changes no loss: a sample in a row of many is the sample alone."""

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F
from train_corpora import face_corpus, face_records, train_run

from facellm.checkpoint import load_checkpoint
from facellm.labels import QUERIES
from facellm.processor import IGNORE_INDEX
from facellm.train.data.stream import BatchStream
from facellm.train.objectives import objectives_of
from facellm.train.sample import Setting
from facellm.train.trainee import Trainee


@pytest.fixture(scope="module")
def tiny(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    made = face_corpus(tmp_path_factory.mktemp("packed"), face_records(6))
    # With an epoch's own jitter both streams would still show the same: it goes by sample.
    return train_run(*made, max_tokens=300, schedule={"micro_batch": 2, "global_batch": 2})


def unpacked(run):
    schedule = replace(run.schedule, micro_batch=1, global_batch=1)
    return replace(run, schedule=schedule, data=replace(run.data, batching="padded"))


@torch.no_grad()
def sample_losses(model, processor, batch):
    """Sample id -> (sum of the answer's NLL, soft cross-entropies of its queries)."""
    out = Trainee(model, []).run(batch)
    logits = (out.hidden @ out.output_weight.T).double().log_softmax(-1)
    losses, names = {}, iter(batch.samples)
    for row in range(len(batch.input_ids)):
        for segment in range(1, int(batch.segments[row].max()) + 1):
            places = (batch.segments[row] == segment).nonzero().flatten()
            labels = batch.labels[row, places]
            learned = places[labels != IGNORE_INDEX]
            picked = logits[row, learned - 1].gather(1, batch.labels[row, learned][:, None])
            losses[next(names).id] = (
                -picked.sum(),
                *readout_losses(out, processor, batch, row, places),
            )
    return losses


def readout_losses(out, processor, batch, row, places):
    found = []
    if batch.readout_at is None:
        return found
    for (r, place, query), target in zip(
        batch.readout_at.tolist(), batch.readout_targets, strict=True
    ):
        if r == row and place in places:
            ids = processor.label_ids[query]
            logits = out.hidden[row, place] @ out.output_weight[ids].T
            found.append(-(target[: len(ids)] * logits.double().log_softmax(-1)).sum())
    return found


def test_packed_losses_equal_unpacked_ones_sample_by_sample(run, tiny):
    packed, alone = BatchStream(run, tiny.processor), BatchStream(unpacked(run), tiny.processor)
    together, single = {}, {}
    for step in range(packed.steps_per_epoch):
        for batch in packed.micro_batches(step):
            together = sample_losses(tiny.model, tiny.processor, batch) | together  # epoch 0 stays
    for step in range(alone.steps_per_epoch):
        for batch in alone.micro_batches(step):
            assert len(batch.samples) == 1
            single |= sample_losses(tiny.model, tiny.processor, batch)
    assert len(single) == len(packed.samples) == 30
    assert max(int(b.segments.max()) for b in packed.micro_batches(0)) > 1
    for name, losses in single.items():
        assert len(together[name]) == len(losses) == (4 if name.endswith("reading") else 1)
        assert torch.allclose(
            torch.stack([*together[name]]), torch.stack([*losses]), atol=1e-5, rtol=1e-5
        )


def test_the_trainees_losses_are_the_samples_means(run, tiny):
    """What ``AnswerLoss`` and ``ReadoutLoss`` say of a packed batch, from the samples alone."""
    objectives = objectives_of(Setting(tiny.model, tiny.processor, run))
    batch = BatchStream(run, tiny.processor).micro_batches(0)[0]
    with torch.inference_mode():
        losses = Trainee(tiny.model, objectives)(batch)
    each = sample_losses(tiny.model, tiny.processor, batch)
    answers = sum(loss[0] for loss in each.values())
    tokens = int((batch.labels != IGNORE_INDEX).sum())
    assert float(losses["answer"]) == pytest.approx(float(answers) / tokens, abs=1e-5)


def test_another_segment_of_the_row_changes_a_loss_by_exactly_nothing(run, tiny):
    batch = next(
        b for b in BatchStream(run, tiny.processor).micro_batches(0) if int(b.segments.max()) > 1
    )
    before = sample_losses(tiny.model, tiny.processor, batch)
    row = int(batch.segments.max(1).values.argmax())
    hit = (batch.segments == 1) & (torch.arange(len(batch.segments)) == row)[:, None]
    words = hit & (batch.input_ids != tiny.processor.image_token_id)
    batch.input_ids = torch.where(words, (batch.input_ids + 7) % 300, batch.input_ids)
    changed = sample_losses(tiny.model, tiny.processor, batch)
    differing = {
        name for name in before if [*map(float, before[name])] != [*map(float, changed[name])]
    }
    samples = iter(batch.samples)
    first_of_row = [
        next(samples) for r in range(row + 1) for _ in range(int(batch.segments[r].max()))
    ]
    assert differing == {first_of_row[-int(batch.segments[row].max())].id}


def test_nothing_is_learned_at_a_segments_first_token_nor_in_padding(run, tiny):
    stream = BatchStream(run, tiny.processor)
    for step in range(stream.steps_per_epoch):
        for batch in stream.micro_batches(step):
            assert (batch.labels[batch.positions == 0] == IGNORE_INDEX).all()
            assert (batch.labels[batch.segments == 0] == IGNORE_INDEX).all()
            assert batch.input_ids.shape[1] <= 300
            for row, place, query in [] if batch.readout_at is None else batch.readout_at.tolist():
                token = int(batch.input_ids[row, place])
                assert token == tiny.processor.token_id(QUERIES[query].token)


def test_a_readout_target_is_a_distribution_over_its_own_labels(run, tiny):
    stream = BatchStream(run, tiny.processor)
    batches = [
        b for step in range(4) for b in stream.micro_batches(step) if b.readout_at is not None
    ]
    assert batches
    for batch in batches:
        assert torch.allclose(batch.readout_targets.sum(1), torch.ones(len(batch.readout_at)))
        for (_, _, query), target in zip(
            batch.readout_at.tolist(), batch.readout_targets, strict=True
        ):
            assert float(target[len(QUERIES[query].labels) :].abs().sum()) == 0
        entropy = F.cross_entropy(torch.zeros(117), batch.readout_targets[0])
        assert torch.isfinite(entropy)
