"""Training the stabiliser: it learns a solid's turn, and its data are what they say."""

import numpy as np
import torch
from safetensors.numpy import save_file
from turned_faces import tensors, turned_heads

from facellm.geometry import measure
from facellm.stabilise import STABILISER, VERSION, Stabiliser, angle_between, rotations
from facellm.train.stabiliser import (
    TurnNet,
    Turns,
    fit,
    frontal_points,
    targets,
    with_network_errors,
    write,
)


def solid_turns(count, seed=0):
    head, pose, points = turned_heads(count, seed)
    return Turns(points, head, pose)


def test_numpy_and_torch_compute_the_same(tmp_path):
    path = tmp_path / STABILISER
    save_file(tensors(), path, metadata={"version": VERSION})
    found = Stabiliser.load(path)
    net = TurnNet()
    state = {name: torch.from_numpy(a) for name, a in found.tensors.items() if "layer" in name}
    net.load_state_dict(state)
    points = solid_turns(5).points
    inputs, _ = targets(solid_turns(5), found.tensors["mean_shape"], found.tensors["frontal_shape"])
    with torch.no_grad():
        expected = net(torch.from_numpy(inputs).float()).numpy() * found.tensors["output_scale"]
    offsets = (found.frontal(points) - found.tensors["frontal_shape"]).reshape(5, -1)
    np.testing.assert_allclose(offsets, expected[:, 3:], atol=1e-5)
    np.testing.assert_allclose(found.pose(points)[:, :2], expected[:, :2], atol=1e-5)


def test_training_learns_the_turn_of_a_solid_and_the_file_keeps_it(tmp_path):
    train, test = solid_turns(4000), solid_turns(200, seed=1)
    write(fit(train.mirrored(), 800, batch=128), train.points[:100], tmp_path / STABILISER)
    found = Stabiliser.load(tmp_path / STABILISER)
    missed = angle_between(rotations(found.pose(test.points)), rotations(test.pose))
    still = angle_between(rotations(np.zeros((200, 3))), rotations(test.pose))
    assert np.median(missed) < 1.5 < np.median(still) / 5
    error = np.abs(found.frontal(test.points) - frontal_points(test.head)).mean()
    raw = np.abs(frontal_points(test.head) - frontal_points(test.head).mean(axis=0)).mean()
    assert error < 4 * raw  # a solid: nothing to see but its noise
    z = (measure(found.frontal(train.points[:100])) - found.tensors["neutral_mean"]) / (
        found.tensors["neutral_std"]
    )
    np.testing.assert_allclose(z.mean(axis=0), 0, atol=0.05)
    np.testing.assert_allclose(z.std(axis=0), 1, atol=0.05)
    assert (tmp_path / STABILISER).stat().st_size < 100_000


def test_a_mirrored_face_is_turned_the_other_way():
    turns = solid_turns(3)
    both = turns.mirrored()
    seen = np.einsum("nvk,njk->nvj", both.head[3:], rotations(both.pose[3:]))[..., :2]
    flat = seen * np.array([3.0, -3.0])
    expected = both.points[3:] - both.points[3:].mean(axis=1, keepdims=True)
    np.testing.assert_allclose(flat - flat.mean(axis=1, keepdims=True), expected, atol=1e-9)


def test_network_errors_are_carried_over_in_the_faces_own_frame():
    turns = solid_turns(12)
    exact = turns.points
    rng = np.random.default_rng(0)
    same = with_network_errors(turns, turns, exact, rng)
    np.testing.assert_allclose(
        same.points - same.points[:, 36:37], exact - exact[:, 36:37], atol=1e-9
    )
    shifted = Turns(exact + 0.7, turns.head, turns.pose)
    moved = with_network_errors(turns, shifted, exact, rng)
    sizes = np.linalg.norm(moved.points - same.points, axis=2).mean(axis=1)
    assert sizes.min() > 0.1  # the same shift, in units of each face
