"""Rasteriser and angles of the rig, against loops and hand-computed cases; no data needed."""

import numpy as np
import pytest

from facellm.instruct_data.rig_camera import angles, direction, rotation
from facellm.instruct_data.rig_raster import rasterize


def test_rasterize_matches_a_loop_over_pixels() -> None:
    rng = np.random.default_rng(0)
    xy = rng.uniform(-4, 24, (60, 2)).astype(np.float32)
    depth = rng.uniform(1, 5, 60).astype(np.float32)
    corners = np.arange(60).reshape(20, 3)
    hits = rasterize(xy, depth, corners, 20)
    seen = dict(zip(hits.pixels.tolist(), hits.triangles.tolist(), strict=True))
    for pixel in range(400):
        point = np.array([pixel % 20 + 0.5, pixel // 20 + 0.5])
        best, owner = np.inf, None
        for t, (a, b, c) in enumerate(corners):
            matrix = np.stack([xy[b] - xy[a], xy[c] - xy[a]], axis=1).astype(np.float64)
            if np.linalg.det(matrix) >= 0:
                continue
            u, v = np.linalg.solve(matrix, point - xy[a])
            z = depth[a] * (1 - u - v) + depth[b] * u + depth[c] * v
            if u >= 0 and v >= 0 and u + v <= 1 and z < best:
                best, owner = z, t
        assert seen.get(pixel) == owner


def test_interpolation_is_exact_for_affine_values() -> None:
    xy = np.array([[0, 0], [0, 10], [10, 0]], dtype=np.float32)
    corners = np.array([[0, 1, 2]])
    hits = rasterize(xy, np.ones(3, dtype=np.float32), corners, 10)
    found = hits.interpolate(xy, corners)
    want = np.stack([hits.pixels % 10 + 0.5, hits.pixels // 10 + 0.5], axis=1)
    np.testing.assert_allclose(found, want, atol=1e-4)
    assert len(hits.pixels) == 55  # the diagonal's pixel centres lie on the edge


@pytest.mark.parametrize(
    ("pose", "nose"),
    [
        ((30.0, 0.0, 0.0), (0.5, 0.0)),
        ((0.0, 30.0, 0.0), (0.0, 0.5)),
        ((0.0, 0.0, 30.0), (0.0, 0.0)),
    ],
)
def test_pose_signs_of_the_nose(
    pose: tuple[float, float, float], nose: tuple[float, float]
) -> None:
    ahead = rotation(pose) @ np.array([0.0, 0.0, 1.0])
    np.testing.assert_allclose(ahead[:2], nose, atol=1e-9)
    np.testing.assert_allclose(rotation(pose) @ rotation(pose).T, np.eye(3), atol=1e-12)


def test_roll_is_clockwise_in_the_image() -> None:
    up = rotation((0.0, 0.0, 20.0)) @ np.array([0.0, 1.0, 0.0])
    assert up[0] > 0  # the crown tips to the image's right


def test_angles_invert_direction() -> None:
    for yaw, pitch in ((0, 0), (25, -10), (-40, 15)):
        np.testing.assert_allclose(angles(direction(yaw, pitch)), (yaw, pitch), atol=1e-9)
