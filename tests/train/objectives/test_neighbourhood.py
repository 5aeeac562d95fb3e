"""Smoothed targets: they mend planted flips, leave a face's own label out, and can be resumed."""

import copy

import numpy as np
import pytest
import torch
from loss_toys import batch_of, forwarded, reading_sample, setting_of

from facellm.checkpoint import load_checkpoint
from facellm.train.objectives import neighbourhood
from facellm.train.objectives.faces import stable_key
from facellm.train.objectives.neighbourhood import (
    NEIGHBOURS,
    OWN_SHARE,
    NeighbourhoodLoss,
    Neighbours,
    smoothed_targets,
)
from facellm.train.objectives.readout import soft_cross_entropy
from facellm.train.objectives.shapes import aligned_shapes

CLASSES, WIDTH = 8, 16


@pytest.fixture(scope="module")
def toy(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


def faces_of(features, labels, shapes=None, keys=None):
    count = len(features)
    return Neighbours(
        features,
        torch.full((count, 136), torch.nan) if shapes is None else shapes,
        torch.eye(CLASSES)[labels],
        torch.arange(count) if keys is None else keys,
    )


def clusters(count, seed):
    """Features around one centre a class, clean labels, and labels of which 30 % are flipped."""
    rng = np.random.default_rng(seed)
    clean = rng.integers(CLASSES, size=count)
    centres = rng.normal(size=(CLASSES, WIDTH))
    features = centres[clean] + 0.7 * rng.normal(size=(count, WIDTH)) + 5.0  # a common offset
    flipped = rng.random(count) < 0.3
    given = np.where(flipped, (clean + rng.integers(1, CLASSES, count)) % CLASSES, clean)
    return torch.from_numpy(features).float(), torch.from_numpy(clean), torch.from_numpy(given)


@pytest.mark.parametrize("seed", range(3))
def test_smoothed_targets_agree_with_clean_labels_more_often_than_given_ones(seed):
    features, clean, given = clusters(400, seed)
    faces = faces_of(features, given)
    smoothed = smoothed_targets(faces, faces)
    agreed = float((smoothed.argmax(1) == clean).float().mean())
    assert float((given == clean).float().mean()) < 0.76
    assert agreed > 0.9
    assert torch.allclose(smoothed.sum(1), torch.ones(400))


def test_neighbours_without_structure_do_not_help():
    """The gain comes from features that tell classes apart, not from smoothing as such."""
    _, clean, given = clusters(400, 0)
    noise = torch.randn(400, WIDTH, generator=torch.Generator().manual_seed(0))
    smoothed = smoothed_targets(faces_of(noise, given), faces_of(noise, given))
    assert float((smoothed.argmax(1) == clean).float().mean()) <= 0.75


def test_one_face_by_hand():
    """Eight neighbours on one side, five of class 1 and three of class 2; a far ninth is not."""
    near = torch.tensor([[1.0, 0.1 * i] for i in range(8)])
    others = torch.cat((near, torch.tensor([[-9.0, 0.0]])))
    labels = torch.tensor([1, 1, 1, 1, 1, 2, 2, 2, 3])
    candidates = faces_of(others, labels, keys=torch.arange(1, 10))
    face = faces_of(torch.tensor([[1.0, 0.3]]), torch.tensor([0]), keys=torch.tensor([0]))
    expected = torch.zeros(CLASSES)
    expected[0], expected[1], expected[2] = OWN_SHARE, 0.7 * 5 / 8, 0.7 * 3 / 8
    assert torch.allclose(smoothed_targets(face, candidates)[0], expected, atol=1e-6)


def test_a_picture_is_never_its_own_neighbour():
    """The same picture, seen before under its label, would vouch for it."""
    features, _, given = clusters(NEIGHBOURS, 1)
    faces = faces_of(features, given)
    others = Neighbours(*(torch.cat((x, x[:1])) for x in faces.tensors()))
    assert torch.equal(smoothed_targets(faces, others)[:1], faces.targets[:1])


def test_too_few_candidates_leave_the_target_as_it_is():
    features, _, given = clusters(NEIGHBOURS, 2)
    faces = faces_of(features, given)
    assert torch.equal(smoothed_targets(faces, faces), faces.targets)


def test_landmarks_are_a_space_of_their_own_for_faces_that_have_them():
    features, _, given = clusters(100, 3)
    shapes = torch.randn(100, 136, generator=torch.Generator().manual_seed(1))
    plain = smoothed_targets(faces_of(features, given), faces_of(features, given))
    shapes[50:] = torch.nan
    mixed = smoothed_targets(faces_of(features, given, shapes), faces_of(features, given, shapes))
    assert torch.equal(plain[50:], mixed[50:])
    assert not torch.equal(plain[:50], mixed[:50])
    by_shape = smoothed_targets(
        faces_of(shapes.nan_to_num(), given), faces_of(shapes[:50], given[:50])
    )
    assert torch.allclose(mixed[:50], (plain[:50] + by_shape[:50]) / 2, atol=1e-6)


def test_a_shape_has_no_place_size_or_turn():
    rng = np.random.default_rng(0)
    points = rng.random((1, 68, 2)).astype(np.float32)
    angle = 0.4
    turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]], np.float32)
    moved = 0.3 * points @ turn + np.float32([0.2, -0.1])
    first, second = (aligned_shapes(torch.from_numpy(p)) for p in (points, moved))
    assert torch.allclose(first, second, atol=1e-5)
    assert float(first.square().sum()) == pytest.approx(1, abs=1e-5)
    missing = aligned_shapes(torch.full((1, 68, 2), torch.nan))
    assert torch.isnan(missing).all()


def expression_batch(toy, names, seed):
    rng = np.random.default_rng(seed)
    samples = [
        reading_sample(toy.processor, name, expr=rng.dirichlet(np.ones(CLASSES)), gender=(1, 0))
        for name in names
    ]
    pixels = torch.randn(len(names), 3, 96, 96, generator=torch.Generator().manual_seed(seed))
    return batch_of(toy.processor, samples, pixels=pixels)


def test_the_loss_is_the_cross_entropy_with_the_smoothed_targets(toy):
    objective = NeighbourhoodLoss(setting_of(toy, neighbourhood=1.0))
    first = expression_batch(toy, [f"a{i}" for i in range(6)], 0)
    second = expression_batch(toy, [f"b{i}" for i in range(6)], 1)
    with torch.no_grad():
        outs = [forwarded(toy.model, batch) for batch in (first, second)]
        objective(first, outs[0])
        loss = objective(second, outs[1])
    faces = [
        Neighbours(
            out.visual.mean(1),
            torch.full((6, 136), torch.nan),
            batch.readout_targets[batch.readout_at[:, 2] == 0, :CLASSES],
            torch.tensor([stable_key(s.images[0].key) for s in batch.samples]),
        )
        for batch, out in ((first, outs[0]), (second, outs[1]))
    ]
    both = Neighbours(
        *(torch.cat(pair) for pair in zip(faces[1].tensors(), faces[0].tensors(), strict=True))
    )
    at = second.readout_at[second.readout_at[:, 2] == 0]
    expected = soft_cross_entropy(
        outs[1].hidden[at[:, 0], at[:, 1]],
        outs[1].output_weight,
        toy.processor.label_ids[0],
        smoothed_targets(faces[1], both),
    ).mean()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    assert int(objective.seen) == 12


def test_a_resumed_queue_gives_the_same_losses_and_evaluation_does_not_fill_it(toy):
    straight = NeighbourhoodLoss(setting_of(toy, neighbourhood=1.0))
    batches = [expression_batch(toy, [f"{n}{i}" for i in range(6)], n) for n in range(3)]
    with torch.no_grad():
        outs = [forwarded(toy.model, batch) for batch in batches]
        for batch, out in zip(batches[:2], outs[:2], strict=True):
            straight(batch, out)
        resumed = NeighbourhoodLoss(setting_of(toy, neighbourhood=1.0))
        resumed.load_state_dict(copy.deepcopy(straight.state_dict()))
        straight.eval()
        looked = straight(batches[2], outs[2])
        assert int(straight.seen) == 12
        straight.train()
        assert (
            float(straight(batches[2], outs[2]))
            == float(looked)
            == float(resumed(batches[2], outs[2]))
        )
    for kept, again in zip(straight.buffers(), resumed.buffers(), strict=True):
        assert torch.equal(kept.nan_to_num(), again.nan_to_num())


def key_of(name):
    return stable_key(f"0:{name}:0.00,0.00,1.00,1.00")


def test_the_oldest_faces_leave_a_full_queue(toy, monkeypatch):
    monkeypatch.setattr(neighbourhood, "QUEUE", 8)
    objective = NeighbourhoodLoss(setting_of(toy, neighbourhood=1.0))
    with torch.no_grad():
        for step in range(2):
            batch = expression_batch(toy, [f"{step}{i}" for i in range(6)], step)
            objective(batch, forwarded(toy.model, batch))
    names = [f"1{i}" for i in range(6)] + ["04", "05"]
    assert set(objective.keys.tolist()) == {key_of(name) for name in names}


def test_a_picture_seen_again_is_renewed_in_its_place(toy):
    objective = NeighbourhoodLoss(setting_of(toy, neighbourhood=1.0))
    with torch.no_grad():
        for names in (["a", "b", "b"], ["c", "a"]):
            batch = expression_batch(toy, names, len(names))
            objective(batch, forwarded(toy.model, batch))
    assert objective.keys[:4].tolist() == [*map(key_of, "abc"), 0]
    new = batch.readout_targets[batch.readout_at[:, 2] == 0, :CLASSES]
    assert torch.equal(objective.targets[[2, 0]], new)
    assert int(objective.seen) == 3


def test_faces_without_an_expression_do_not_count(toy):
    objective = NeighbourhoodLoss(setting_of(toy, neighbourhood=1.0))
    batch = batch_of(toy.processor, [reading_sample(toy.processor, "a", gender=(1, 0))])
    with torch.no_grad():
        assert objective(batch, forwarded(toy.model, batch)) is None
    assert int(objective.seen) == 0


def test_a_run_without_readouts_cannot_smooth_them(toy):
    with pytest.raises(ValueError, match=r"losses\.neighbourhood smooths readout targets"):
        NeighbourhoodLoss(setting_of(toy, data={"readouts": False}, neighbourhood=1.0))
