"""Value types and the one square crop."""

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from facellm.face import (
    BoundingBox,
    Face,
    Landmarks,
    Square,
    crop_image,
    square_around,
    square_crop,
)

POINTS = np.random.default_rng(0).uniform(10, 90, (68, 2)).astype(np.float32)


def test_values_cannot_be_changed():
    box = BoundingBox(0, 0, 1, 1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        box.left = 3.0  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        Landmarks(POINTS).points[0, 0] = 1


def test_landmarks_copy_what_they_are_given():
    mine = POINTS.copy()
    landmarks = Landmarks(mine)
    mine[0] = -1
    assert np.array_equal(landmarks.points, POINTS)
    assert landmarks == Landmarks(POINTS)
    assert hash(landmarks) == hash(Landmarks(POINTS))


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((68, 2), np.nan)])
def test_landmarks_of_another_shape_or_not_finite_are_refused(points):
    with pytest.raises(ValueError, match=r"shape|finite"):
        Landmarks(points)


def test_iou_of_a_hand_computed_case():
    a, b = BoundingBox(0, 0, 10, 10), BoundingBox(5, 0, 15, 10)
    assert a.iou(b) == pytest.approx(50 / 150)
    assert a.iou(BoundingBox(20, 20, 30, 30)) == 0
    assert BoundingBox(1, 1, 1, 1).iou(BoundingBox(1, 1, 1, 1)) == 0


boxes = st.tuples(*[st.floats(-100, 100) for _ in range(2)], *[st.floats(0.1, 100)] * 2).map(
    lambda v: BoundingBox(v[0], v[1], v[0] + v[2], v[1] + v[3])
)


@given(boxes, boxes)
def test_iou_is_symmetric_and_a_share(a, b):
    assert a.iou(b) == pytest.approx(b.iou(a))
    assert 0 <= a.iou(b) <= 1 + 1e-9
    assert a.iou(a) == pytest.approx(1)


def test_square_crop_is_the_fixed_margin_around_the_points():
    face = Face(BoundingBox(0, 0, 500, 500), Landmarks(POINTS), 1.0)
    box = Landmarks(POINTS).box
    square = square_crop(face)
    assert square.side == pytest.approx(1.3 * max(box.width, box.height))
    center = square.left + square.side / 2, square.top + square.side / 2
    assert center == pytest.approx(box.center)


def test_square_crop_without_points_uses_the_box():
    square = square_crop(Face(BoundingBox(10, 20, 30, 30), None, 0.0))
    assert (square.left, square.top, square.side) == pytest.approx((7, 12, 26))


def test_square_points_go_there_and_back():
    square = Square(-3.5, 12.25, 41.0)
    assert square.to_pixels(square.to_unit(POINTS)) == pytest.approx(POINTS, abs=1e-4)


def test_crop_of_whole_pixels_is_the_slice():
    image = np.random.default_rng(1).integers(0, 256, (40, 50, 3), dtype=np.uint8)
    assert np.array_equal(crop_image(image, Square(5, 7, 20), 20), image[7:27, 5:25])


def test_crop_repeats_the_edge_outside_of_the_picture():
    image = np.random.default_rng(2).integers(0, 256, (30, 30, 3), dtype=np.uint8)
    crop = crop_image(image, Square(-10, -10, 30), 30)
    assert np.array_equal(crop, np.pad(image, ((10, 0), (10, 0), (0, 0)), mode="edge")[:30, :30])


def test_crop_of_a_huge_face_averages_and_does_not_alias():
    # A one-pixel checkerboard is mean grey at any strong reduction; skipping pixels would show
    # black and white.
    image = (np.indices((3000, 3000)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = crop_image(image, Square(13, 29, 2900), 96).astype(int)
    assert np.abs(crop - 127).max() <= 3


@pytest.mark.parametrize("side", [90.0, 300.0, 1111.0])
def test_crop_puts_a_point_where_the_square_says(side):
    size, center = 96, np.array([700.0, 600.0])
    image = np.zeros((1300, 1400), np.uint8)
    cv2.circle(image, (700, 600), max(3, round(side / 20)), 255, -1)  # centre of pixel: +0.5
    square = Square(center[0] - 0.3 * side, center[1] - 0.6 * side, side)
    crop = crop_image(image, square, size).astype(float)
    rows, columns = np.mgrid[0:size, 0:size] + 0.5
    found = np.array([(crop * columns).sum(), (crop * rows).sum()]) / crop.sum()
    assert found == pytest.approx(square.to_unit(center + 0.5) * size, abs=0.6)


def test_crop_wholly_outside_of_the_picture_is_its_nearest_edge():
    image = np.full((20, 20), 7, np.uint8)
    assert (crop_image(image, Square(5000, -9000, 600), 16) == 7).all()
    assert square_around(BoundingBox(3, 3, 3, 3)).side == pytest.approx(1.3)


@pytest.mark.parametrize(("side", "size"), [(0.0, 5), (float("nan"), 5), (4.0, 0)])
def test_crop_of_nothing_is_refused(side, size):
    with pytest.raises(ValueError, match="positive"):
        crop_image(np.zeros((9, 9), np.uint8), Square(0, 0, side), size)
