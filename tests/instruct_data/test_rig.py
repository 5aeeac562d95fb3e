"""The rig's pictures and labels say the same thing."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from shared_data import DATA, needs_rig

from facellm.instruct_data.build_rig import build_rig_set, draw_sample
from facellm.instruct_data.rig import (
    ACTION_UNITS,
    AU_SHAPES,
    Rig,
    expression_from_units,
    identity_splits,
    identity_table,
)
from facellm.instruct_data.rig_sample import INCOMPATIBLE, PROTOTYPES, FaceSample
from facellm.instruct_data.rig_scene import FaceRenderer
from facellm.instruct_data.rig_truth import label_face, lip_gap

LIPS, LEFT_EYE, RIGHT_EYE, BROWS = range(48, 68), range(36, 42), range(42, 48), range(17, 27)
# Unit -> landmarks around which the picture must change.
REGIONS = {
    1: BROWS, 2: BROWS, 4: BROWS, 5: range(36, 48), 6: range(36, 48), 7: range(36, 48),
    9: range(27, 36), 10: LIPS, 12: LIPS, 14: LIPS, 15: LIPS, 16: LIPS, 17: LIPS, 18: LIPS,
    20: LIPS, 22: LIPS, 24: LIPS, 25: LIPS, 26: LIPS, 28: LIPS, 43: range(36, 48),
}  # fmt: skip


@pytest.fixture(scope="module")
def rig() -> Rig:
    return Rig.load(DATA)


@pytest.fixture(scope="module")
def renderer(rig: Rig) -> FaceRenderer:
    return FaceRenderer(rig, 96)


def frontal(rig: Rig, units: dict[int, float] | None = None, **changes) -> FaceSample:
    """A frontal face with these units on both sides, in a fixed frame."""
    units = units or {}
    base = FaceSample(
        identity=0,
        expression=rig.expression_values(expression_from_units(units, units)),
        units=units,
        pose=(0.0, 0.0, 0.0),
        eyes=(0.0, 0.0),
        distance=90.0,
        fill=0.7,
        shift=(0.0, 0.0),
        look=5,
    )
    return replace(base, **changes)


def head_points(rig: Rig, units: dict[int, float]) -> np.ndarray:
    return rig.landmarks(identity_table()[0], frontal(rig, units).expression)


def test_every_identity_is_in_one_split_of_the_stated_size() -> None:
    assert np.bincount(identity_splits()).tolist() == [268, 32, 100]
    assert np.unique(identity_table(), axis=0).shape == (400, 100)


def test_unknown_unit_and_intensity_are_named() -> None:
    with pytest.raises(ValueError, match="AU27"):
        expression_from_units({27: 1.0}, {})
    with pytest.raises(ValueError, match=r"AU12.*1\.5"):
        expression_from_units({12: 1.5}, {12: 1.0})


def test_missing_rig_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"ict_facekit\.npz is missing"):
        Rig.load(tmp_path)


@needs_rig
def test_unknown_shape_is_named(rig: Rig) -> None:
    with pytest.raises(ValueError, match="mouthGrin"):
        rig.expression_values({"mouthGrin": 1.0})


@needs_rig
def test_every_unit_drives_shapes_of_the_rig(rig: Rig) -> None:
    assert tuple(AU_SHAPES) == ACTION_UNITS
    for unit in ACTION_UNITS:
        assert np.abs(frontal(rig, {unit: 1.0}).expression).max() > 0


@needs_rig
def test_landmarks_are_ibug_order_and_lie_on_the_mesh(rig: Rig) -> None:
    label = label_face(rig, frontal(rig))
    x, y = label["landmarks"].T
    assert x[0] < x[36] < x[30] < x[45] < x[16]
    assert (np.diff(x[17:27]) > 0).all()
    assert y[19] < y[37] < y[41] < y[30] < y[51] < y[62] <= y[66] + 1e-3 < y[57] < y[8]
    whole = rig.vertices(identity_table()[0], frontal(rig).expression)
    points = rig.landmarks(identity_table()[0], frontal(rig).expression)
    np.testing.assert_allclose(whole[rig.landmark_vertices], points, atol=1e-5)


@needs_rig
def test_samples_keep_the_contract(rig: Rig) -> None:
    samples = [draw_sample(rig, 1, index) for index in range(400)]
    labels = [label_face(rig, sample) for sample in samples]
    marks = np.stack([label["landmarks"] for label in labels])
    au = np.stack([label["au"] for label in labels])
    width = np.ptp(marks[:, :, 0], axis=1)
    assert marks.min() > 0
    assert marks.max() < 1
    assert width.max() <= 0.951
    assert (width > 0.55).all()
    assert au.min() >= 0
    assert au.max() <= 1
    assert 0.05 < np.mean([not sample.units for sample in samples]) < 0.16
    assert (np.abs([label["pose"] for label in labels]) <= (30, 15, 12)).all()
    for sample in samples:
        assert len(sample.units) <= 4
        pairs = {frozenset((a, b)) for a in sample.units for b in sample.units if a != b}
        prototype = any(set(sample.units) <= set(group) for group in PROTOTYPES)
        assert prototype or not pairs & INCOMPATIBLE
    driven = [u for u in ACTION_UNITS if u != 25]
    for sample, row in zip(samples, au, strict=True):
        assert {u for u in driven if row[ACTION_UNITS.index(u)] > 0} == set(sample.units) - {25}
        assert [row[ACTION_UNITS.index(u)] for u in driven] == pytest.approx(
            [sample.units.get(u, 0.0) for u in driven]
        )


@needs_rig
def test_split_of_a_label_follows_its_identity(rig: Rig) -> None:
    labels = [label_face(rig, draw_sample(rig, 2, index)) for index in range(300)]
    by_split = [{int(r["identity"]) for r in labels if r["split"] == s} for s in (0, 1, 2)]
    assert not by_split[0] & by_split[2]
    assert not by_split[0] & by_split[1]
    assert all(by_split)


@needs_rig
def test_a_smile_lifts_and_widens_the_lip_corners(rig: Rig) -> None:
    rest, smile = head_points(rig, {}), head_points(rig, {12: 1.0})
    assert (smile[[48, 54], 1] > rest[[48, 54], 1] + 0.3).all()
    assert smile[48, 0] < rest[48, 0] - 0.1
    assert smile[54, 0] > rest[54, 0] + 0.1


@needs_rig
def test_left_in_the_rig_is_right_in_the_image(rig: Rig) -> None:
    one_sided = rig.expression_values(expression_from_units({12: 1.0}, {}))
    rest = rig.landmarks(identity_table()[0], frontal(rig).expression)
    moved = np.linalg.norm(rig.landmarks(identity_table()[0], one_sided) - rest, axis=1)
    assert moved[54] > 4 * moved[48]


@needs_rig
@pytest.mark.parametrize(
    ("units", "parted"),
    [({}, False), ({25: 1.0}, True), ({26: 0.6}, True), ({10: 1.0}, True), ({16: 1.0}, True),
     ({24: 1.0}, False), ({17: 1.0}, False), ({12: 1.0}, False)],
)  # fmt: skip
def test_au25_is_read_from_the_lips(rig: Rig, units: dict[int, float], parted: bool) -> None:
    label = label_face(rig, frontal(rig, units))
    assert (label["au"][ACTION_UNITS.index(25)] > 0.2) == parted


@needs_rig
def test_mouth_close_keeps_lips_shut_under_an_open_jaw(rig: Rig) -> None:
    table = identity_table()[0]
    opened = rig.landmarks(table, {"jawOpen": 0.4})
    shut = rig.landmarks(table, {"jawOpen": 0.4, "mouthClose": 0.4})
    assert lip_gap(opened) > 0.1
    assert lip_gap(shut) < 0.04


@needs_rig
def test_openness_ignores_pose_and_follows_lids(rig: Rig) -> None:
    plain = label_face(rig, frontal(rig))
    turned = label_face(rig, frontal(rig, pose=(25.0, -10.0, 8.0)))
    np.testing.assert_allclose(plain["eye_open"], turned["eye_open"])
    wide, shut = (label_face(rig, frontal(rig, {unit: 1.0}))["eye_open"] for unit in (5, 43))
    assert (wide > plain["eye_open"] + 0.03).all()
    assert (shut < 0.35 * plain["eye_open"]).all()


@needs_rig
def test_image_left_eye_comes_first(rig: Rig) -> None:
    wink = rig.expression_values({"eyeBlink_R": 1.0})  # the subject's right: image left
    first, second = label_face(rig, frontal(rig, expression=wink))["eye_open"]
    assert first < 0.4 * second


@needs_rig
def test_pose_moves_the_nose_in_the_image(rig: Rig) -> None:
    def nose(pose: tuple[float, float, float]) -> np.ndarray:
        marks = label_face(rig, frontal(rig, pose=pose))["landmarks"]
        return marks[30] - (marks[36] + marks[45]) / 2

    assert nose((20.0, 0.0, 0.0))[0] > nose((0.0, 0.0, 0.0))[0] + 0.05
    assert nose((0.0, 12.0, 0.0))[1] < nose((0.0, 0.0, 0.0))[1] - 0.03
    tilted = label_face(rig, frontal(rig, pose=(0.0, 0.0, 12.0)))["landmarks"]
    assert tilted[45, 1] > tilted[36, 1] + 0.05  # clockwise: the image-right eye sinks


@needs_rig
def test_gaze_is_head_and_eyes_together(rig: Rig) -> None:
    back = label_face(rig, frontal(rig, pose=(20.0, 0.0, 0.0), eyes=(-20.0, 0.0)))["gaze"]
    np.testing.assert_allclose(back, (0, 0), atol=1e-4)
    up = label_face(rig, frontal(rig, eyes=(0.0, 15.0)))["gaze"]
    np.testing.assert_allclose(up, (0, 15), atol=1e-4)


def eye_darkness_x(picture: np.ndarray, marks: np.ndarray) -> float:
    """Centre of the dark part of an eye along its width, 0 image-left corner to 1."""
    low, high = marks.min(axis=0) * 96, marks.max(axis=0) * 96
    rows = slice(int(low[1]), int(high[1]) + 1)
    patch = picture[rows, int(low[0]) : int(high[0]) + 1].mean(axis=(0, 2))
    dark = patch.max() - patch
    return float((dark * np.arange(len(patch))).sum() / dark.sum() / (len(patch) - 1))


@needs_rig
@pytest.mark.parametrize("look", [5, 9, 30])
def test_the_iris_goes_where_the_gaze_says(rig: Rig, renderer: FaceRenderer, look: int) -> None:
    where = []
    for yaw in (-25.0, 25.0):
        sample = frontal(rig, {5: 1.0}, eyes=(yaw, 0.0), look=look)
        marks = label_face(rig, sample)["landmarks"]
        picture = renderer.render(sample).astype(float)
        where.append([eye_darkness_x(picture, marks[list(eye)]) for eye in (LEFT_EYE, RIGHT_EYE)])
    assert (np.array(where[1]) > np.array(where[0]) + 0.1).all()


@needs_rig
def test_same_sample_same_pixels_other_look_other_pixels(rig: Rig, renderer: FaceRenderer) -> None:
    sample = draw_sample(rig, 3, 4)
    first, again = renderer.render(sample), renderer.render(draw_sample(rig, 3, 4))
    np.testing.assert_array_equal(first, again)
    other = renderer.render(replace(sample, look=sample.look + 1))
    assert np.abs(first.astype(int) - other).mean() > 5


@needs_rig
@pytest.mark.parametrize("unit", ACTION_UNITS)
def test_a_unit_changes_the_pixels_of_its_region(
    rig: Rig, renderer: FaceRenderer, unit: int
) -> None:
    rest, active = frontal(rig), frontal(rig, {unit: 1.0})
    # The frame follows the landmarks, so both are taken with the camera of the face at rest.
    camera = rest.camera(head_points(rig, {}))
    pictures = [renderer.render(sample, camera).astype(int) for sample in (rest, active)]
    change = np.abs(pictures[1] - pictures[0]).mean(axis=2)
    marks = label_face(rig, rest)["landmarks"]
    at = np.stack([(marks[list(REGIONS[unit])] * 96)]).astype(int)[0]
    (left, top), (right, bottom) = at.min(axis=0) - 2, at.max(axis=0) + 3
    assert change[top:bottom, left:right].mean() > 2.0
    assert change[top:bottom, left:right].mean() > 2.0 * change.mean()


@needs_rig
def test_a_set_is_complete_resumed_and_refuses_another(rig: Rig, tmp_path: Path) -> None:
    build_rig_set(DATA, tmp_path, 3, size=48, seed=9)
    images = np.load(tmp_path / "images.npy")
    assert images.shape == (3, 48, 48, 3)
    assert np.load(tmp_path / "done.npy").all()
    with np.load(tmp_path / "labels.npz") as labels:
        assert labels["au"].shape == (3, 21)
        assert labels["landmarks"].shape == (3, 68, 2)
        assert labels["split"].dtype == np.int8
        np.testing.assert_array_equal(
            labels["landmarks"][2], label_face(rig, draw_sample(rig, 9, 2))["landmarks"]
        )
    done = np.lib.format.open_memmap(tmp_path / "done.npy", mode="r+")
    done[1] = False
    done.flush()
    wiped = np.lib.format.open_memmap(tmp_path / "images.npy", mode="r+")
    wiped[1] = 0
    wiped.flush()
    build_rig_set(DATA, tmp_path, 3, size=48, seed=9)
    np.testing.assert_array_equal(np.load(tmp_path / "images.npy"), images)
    with pytest.raises(ValueError, match="another set"):
        build_rig_set(DATA, tmp_path, 3, size=48, seed=10)


def test_set_bounds_are_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="n=0"):
        build_rig_set(tmp_path, tmp_path, 0)
