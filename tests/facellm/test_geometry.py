"""Measures of 68 points: invariances, hand-computed cases, pose on synthetic heads."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.errors import FaceLLMError
from facellm.geometry import MEASURES, Geometry, align, face_frame, inter_ocular, measure


def neutral_face() -> np.ndarray:
    """A symmetric hand-made face (68, 2), y down; outer eye corners 100 apart."""
    points = np.zeros((68, 2))
    angles = np.linspace(np.pi, 0, 17)
    points[0:17] = np.stack([70 * np.cos(angles), 20 + 90 * np.sin(angles)], axis=1)
    points[17:22] = [(-55, -20), (-46, -26), (-36, -28), (-25, -27), (-12, -24)]
    points[22:27] = points[17:22][::-1] * (-1, 1)
    points[27:31] = [(0, 0), (0, 12), (0, 24), (0, 36)]
    points[31:36] = [(-14, 42), (-7, 44), (0, 46), (7, 44), (14, 42)]
    points[36:42] = [(-50, 0), (-42, -5), (-30, -5), (-20, 0), (-30, 5), (-42, 5)]
    points[42:48] = [(20, 0), (30, -5), (42, -5), (50, 0), (42, 5), (30, 5)]
    points[48:55] = [(-25, 68), (-15, 63), (-6, 61), (0, 62), (6, 61), (15, 63), (25, 68)]
    points[55:60] = [(15, 75), (6, 78), (0, 79), (-6, 78), (-15, 75)]
    points[60:65] = [(-22, 68), (-6, 67), (0, 67), (6, 67), (22, 68)]
    points[65:68] = [(6, 70), (0, 70), (-6, 70)]
    return points


def value(points: np.ndarray, name: str) -> float:
    return float(measure(points)[0, MEASURES.index(name)])


def moved(points: np.ndarray, rows: list[int], shift: tuple[float, float]) -> np.ndarray:
    copy = points.copy()
    copy[rows] += shift
    return copy


@given(
    st.floats(-180, 180), st.floats(0.05, 40), st.tuples(st.floats(-900, 900), st.floats(-900, 900))
)
def test_measures_ignore_turn_scale_and_place(degrees, scale, shift):
    face = neutral_face() + np.random.default_rng(0).normal(0, 2, (68, 2))
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    assert measure(face @ turn.T * scale + shift) == pytest.approx(measure(face), abs=1e-6)


def test_values_of_the_hand_made_face():
    face = neutral_face()
    assert inter_ocular(face) == pytest.approx(100)
    assert value(face, "eye_open_left") == pytest.approx(10 / 30)
    assert value(face, "eye_open") == pytest.approx(10 / 30)
    assert value(face, "mouth_open") == pytest.approx(0.03)
    assert value(face, "lip_corner_width") == pytest.approx(0.5)
    assert value(face, "lip_corner_lift") == pytest.approx((62 + 79 + 67 + 70) / 400 - 0.68)
    assert value(face, "brow_height_left") == pytest.approx(0.25)
    assert value(face, "brow_gap") == pytest.approx(0.24)
    assert value(face, "nose_to_lip") == pytest.approx(0.16)


@pytest.mark.parametrize(
    ("name", "rows", "shift"),
    [
        ("lip_corner_lift", [48, 54], (0, -8)),
        ("mouth_open", [65, 66, 67], (0, 10)),
        ("eye_open_left", [37, 38], (0, -3)),
        ("eye_open_right", [46, 47], (0, 3)),
        ("brow_height_right", list(range(22, 27)), (0, -6)),
        ("brow_gap", [22], (5, 0)),
        ("lip_corner_width", [54], (9, 0)),
        ("nose_to_lip", [51], (0, 4)),
    ],
)
def test_a_measure_rises_with_its_movement_and_its_mirror_stays(name, rows, shift):
    face = neutral_face()
    other = moved(face, rows, shift)
    assert value(other, name) > value(face, name)
    if name.endswith("_left"):
        right = name.replace("_left", "_right")
        assert value(other, right) == pytest.approx(value(face, right))


def test_a_mirrored_face_swaps_left_and_right():
    from facellm.face import MIRROR_68 as MIRROR

    face = neutral_face() + np.random.default_rng(3).normal(0, 2, (68, 2))
    mirrored = (face * (-1, 1))[MIRROR]
    for name in ("eye_open", "brow_height"):
        assert value(face, f"{name}_left") == pytest.approx(value(mirrored, f"{name}_right"))
    assert value(face, "mouth_open") == pytest.approx(value(mirrored, "mouth_open"))
    assert np.array_equal(MIRROR[MIRROR], np.arange(68))


def test_a_collapsed_face_stays_finite():
    assert np.isfinite(measure(np.zeros((68, 2)))).all()
    assert np.isfinite(face_frame(np.ones((3, 68, 2)))).all()


def test_another_number_of_points_is_refused():
    with pytest.raises(ValueError, match=r"\(5, 2\)"):
        measure(np.zeros((5, 2)))


def heads(pose: np.ndarray) -> np.ndarray:
    """Turned copies (N, 68, 2) of a head with depth, orthographic, y down; pose (N, 3) degrees."""
    flat = neutral_face()
    depth = 60 - 0.012 * flat[:, 0] ** 2 - 0.004 * (flat[:, 1] - 20) ** 2
    depth[27:36] += np.linspace(5, 22, 9)
    solid = np.column_stack([flat, depth - depth.mean()])  # z towards the camera
    out = []
    for yaw, pitch, roll in np.deg2rad(pose):
        turned = np.column_stack(
            [
                solid[:, 0] * np.cos(yaw) + solid[:, 2] * np.sin(yaw),
                solid[:, 1],
                solid[:, 2] * np.cos(yaw) - solid[:, 0] * np.sin(yaw),
            ]
        )
        y = turned[:, 1] * np.cos(pitch) - turned[:, 2] * np.sin(pitch)
        plane = np.column_stack([turned[:, 0], y])
        out.append(plane @ np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]]))
    return np.stack(out)


@pytest.fixture(scope="module")
def fitted() -> Geometry:
    from facellm.train.geometry import fit_pose, mean_shape_of

    rng = np.random.default_rng(0)
    pose = rng.uniform((-30, -20, -40), (30, 20, 40), (600, 3))
    points = heads(pose) + rng.normal(0, 0.5, (600, 68, 2))
    shape = mean_shape_of(points)
    weights = fit_pose(points, pose, shape)
    spread = measure(points)
    return Geometry(shape, weights, spread.mean(axis=0), spread.std(axis=0))


def test_pose_of_unseen_turns_is_recovered(fitted):
    pose = np.random.default_rng(9).uniform((-28, -18, -170), (28, 18, 170), (200, 3))
    error = np.abs(fitted.pose(heads(pose)) - pose)
    assert error.mean(axis=0).max() < 1.5


def test_pose_signs_are_image_right_up_and_clockwise(fitted):
    face = neutral_face()
    angle = np.deg2rad(20)
    clockwise = face @ np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    assert clockwise[45, 1] > clockwise[36, 1]  # the right eye sinks
    assert fitted.pose(clockwise)[0, 2] - fitted.pose(face)[0, 2] == pytest.approx(20, abs=1)
    right = heads(np.array([[20.0, 0, 0]]))
    assert right[0, 30, 0] > 0  # the nose tip moves to image right
    assert fitted.pose(right)[0, 0] > 10
    up = heads(np.array([[0, 15.0, 0]]))
    assert fitted.pose(up)[0, 1] > 8


def test_pose_ignores_scale_and_place(fitted):
    face = heads(np.array([[10.0, 5, 8]]))
    assert fitted.pose(face * 7 + 300) == pytest.approx(fitted.pose(face), abs=1e-6)


def test_z_scores_of_the_population_are_standard(fitted):
    rng = np.random.default_rng(0)
    pose = rng.uniform((-30, -20, -40), (30, 20, 40), (600, 3))
    scores = fitted.z_scores(heads(pose) + rng.normal(0, 0.5, (600, 68, 2)))
    assert scores.mean(axis=0) == pytest.approx(np.zeros(len(MEASURES)), abs=1e-3)
    assert scores.std(axis=0) == pytest.approx(np.ones(len(MEASURES)), abs=1e-3)


def test_describe_names_every_measure(fitted):
    told = fitted.describe(neutral_face())
    assert set(told) == set(MEASURES)
    assert told["mouth_open"]["value"] == pytest.approx(0.03)


def test_align_takes_turn_scale_and_place_off():
    face = neutral_face()
    shape = face - face.mean(axis=0)
    shape /= np.sqrt((shape**2).sum(axis=1).mean())
    aligned, angle = align(face * 3 + 5, shape)
    assert aligned[0] == pytest.approx(shape)
    assert angle == pytest.approx(0, abs=1e-9)


def test_weights_without_measures_are_a_clear_error(tmp_path):
    with pytest.raises(FaceLLMError, match=r"nothing\.safetensors"):
        Geometry.load(tmp_path / "nothing.safetensors")
