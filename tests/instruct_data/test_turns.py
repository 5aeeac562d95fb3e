"""Turned faces and resting people of the rig: who is held out, and what rests."""

import numpy as np
import pytest
from shared_data import DATA, needs_rig

from facellm.instruct_data.build_resting import (
    TURN,
    RestingSet,
    build_resting_set,
    resting_sample,
    samples_of,
)
from facellm.instruct_data.build_rig import build_rig_set
from facellm.instruct_data.build_turns import build_turns, render_heads, turned_faces
from facellm.instruct_data.rig import Rig, identity_splits, identity_table
from facellm.stabilise import rotations

pytestmark = needs_rig


@pytest.fixture(scope="module")
def rig():
    return Rig.load(DATA)


def test_points_are_the_head_turned_by_its_pose(rig):
    rows = turned_faces(rig, 2, 20)
    turned = np.einsum("nvk,njk->nvj", rows["head"] - [0, 0, 4.0], rotations(rows["pose"]))
    # Perspective is mild: what is seen is close to a similarity of the turned head.
    for seen, solid in zip(rows["points"], turned, strict=True):
        flat = solid[:, :2] * [1, -1]
        flat, seen = flat - flat.mean(0), seen - seen.mean(0)
        fit = (flat * seen).sum() / (flat**2).sum()
        assert np.linalg.norm(seen - fit * flat) < 0.06 * np.linalg.norm(seen)


def test_training_people_are_new_and_held_out_people_are_the_tables(rig):
    at, splits = rig.landmark_vertices, identity_splits()
    table = rig.neutral[at] + np.tensordot(identity_table(), rig.identity_shapes[:, at], 1)

    def gap(split):
        rest = turned_faces(rig, split, 8)["rest"]
        return np.abs(rest[:, None] - table[None]).max(axis=(2, 3))

    for split in (1, 2):
        held = gap(split)
        assert (held.min(axis=1) < 1e-4).all()
        assert set(splits[held.argmin(axis=1)]) == {split}
    assert (gap(0).min(axis=1) > 0.1).all()


def test_an_expressionless_row_is_that_persons_rest_but_for_lids(rig):
    rows = turned_faces(rig, 2, 60)
    still = np.r_[0:17, 27:36]  # lids and brows follow the eyes' look
    moved = np.abs(rows["head"] - rows["rest"])[:, still].max(axis=(1, 2))
    assert np.median(moved[rows["active"] == 0]) < 0.02 < np.median(moved[rows["active"] > 1])


def test_heads_of_a_rendered_set_project_to_its_landmarks(rig, tmp_path):
    folder = build_rig_set(DATA, tmp_path / "rig", 3, size=32)
    heads = render_heads(rig, folder)
    assert heads.shape == (3, 68, 3)
    with np.load(folder / "labels.npz") as stored:
        labels = dict(stored)
    labels["landmarks"] = labels["landmarks"][::-1]
    np.savez(folder / "labels.npz", **labels)
    with pytest.raises(ValueError, match="row 0 is of another set"):
        render_heads(rig, folder)


def test_the_file_holds_every_split(rig, tmp_path):
    path = build_turns(DATA, tmp_path / "turns.npz", (4, 2, 3))
    with np.load(path) as stored:
        assert stored["split"].tolist() == [0] * 4 + [1] * 2 + [2] * 3
        assert stored["points"].shape == (9, 68, 2)


def test_resting_people_differ_in_nothing_but_their_frown(rig):
    plain = resting_sample(rig, 3, 1, frown=False)
    frown = resting_sample(rig, 3, 1, frown=True)
    assert (plain.pose, plain.look, plain.eyes) == (frown.pose, frown.look, frown.eyes)
    changed = np.flatnonzero(plain.expression != frown.expression)
    assert {rig.expression_names[index] for index in changed} == {"browDown_L", "browDown_R"}
    assert all(abs(angle) <= most for angle, most in zip(plain.pose, TURN, strict=True))


def test_frames_come_person_by_person_all_held_out(rig):
    samples = samples_of(rig, RestingSet(people=4, frowning=1, frames=2))
    people = [sample.identity for sample, _ in samples]
    assert people[:4] == people[4:]
    assert set(identity_splits()[people]) == {2}
    assert [bool(sample.units) for sample, _ in samples] == [True, False, False, False] * 2


def test_a_stopped_build_goes_on(rig, tmp_path):
    small = RestingSet(people=2, frowning=1, frames=1, size=32)
    build_resting_set(DATA, tmp_path, small)
    images = np.load(tmp_path / "images.npy")
    done = np.lib.format.open_memmap(tmp_path / "done.npy", mode="r+")
    done[1] = False
    done.flush()
    held = np.lib.format.open_memmap(tmp_path / "images.npy", mode="r+")
    held[1] = 0
    held.flush()
    build_resting_set(DATA, tmp_path, small)
    assert (np.load(tmp_path / "images.npy") == images).all()
