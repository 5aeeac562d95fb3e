"""The adversary: gradients turn at the tokens only, people are counted once, unseen people gain."""

import copy
import logging
import math

import numpy as np
import pytest
import torch
from loss_toys import bare_batch, bare_forward, reading_sample, setting_of
from torch import nn
from torch.nn import functional as F

from facellm.checkpoint import load_checkpoint
from facellm.train.objectives import identity_adversary
from facellm.train.objectives.identity_adversary import RAMP, IdentityAdversary

WIDTH = 64  # of the toy's language model


@pytest.fixture(scope="module")
def toy(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


def adversary(toy, passes=RAMP):
    made = IdentityAdversary(setting_of(toy, identity_adversary=1.0))
    made.passes.fill_(passes)
    return made


def samples_of(toy, subjects):
    return [
        reading_sample(toy.processor, f"{i}", subject=subject) for i, subject in enumerate(subjects)
    ]


def test_two_people_and_a_classifier_that_knows_nothing_cost_log_2(toy):
    objective = adversary(toy)
    batch = bare_batch(samples_of(toy, ["ann", "bob", None]))
    loss = objective(batch, bare_forward(torch.randn(3, 4, WIDTH)))
    assert loss.item() == pytest.approx(math.log(2), abs=1e-6)


def gradients(toy, passes):
    """Of tokens and classifier, with the adversary and with an ordinary classifier."""
    torch.manual_seed(0)
    objective = adversary(toy, passes)
    nn.init.normal_(objective.classifier.weight)
    batch = bare_batch(samples_of(toy, ["ann", "bob", "ann"]))
    visual = torch.randn(3, 4, WIDTH, requires_grad=True)
    objective(batch, bare_forward(visual)).backward()
    plain = copy.deepcopy(objective.classifier)
    plain.zero_grad()
    straight = visual.detach().clone().requires_grad_()
    logits = plain(F.layer_norm(straight.mean(1), (WIDTH,)))[:, :2]
    F.cross_entropy(logits, torch.tensor([0, 1, 0])).backward()
    return visual.grad, straight.grad, objective.classifier.weight.grad, plain.weight.grad


def test_the_gradient_turns_at_the_visual_tokens_and_not_at_the_classifier(toy):
    tokens, straight, classifier, plain = gradients(toy, RAMP)
    assert float(straight.abs().max()) > 1e-3
    assert torch.allclose(tokens, -straight, atol=1e-7)
    assert torch.allclose(classifier, plain, atol=1e-7)


def test_its_strength_rises_with_the_passes(toy):
    tokens, straight, classifier, plain = gradients(toy, RAMP // 4)
    assert torch.allclose(tokens, -0.25 * straight, atol=1e-7)
    assert torch.allclose(classifier, plain, atol=1e-7)
    fresh = adversary(toy, 0)
    batch = bare_batch(samples_of(toy, ["ann"]))
    for _ in range(3):
        fresh(batch, bare_forward(torch.randn(1, 4, WIDTH)))
    assert fresh.strength == pytest.approx(3 / RAMP)


def test_faces_of_nobody_known_do_not_count(toy):
    objective = adversary(toy)
    visual = torch.randn(2, 4, WIDTH)
    assert objective(bare_batch(samples_of(toy, [None, None])), bare_forward(visual)) is None
    objective.eval()  # the validation split's people are not learned
    assert objective(bare_batch(samples_of(toy, ["eve", "ann"])), bare_forward(visual)) is None
    assert int((objective.people >= 0).sum()) == 0


def test_a_sample_of_two_faces_names_neither(toy):
    objective = adversary(toy)
    pair, single = samples_of(toy, ["ann", "bob"])
    object.__setattr__(pair, "images", (*pair.images, *pair.images))
    visual = torch.randn(3, 4, WIDTH, requires_grad=True)
    nn.init.normal_(objective.classifier.weight)
    objective(bare_batch(samples_of(toy, ["cat"])), bare_forward(torch.randn(1, 4, WIDTH)))
    objective(bare_batch([pair, single]), bare_forward(visual)).backward()
    assert visual.grad.flatten(1).abs().amax(1).gt(0).tolist() == [False, False, True]


def test_one_name_in_two_sets_is_two_people_and_a_table_survives_a_checkpoint(toy):
    objective = adversary(toy)
    samples = samples_of(toy, ["1", "2"])
    samples.append(reading_sample(toy.processor, "c", subject="1", source="other"))
    batch, out = bare_batch(samples), bare_forward(torch.randn(3, 4, WIDTH))
    objective(batch, out)
    objective(batch, out)
    assert int((objective.people >= 0).sum()) == 3
    nn.init.normal_(objective.classifier.weight)
    again = adversary(toy)
    again.load_state_dict(copy.deepcopy(objective.state_dict()))
    assert objective(batch, out).item() == again(batch, out).item()


def test_more_people_than_the_table_holds_are_told_of_and_left_out(toy, monkeypatch, caplog):
    monkeypatch.setattr(identity_adversary, "PEOPLE", 2)
    objective = adversary(toy)
    visual = torch.randn(3, 4, WIDTH, requires_grad=True)
    nn.init.normal_(objective.classifier.weight)
    with caplog.at_level(logging.WARNING):
        loss = objective(bare_batch(samples_of(toy, ["a", "b", "c"])), bare_forward(visual))
    loss.backward()
    assert visual.grad.flatten(1).abs().amax(1).gt(0).tolist() == [True, True, False]
    assert "tells 2 people apart" in caplog.text


PEOPLE, FACES, CODE = 40, 8, 16


def people(rng, first):
    """Faces of people: a weak honest cue, a strong code of the person; a person has one label."""
    codes = rng.normal(size=(PEOPLE, CODE))
    person = np.repeat(np.arange(PEOPLE), FACES)
    label = person % 2
    cue = (2 * label - 1)[:, None] + 1.3 * rng.normal(size=(len(person), 4))
    raw = np.concatenate((cue, 2 * codes[person]), axis=1)
    names = [f"p{first + number}" for number in person]
    return torch.from_numpy(raw).float(), torch.from_numpy(label), names


def accuracy_on_unseen_people(toy, seed, weight):
    torch.manual_seed(seed)
    rng = np.random.default_rng(seed)
    raw, label, names = people(rng, 0)
    encoder, head = nn.Linear(4 + CODE, WIDTH), nn.Linear(WIDTH, 2)
    objective = adversary(toy, 0)
    parts = [*encoder.parameters(), *head.parameters(), *objective.parameters()]
    optimizer = torch.optim.Adam(parts, lr=3e-3)
    batch = bare_batch(samples_of(toy, names))
    for _ in range(200):
        tokens = encoder(raw)
        loss = F.cross_entropy(head(F.layer_norm(tokens, (WIDTH,))), label)
        if weight:
            loss = loss + weight * objective(batch, bare_forward(tokens[:, None]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    raw, label, _ = people(rng, PEOPLE)
    with torch.no_grad():
        said = head(F.layer_norm(encoder(raw), (WIDTH,))).argmax(1)
    return float((said == label).float().mean())


def test_where_the_person_gives_the_label_away_unseen_people_are_read_better(toy, monkeypatch):
    monkeypatch.setattr(identity_adversary, "PEOPLE", PEOPLE)
    gains = [
        accuracy_on_unseen_people(toy, seed, 2.0) - accuracy_on_unseen_people(toy, seed, 0.0)
        for seed in range(2)
    ]
    assert np.mean(gains) > 0.05
    assert min(gains) > 0
