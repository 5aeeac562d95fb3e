"""The measurement behind FRGCA: cues on the right side, landmarks that hold no answer, arms."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch

from facellm.eval import region_claim
from facellm.eval.region_claim import main, table
from facellm.eval.region_cues import (
    BROWS,
    CROP,
    EYES,
    cue_sample,
    paint_eye_shut,
    raise_brow,
)
from facellm.eval.region_toy import (
    TURNS,
    ClaimRun,
    CuePictures,
    landmarks_of,
    new_toy,
    read_sides,
    stage_of_epoch,
)
from facellm.face import MIRROR_68

SIZE = 160


def points() -> np.ndarray:
    """A frontal face, (68, 2) in pixels of a 160-px picture; its nose on the middle column."""
    unit = np.full((68, 2), 0.5)
    unit[0:17] = np.column_stack(
        [np.linspace(0.2, 0.8, 17), 0.8 - (np.linspace(-1, 1, 17) ** 2) / 3]
    )
    unit[17:22] = np.column_stack([np.linspace(0.26, 0.44, 5), np.full(5, 0.3)])
    unit[22:27] = np.column_stack([np.linspace(0.56, 0.74, 5), np.full(5, 0.3)])
    eye = np.array([[-1, 0], [-0.4, -0.5], [0.4, -0.5], [1, 0], [0.4, 0.5], [-0.4, 0.5]]) * 0.07
    unit[36:42], unit[42:48] = eye + np.array([0.35, 0.4]), eye + np.array([0.65, 0.4])
    unit[48:68, 1] = 0.7
    return unit * SIZE


def drawing() -> np.ndarray:
    """Skin with two dark brows and two dark eyes at ``points``."""
    image = np.full((SIZE, SIZE, 3), (190, 150, 120), np.uint8)
    for part in (*BROWS, *EYES):
        cv2.polylines(image, [points()[part].astype(np.int32)], False, (20, 10, 5), 4)
    return image


def changed(before: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where pixels changed: mean (x, y)."""
    rows, columns = np.nonzero(np.abs(before.astype(int) - after).max(axis=2) > 20)
    assert len(rows) > 10
    return np.array([columns.mean(), rows.mean()])


@pytest.mark.parametrize("side", [0, 1])
def test_a_raised_brow_is_the_one_asked_for_and_goes_up(side):
    image = drawing()
    raised = raise_brow(image, points(), side)
    assert np.linalg.norm(changed(image, raised) - points()[BROWS[side]].mean(0)) < 12
    box = points()[BROWS[side]].mean(0).astype(int)
    column = slice(box[0] - 3, box[0] + 4)

    def height(picture: np.ndarray) -> float:
        dark = picture[: box[1] + 7, column, 0] < 90
        return float(np.nonzero(dark)[0].min())

    assert height(image) - height(raised) > 3
    other = points()[EYES[side]].mean(0).astype(int)
    assert (raised[other[1], other[0]] == image[other[1], other[0]]).all()  # the eye stays


@pytest.mark.parametrize("side", [0, 1])
def test_an_eye_painted_shut_is_the_one_asked_for_and_has_skin_colour(side):
    image = drawing()
    painted = paint_eye_shut(image, points(), side)
    centre = points()[EYES[side]].mean(0)
    assert np.linalg.norm(changed(image, painted) - centre) < 5
    x, y = centre.astype(int)
    assert np.abs(painted[y - 4 : y + 5, x - 8 : x + 9].astype(int) - (190, 150, 120)).max() < 30


def test_a_mirrored_face_has_its_points_numbered_as_any_other():
    face = points()
    mirrored = (face * (-1, 1) + (SIZE, 0))[MIRROR_68]
    assert sorted(MIRROR_68) == list(range(68))
    assert np.allclose(mirrored, face, atol=1e-9)  # the drawn face is symmetric


def test_sides_are_even_and_independent_and_points_follow_every_turn():
    image, unit = drawing(), points() / SIZE
    cues = [cue_sample(image, unit, np.random.default_rng(seed)) for seed in range(300)]
    both = np.array([(cue.brow, cue.eye) for cue in cues])
    assert np.abs(both.mean(0) - 0.5).max() < 0.1
    assert abs(np.corrcoef(both.T)[0, 1]) < 0.2
    left_of = np.array([cue.points[36, 0] < cue.points[45, 0] for cue in cues])
    assert 0.35 < left_of.mean() < 0.65  # where an eye lies does not tell which it is
    for cue in cues[:20]:
        assert cue.crop.shape == (CROP, CROP, 3)
        x, y = (cue.points[EYES[1 - cue.eye]].mean(0) * CROP).astype(int)
        near = cue.crop[max(y - 4, 0) : y + 5, max(x - 4, 0) : x + 5]
        assert near.min() < 100  # the open eye is dark where its points say


def test_landmarks_do_not_hold_the_answer():
    image, unit = drawing(), points() / SIZE
    crops, found = {}, {}
    for seed in range(60):
        cue = cue_sample(image, unit, np.random.default_rng(seed))
        scale = np.linalg.norm(cue.points[45] - cue.points[36])
        gaps = [
            np.linalg.norm(cue.points[b].mean(0) - cue.points[e].mean(0)) / scale
            for b, e in zip(BROWS, EYES, strict=True)
        ]
        crops[cue.brow], found[seed] = cue.crop, gaps[0] - gaps[1]
    assert max(abs(value) for value in found.values()) < 1e-4
    assert set(crops) == {0, 1}


def pictures(count: int = 12) -> CuePictures:
    generator = torch.Generator().manual_seed(0)
    return CuePictures(
        torch.randint(0, 256, (count, CROP, CROP, 3), generator=generator, dtype=torch.uint8),
        torch.rand(count, 68, 2, generator=generator),
        torch.randint(0, 2, (count, 2), generator=generator),
    )


def test_small_turns_come_first_and_all_in_the_end():
    run = ClaimRun(growth=2)
    assert [stage_of_epoch(epoch, run) for epoch in range(7)] == [0, 0, 1, 1, 2, 2, 2]
    assert stage_of_epoch(0, ClaimRun(growth=0)) == 2
    assert list(TURNS) == sorted(TURNS)
    assert TURNS[-1] == 1


def test_each_arm_is_given_its_landmarks():
    data, rows = pictures(), torch.tensor([3, 5, 7])
    assert torch.equal(landmarks_of(data, rows, "right"), data.points[rows])
    assert landmarks_of(data, rows, "none").isnan().all()
    other = landmarks_of(data, rows, "other")
    assert all((data.points == points).all((1, 2)).any() for points in other)
    assert not (other == data.points[rows]).all((1, 2)).any()
    mirrored = landmarks_of(data, rows, "mirrored")
    assert torch.equal(mirrored[:, 17], data.points[rows, 26])


def test_the_toy_answers_left_or_right_and_looks_at_its_landmarks_once_the_gate_is_open():
    model, data = new_toy(0), pictures()
    assert sum(p.numel() for p in model.parameters()) < 1e6
    hits, loss = read_sides(model, data, "right")
    assert hits.shape == (12, 2)
    assert 0.3 < loss < 1.5
    assert read_sides(model, data, "none")[1] == pytest.approx(loss, abs=1e-6)  # gate 0
    with torch.no_grad():
        model.region_attention.gate.fill_(1.0)
    assert read_sides(model, data, "none")[1] == pytest.approx(loss, abs=1e-6)
    assert abs(read_sides(model, data, "right")[1] - loss) > 1e-4


def test_the_command_measures_three_arms_and_writes_figures(tmp_path, monkeypatch, capsys):
    rig = tmp_path / "rig"
    rig.mkdir()
    np.save(rig / "images.npy", np.stack([drawing()] * 9))
    np.savez(
        rig / "labels.npz",
        landmarks=np.stack([points() / SIZE] * 9).astype(np.float32),
        split=np.array([0, 0, 0, 1, 1, 1, 2, 2, 2], np.int8),
        eye_open=np.full((9, 2), 0.3, np.float32),
        pose=np.zeros((9, 3), np.float32),
    )
    out = tmp_path / "claim.json"
    options = ["--train", "32", "--held-out", "16", "--epochs", "1", "--seeds", "2"]
    main(["--cache", str(tmp_path), "--out", str(out), *options])
    result = json.loads(out.read_text())
    assert set(result["arms"]) == set(region_claim.ARMS)
    for arm in result["arms"].values():
        assert arm["brow"]["n"] == 16
        assert len(arm["eye"]["per_seed"]) == len(arm["runs"]) == 2
        assert arm["brow"]["low"] <= arm["brow"]["value"] <= arm["brow"]["high"]
    assert result["arms"]["none"]["runs"][0]["gate"] == 0
    assert result["arms"]["right"]["runs"][0]["gate"] != 0
    assert table(result) in capsys.readouterr().out


def test_a_job_is_taken_once_and_taken_over_from_a_process_that_is_gone(tmp_path):
    path = tmp_path / "right-0.taken"
    assert region_claim.take(path)
    assert not region_claim.take(path)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    path.write_text(str(gone.pid))
    assert region_claim.take(path)
    assert path.read_text() == str(os.getpid())
