"""Forged pictures: outside of the mask nothing changes, inside everything does."""

import cv2
import numpy as np
import pytest
from drawn_faces import SIDE, drawn_face, drawn_points

from facellm.instruct_data.forge.naming import named_regions, region_map, region_shares
from facellm.instruct_data.forge.stills import (
    EDIT_MOVES,
    MOUTH_MOVES,
    STILLS,
    Portrait,
    changed,
    expression_edit,
    like_grey,
    mouth_warp,
    warp_swap,
)
from facellm.instruct_data.forge.warp import (
    bend,
    carried,
    follow,
    lay,
    moved_by,
    similarity,
    window,
)
from facellm.regions import REGION_SLICES

PARTS = {"brows": "brow", "eyes": "eye", "lids": "eye", "lip corners": "lips"}
MOUTH, EYES_AND_BROWS = (
    ("lips", "inner_mouth"),
    ("eye_left", "eye_right", "brow_left", "brow_right"),
)


def portrait(seed=0, **options):
    return Portrait(*drawn_face(seed, **options))


def somebody_else(seed):
    """Another face with a lower, wider mouth and higher brows than the drawn ones have."""
    pixels, points = drawn_face(seed)
    points[48:68] = (points[48:68] - (48, 68)) * (1.2, 1.6) + (48, 69)
    points[17:27] -= (0, 3)
    return Portrait(pixels, points)


def rng(seed=0):
    return np.random.default_rng(seed)


@pytest.mark.parametrize("name", STILLS)
@pytest.mark.parametrize("seed", range(2))
def test_a_method_changes_a_part_of_the_picture_and_leaves_its_rim(name, seed):
    face, other = portrait(seed), somebody_else(seed + 50)
    before = face.pixels.copy()
    after = STILLS[name].make(face, other, rng(seed)).pixels
    np.testing.assert_array_equal(face.pixels, before)  # the source is not written to
    mask = changed(before, after)
    assert after.dtype == np.uint8
    assert 0.003 < mask.mean() < 0.9
    corners = np.zeros_like(mask)
    corners[:6, :6] = corners[:6, -6:] = True
    assert not mask[corners].any()


@pytest.mark.parametrize("name", STILLS)
def test_the_same_seed_gives_the_same_forgery(name):
    face, other = portrait(1), somebody_else(2)
    first, again, third = (STILLS[name].make(face, other, rng(s)).pixels for s in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert (first != third).any()


def test_the_mask_is_what_differs_in_any_channel():
    before = np.zeros((2, 2, 3), np.uint8)
    after = before.copy()
    after[0, 1, 2] = 1
    assert changed(before, after).tolist() == [[False, True], [False, False]]


@pytest.mark.parametrize("seed", range(6))
def test_a_mouth_warp_stays_at_mouth_and_chin(seed):
    face = portrait(seed)
    mask = changed(face.pixels, mouth_warp(face, None, rng(seed)).pixels)
    shares = region_shares(mask, face.points)
    assert sum(shares[name] for name in (*MOUTH, "jaw")) > 0.85
    assert sum(shares[name] for name in EYES_AND_BROWS) == 0


def test_an_edit_changes_the_region_of_its_name():
    face, seen = portrait(3), set()
    for seed in range(25):
        forged = expression_edit(face, None, rng(seed))
        name = forged.drawn["move"]
        seen.add(name)
        shares = region_shares(changed(face.pixels, forged.pixels), face.points)
        part = next(p for word, p in PARTS.items() if word in name)
        assert part in named_regions(shares)[0], (name, shares)
    assert seen == set(EDIT_MOVES)


def brow_row(pixels, points):
    """The darkest row at the middle of a brow."""
    x, y = points[19].round().astype(int)
    return y - 8 + int(pixels[y - 8 : y + 5, x - 1 : x + 2].mean((1, 2)).argmin())


def test_raised_brows_are_higher_in_the_picture_and_in_the_points():
    face = portrait(4)
    for seed in range(40):
        forged = expression_edit(face, None, rng(seed))
        if forged.drawn["move"] == "brows up":
            assert brow_row(forged.pixels, face.points) < brow_row(face.pixels, face.points) - 1
            assert forged.points[19, 1] < face.points[19, 1] - 2
            np.testing.assert_array_equal(forged.points[8], face.points[8])
            return
    pytest.fail("40 draws held no raised brows")


def test_moves_name_points_of_the_face_only():
    for moves in (*EDIT_MOVES.values(), *MOUTH_MOVES.values()):
        assert set(moves) <= set(range(68))
        assert max(np.hypot(*step) for step in moves.values()) < 0.2


def test_a_swap_brings_the_other_face_and_its_own_colour_of_light():
    face, other = portrait(5), portrait(6)
    shifted = other.points * 0.8 + 7
    matrix = np.array([[0.8, 0, 7 * 0.8], [0, 0.8, 7 * 0.8]])
    matrix[:, 2] = 7 - 0.1
    small = cv2.warpAffine(other.pixels, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    after = warp_swap(face, Portrait(small, shifted), rng(1)).pixels
    mask = changed(face.pixels, after)
    inside = cv2.erode(mask.astype(np.uint8), np.ones((9, 9))).astype(bool)
    assert inside.mean() > 0.2
    gap = after[inside].mean(0) - face.pixels[inside].mean(0)
    assert np.abs(gap).max() < 25  # matched to the face it is laid on


def test_grey_stays_grey_and_colour_stays_as_it_is():
    face, other = portrait(7, grey=True), portrait(8)
    after = warp_swap(face, other, rng(2)).pixels
    grey = like_grey(face.pixels, after)
    assert (grey == grey[..., :1]).all()
    outside = ~changed(face.pixels, after)
    np.testing.assert_array_equal(grey[outside], face.pixels[outside])
    colour = portrait(9)
    assert like_grey(colour.pixels, after) is after


def test_similarity_recovers_a_known_turn():
    turn = np.deg2rad(17)
    matrix = 1.3 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = drawn_points()
    target = points @ matrix.T + (4.0, -9.0)
    np.testing.assert_allclose(moved_by(similarity(points, target), points), target, atol=1e-8)


def test_a_window_ends_and_a_field_of_zero_changes_nothing():
    pixels, points = drawn_face(1)
    matte = window(points[48:60], (SIDE, SIDE), 1.2, 2.0)
    assert matte.max() > 0.99
    assert (matte[: SIDE // 3] == 0).all()
    np.testing.assert_array_equal(bend(pixels, np.zeros((SIDE, SIDE, 2), np.float32)), pixels)
    np.testing.assert_array_equal(lay(pixels, pixels * 0.0, np.zeros((SIDE, SIDE, 1))), pixels)


def test_a_shifted_picture_is_a_bent_one():
    """A constant field of whole pixels is a shift: an independent reference by slicing."""
    pixels, points = drawn_face(2)
    moves = np.tile([3.0, -2.0], (68, 1))
    field = follow(points, moves, (SIDE, SIDE))
    np.testing.assert_allclose(field, np.broadcast_to([3.0, -2.0], field.shape), atol=1e-4)
    bent = bend(pixels, np.broadcast_to(np.float32([3, -2]), field.shape))
    np.testing.assert_array_equal(bent[: SIDE - 2, 3:], pixels[2:, : SIDE - 3])
    np.testing.assert_allclose(carried(points, field), points + np.array([3, -2]), atol=1e-3)


@pytest.mark.parametrize("name", REGION_SLICES)
def test_a_mask_on_a_region_is_named_by_it(name):
    points = drawn_points()
    mask = np.zeros((SIDE, SIDE), bool)
    for x, y in points[slice(*REGION_SLICES[name])].astype(int):
        mask[y, x] = True
    shares = region_shares(mask, points)
    assert sum(shares.values()) == pytest.approx(1)
    assert named_regions(shares)[0] == name


def test_named_regions_are_the_fewest_that_hold_half():
    shares = dict.fromkeys(REGION_SLICES, 0.0) | {"jaw": 0.4, "lips": 0.35, "nose": 0.25}
    assert named_regions(shares) == ("jaw", "lips")
    assert named_regions(dict.fromkeys(REGION_SLICES, 0.0)) == ()


def test_every_pixel_far_from_the_face_is_of_no_region():
    regions = region_map(drawn_points(60), (300, 300))
    assert set(np.unique(regions)) == set(range(-1, 9))
    assert (regions[150:, 150:] == -1).all()
