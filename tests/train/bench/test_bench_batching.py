"""Packed, padded and ``transformers.Trainer``: the same work, padding as counted by hand."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from train_corpora import face_corpus, face_records

from facellm.bench_lines import table
from facellm.train.bench import batching, turns
from facellm.train.bench.model_flops import Work
from facellm.train.bench.setting import QUICK, Setting, Sizes
from facellm.train.bench.turns import Steps, Turn, in_turns
from facellm.train.build_model import build_model

pytest.importorskip("accelerate", reason="optional: pip install 'facellm[train]'")


@pytest.fixture(scope="module")
def setting(tiny_checkpoint, tmp_path_factory):
    records = [r for r in face_records(4) if r.task in ("expression", "description")]
    corpus, pictures = face_corpus(tmp_path_factory.mktemp("faces"), records)
    return Setting(replace(QUICK, length=128), corpus, str(tiny_checkpoint), str(pictures))


def padded(setting):
    rows = ("schedule.micro_batch=4", "schedule.global_batch=4")
    return setting.run("data.batching=padded", *rows)


def test_ways_take_turns_and_the_first_round_is_not_counted():
    calls = []

    def way(name):
        return lambda: calls.append(name) or len(calls)

    assert in_turns({"a": way("a"), "b": way("b")}, 2) == {"a": [3, 5], "b": [4, 6]}
    assert calls == ["a", "b"] * 3


def test_padding_of_padded_rows_is_what_stands_beside_their_samples(setting, tmp_path):
    """A row is a sample; all rows of the one micro batch are as long as its longest."""
    steps = Steps(padded(setting), tmp_path, 1)
    turn = steps.take()
    steps.close()
    lengths = turn.work.lengths
    assert len(lengths) == 4
    assert turn.places == 4 * max(lengths)
    assert turn.work.faces == 4
    assert turn.rate == pytest.approx(sum(lengths) / turn.seconds)


def test_transformers_trainer_counts_the_batches_it_has_learned_from(setting, tmp_path):
    from facellm.train.bench.hf_trainer import PlainTrainer

    trainer = PlainTrainer(padded(setting), tmp_path, 1, 2)
    before = [p.detach().clone() for p in trainer.trainer.model.parameters() if p.requires_grad]
    turn = trainer.take()
    assert len(trainer.collator.batches) >= 2  # one step more, and perhaps one fetched ahead
    samples, places = trainer.collator.batches[1]
    assert turn.work.lengths == tuple(map(len, samples))
    assert turn.places == places == 2 * max(map(len, samples))
    after = [p for p in trainer.trainer.model.parameters() if p.requires_grad]
    assert any(not torch.equal(a, b) for a, b in zip(after, before, strict=True))


def test_both_trainers_have_the_same_loss_on_the_same_samples(setting, tmp_path):
    from facellm.train.bench.hf_trainer import Collator, SampleDataset

    run = padded(setting)
    steps = Steps(run, tmp_path, 1)
    stream, trainee = steps.streams[0], steps.training.trainee.eval()
    [batch] = stream.micro_batches(0)
    data = SampleDataset(run, stream.processor)
    ids = [data.samples.sample(number).id for number in range(len(data))]
    given = Collator(stream.processor)([data[ids.index(s.id)] for s in batch.samples])
    with torch.no_grad():
        ours = trainee(batch)["answer"]
        theirs = build_model(run)[0].eval()(**given).loss
    steps.close()
    assert given["input_ids"].shape == batch.input_ids.shape
    assert float(theirs) == pytest.approx(float(ours), rel=1e-5)


def made_turns(seconds, tokens, places):
    return [Turn(s, places, 2, Work((tokens,), 1, 0)) for s in seconds]


def test_rates_padding_and_ratios_are_those_counted_by_hand():
    found = {
        batching.PACKED: made_turns([1.0, 2.0, 4.0], 90, 100),
        batching.PADDED: made_turns([2.0, 3.0, 8.0], 60, 80),
        batching.CACHED: made_turns([0.5, 1.0, 1.0], 90, 100),
    }
    lines = {line.name: line for line in batching.rate_lines(found, "no accelerate")}
    assert lines["packed: real tokens"].value == 45
    assert lines["packed: share of padding"].value == pytest.approx(10)
    assert lines["padded: share of padding"].value == pytest.approx(25)
    # Turn by turn: 90 over 30, 45 over 20, 22.5 over 7.5.
    ratio = lines["real tokens/s: packed over padded"]
    assert (ratio.value, ratio.quartiles) == (3, pytest.approx((2.625, 3)))
    assert lines["steps/s: features cached over computed"].value == 2
    assert lines["transformers.Trainer (no accelerate)"].value is None


def test_every_line_is_there_and_has_a_value(setting, tmp_path):
    lines = batching.batching_lines(setting, tmp_path)
    for line in lines:
        assert line.value is not None, line
        assert np.isfinite(line.value)
        assert line.runs == 2
        assert line.value > 0 or "padding" in line.name
    names = [line.name for line in lines]
    assert len(set(names)) == len(names) == 17
    row = r"\| [^|]+ \| [\d.]+ \S+ \([\d.]+ to [\d.]+\) \|  \|  \|"
    assert all(re.fullmatch(row, text) for text in table(lines).splitlines()[2:])
    assert list(tmp_path.glob("features/*/*.npy"))


def test_one_run_has_no_quartiles():
    with pytest.raises(ValueError, match="1 runs have no quartiles"):
        Sizes(runs=1)


def test_a_ratio_is_taken_turn_by_turn():
    line = turns.ratio("x", [2.0, 6.0, 9.0], [1.0, 2.0, 9.0])
    assert (line.value, line.unit) == (2, "x")
