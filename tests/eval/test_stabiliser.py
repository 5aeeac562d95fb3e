"""Degrees missed: pairs of meshes, and one picture, on made-up faces."""

import json

import numpy as np
import pytest
from safetensors.numpy import save_file
from turned_faces import tensors, turned_heads

from facellm.eval import stabiliser
from facellm.eval.mesh_pairs import (
    pair_errors,
    pairs_of,
    procrustes,
    turn_vectors,
    turns_from,
)
from facellm.geometry import Geometry
from facellm.stabilise import VERSION, Stabiliser, angle_between, rotations


def faces(count, seed):
    """Heads with an expression that lies in three directions, their rest, and a pose."""
    rng = np.random.default_rng(seed)
    rest, pose, _ = turned_heads(count, seed)
    directions = np.random.default_rng(5).normal(0, 0.3, (3, 68, 3))
    directions[:, 27:48] *= 0.1  # nose and eyes hardly move
    return rest + np.tensordot(rng.uniform(0, 1, (count, 3)), directions, 1), rest, pose


def test_procrustes_finds_a_rigid_turn_exactly_and_never_a_mirror():
    heads, pose, _ = turned_heads(30)
    turns = rotations(pose)
    found = procrustes(heads, np.einsum("nvk,njk->nvj", heads, turns) + 3.0)
    np.testing.assert_allclose(found, turns, atol=1e-9)
    mirrored = procrustes(heads, heads * np.array([-1.0, 1.0, 1.0]))
    np.testing.assert_allclose(np.linalg.det(mirrored), 1.0)


def test_turn_vectors_and_back():
    turns = rotations(np.random.default_rng(0).uniform(-50, 50, (20, 3)))
    np.testing.assert_allclose(turns_from(turn_vectors(turns)), turns, atol=1e-9)
    np.testing.assert_allclose(turn_vectors(np.eye(3)[None]), 0.0)


def test_learning_tells_expression_from_a_turn_where_procrustes_does_not():
    errors = pair_errors(pairs_of(*faces(800, 0), noise=0.0), pairs_of(*faces(100, 1), noise=0.0))
    median = {name: np.median(degrees) for name, degrees in errors.items()}
    assert median["learned"] < 0.5 < median["procrustes, 68 points"]
    assert median["learned"] < median["procrustes, 8 rigid points"] / 2


def test_a_summary_counts_faces_and_people():
    found = stabiliser.summary(np.array([1.0, 2.0, 9.0]), np.array([4, 4, 7]))
    assert (found["n"], found["people"]) == (3, 2)
    assert found["median"]["value"] == 2.0
    assert found["p95"]["value"] == 9.0
    assert found["median"]["low"] <= 2.0 <= found["median"]["high"]


@pytest.fixture
def cache(tmp_path, tiny_checkpoint):
    """Files of every kind the command reads."""
    folder, rig = tmp_path / "stabiliser", tmp_path / "rig"
    folder.mkdir()
    rig.mkdir()
    head, rest, pose = faces(120, 3)
    points = np.einsum("nvk,njk->nvj", head, rotations(pose))[..., :2] * np.array([1.0, -1.0])
    split = np.repeat([0, 1, 2], 40).astype(np.int8)
    active = np.tile([0, 1], 60).astype(np.int8)
    arrays = {"points": points, "head": head, "rest": rest, "pose": pose}
    np.savez(folder / "turns.npz", **arrays, split=split, active=active)
    for name in ("exact.safetensors", "stabiliser.safetensors"):
        save_file(tensors(), folder / name, metadata={"version": VERSION})
    au = np.zeros((120, 21), np.float32)
    au[:, 3] = active
    identity = np.arange(120) // 4
    np.savez(rig / "labels.npz", split=split, pose=pose, identity=identity, au=au)
    found = points.copy()
    found[-1] = np.nan
    np.save(rig / "landmarks.npy", found)
    return tmp_path


def test_the_command_measures_every_setting(cache, tiny_checkpoint, capsys):
    out = cache / "figures.json"
    landmarks = tiny_checkpoint / "landmarks.safetensors"
    stabiliser.main(["--cache", str(cache), "--landmarks", str(landmarks), "--out", str(out)])
    record = json.loads(out.read_text())
    exact = record["one picture, exact points"]["learned"]
    assert (exact["all"]["n"], exact["at rest"]["n"], exact["expressive"]["n"]) == (40, 20, 20)
    renders = record["one render, located points"]
    assert set(renders) == {"learned", "ridge"}
    assert renders["ridge"]["all"]["n"] == 39  # one was not located
    assert renders["ridge"]["all"]["people"] == 10
    with np.load(cache / "rig" / "labels.npz") as stored:
        truth = rotations(stored["pose"][80:119])
    points = np.load(cache / "rig" / "landmarks.npy")[80:119]
    for name, method in {
        "learned": Stabiliser.load(cache / "stabiliser" / "stabiliser.safetensors"),
        "ridge": Geometry.load(landmarks),
    }.items():
        missed = np.median(angle_between(rotations(method.pose(points)), truth))
        assert renders[name]["all"]["median"]["value"] == pytest.approx(missed)
    assert "one render, located points, learned, at rest: median" in capsys.readouterr().out
