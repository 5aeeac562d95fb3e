"""The encoder stage: rates, averaging, heads, losses and batches that can be rebuilt."""

import dataclasses
import itertools

import numpy as np
import pytest
import torch
from torch import nn

from facellm.labels import ACTION_UNITS, AU_LEVELS, EXPRESSIONS
from facellm.train.batches import Target, collate
from facellm.train.encoder import (
    ThrowAwayHeads,
)
from facellm.train.encoder_config import EncoderRun, Stretch
from facellm.train.encoder_losses import age_distribution, mixup, task_losses
from facellm.train.encoder_steps import average_into, hold_back, learning_rate, parameter_groups

WIDTH = 20
MIX = (Stretch(until=1.0, ferplus=1.0),)


def test_the_rate_rises_then_falls_to_zero():
    run = EncoderRun(MIX, steps=1000, lr=1e-3, warmup=100)
    rates = [learning_rate(run, step) for step in range(1001)]
    peak = int(np.argmax(rates))
    assert 90 <= peak <= 100
    assert rates[peak] == pytest.approx(1e-3, rel=0.05)
    assert all(a > b for a, b in itertools.pairwise(rates[100:]))
    assert rates[1000] == pytest.approx(0, abs=1e-12)


def test_each_stretch_warms_up_and_falls_to_zero_on_its_own():
    mix = (Stretch(until=0.4, ferplus=1.0), Stretch(until=1.0, rate=0.5, ferplus=1.0))
    run = EncoderRun(mix, steps=1000, lr=1e-3, warmup=50)
    rates = [learning_rate(run, step) for step in range(1000)]
    assert rates[399] < 1e-7
    assert rates[400] == pytest.approx(0.5e-3 / 50)
    assert max(rates[400:]) == pytest.approx(0.5e-3, rel=0.05)
    assert rates[700] == pytest.approx(0.25e-3)  # half of a cosine
    assert rates[999] < 1e-7


def test_a_part_held_back_stays_as_it_is_whatever_the_decay():
    model = nn.ModuleDict({"held": nn.Linear(2, 2), "free": nn.Linear(2, 2)})
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.AdamW(parameter_groups(model, 0.5), lr=0.1)
    for _ in range(2):
        (model["held"](torch.ones(1, 2)) + model["free"](torch.ones(1, 2))).sum().backward()
        hold_back(model["held"])
        optimizer.step()
        optimizer.zero_grad()
    moved = {name for name, value in model.state_dict().items() if not value.equal(before[name])}
    assert moved == {"free.weight", "free.bias"}
    hold_back(None)


def test_norms_and_biases_are_not_decayed():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Linear(4, 2))
    decayed, free = parameter_groups(model, 0.05)
    assert {p.ndim for p in decayed["params"]} == {2, 4}
    assert {p.ndim for p in free["params"]} == {1}
    assert (decayed["weight_decay"], free["weight_decay"]) == (0.05, 0.0)
    assert len(decayed["params"]) + len(free["params"]) == len(list(model.parameters()))


def test_the_average_follows_weights_and_running_statistics_alike():
    model, averaged = nn.BatchNorm1d(3), nn.BatchNorm1d(3)
    with torch.no_grad():
        model.weight.fill_(3.0)
        model.running_mean.fill_(2.0)
        model.num_batches_tracked.fill_(7)
    average_into(averaged, model, 0.75)
    assert torch.allclose(averaged.weight, torch.full((3,), 1.5))
    assert torch.allclose(averaged.running_mean, torch.full((3,), 0.5))
    assert int(averaged.num_batches_tracked) == 7


def test_heads_begin_as_the_mean_of_the_patches():
    heads = ThrowAwayHeads(WIDTH).eval()
    patches = torch.randn(2, 9, WIDTH)
    before = heads(patches)
    assert {name: out.shape[1] for name, out in before.items()} == ThrowAwayHeads.SIZES
    shuffled = heads(patches[:, torch.randperm(9)])
    assert torch.allclose(before["expr"], shuffled["expr"], atol=1e-5)
    bias = heads.pool.out_proj.bias
    expected = heads.maps["expr"](patches.mean(1) + bias)
    assert torch.allclose(before["expr"], expected, atol=1e-5)


def labelled_batch() -> dict[str, torch.Tensor]:
    """Three pictures: one with votes, one with age and gender, one render."""
    votes = np.full(len(EXPRESSIONS) + 1, 1 / (len(EXPRESSIONS) + 1))
    targets = (
        Target(votes=votes),
        Target(age=30, male=1),
        Target(au=np.zeros(len(ACTION_UNITS), int), gaze=np.zeros(2)),
    )
    crop, points = np.zeros((8, 8, 3), np.uint8), np.full((68, 2), 0.5)
    return collate([(crop, points, target) for target in targets])


def test_a_picture_without_a_label_has_no_part_in_its_loss():
    batch = labelled_batch()
    out = {name: torch.zeros(3, size) for name, size in ThrowAwayHeads.SIZES.items()}
    losses = task_losses(out, batch)
    assert set(losses) == {"expr", "age", "age_years", "male", "au", "gaze", "points"}
    assert losses["expr"].share == pytest.approx(1 / 3)
    assert float(losses["expr"].mean) == pytest.approx(np.log(9), abs=1e-5)  # know-nothing logits
    assert float(losses["au"].mean) == pytest.approx(np.log(AU_LEVELS), abs=1e-5)
    changed = {name: value.clone() for name, value in out.items()}
    changed["expr"][1:] = 100.0 * torch.randn(2, 9)  # rows without votes
    assert float(task_losses(changed, batch)["expr"].mean) == float(losses["expr"].mean)


def test_the_age_label_is_a_distribution_around_the_age():
    shares = age_distribution(torch.tensor([30, 0, 116]))
    assert torch.allclose(shares.sum(1), torch.ones(3))
    assert shares.argmax(1).tolist() == [30, 0, 116]


def test_mixup_leaves_pictures_without_votes_alone():
    batch = labelled_batch()
    batch["pixel_values"] = torch.randn_like(batch["pixel_values"])
    before = batch["pixel_values"].clone()
    mixed = mixup(batch, 0.2, np.random.default_rng(0))
    assert torch.equal(mixed["pixel_values"][1:], before[1:])
    assert torch.allclose(mixed["expr"][0].sum(), torch.tensor(1.0))


def test_settings_cannot_be_changed_in_the_middle_of_a_run():
    with pytest.raises(dataclasses.FrozenInstanceError):
        EncoderRun(MIX).lr = 1.0  # type: ignore[misc]
