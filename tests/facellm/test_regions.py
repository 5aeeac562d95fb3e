"""Landmarks, regions and patches in one coordinate frame: the transposed grid must not pass."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facellm.fusion import FaceRegionGuidedCrossAttention
from facellm.regions import (
    N_REGIONS,
    REGION_SLICES,
    grid_centres,
    region_centroids,
    region_patch_distance,
)

SIDE = 16
RIGHT = (torch.arange(SIDE * SIDE) % SIDE) >= SIDE // 2  # by row-major order alone
BROW = list(REGION_SLICES).index("brow_right")
UPPER = (torch.arange(SIDE * SIDE) // SIDE) < SIDE // 2


def transposed(centres: Tensor) -> Tensor:
    """The published code's mistake: (row, column) read as (x, y)."""
    return centres.flip(-1)


def moved_to(points: Tensor, x: float, y: float) -> Tensor:
    """A face (1, 68, 2) shrunk to a third and centred on (x, y)."""
    return (points - points.mean(1, keepdim=True)) / 3 + torch.tensor([x, y])


def brow_attention(points: Tensor, centres: Tensor) -> Tensor:
    """Where attention to the brow on the image's right lies: (P,) shares of 16 x 16 patches.

    The attention module of the model with query and key at zero: the distance bias alone.
    """
    torch.manual_seed(0)
    module = FaceRegionGuidedCrossAttention(16, 2)
    torch.nn.init.zeros_(module.query.weight)
    torch.nn.init.zeros_(module.query.bias)
    attention = module.attention(torch.randn(1, SIDE * SIDE, 16), points, centres)
    brow = attention[0, :, :, BROW].mean(0)
    return (brow / brow.sum()).detach()


def brow_moved_to(points: Tensor, x: float, y: float) -> Tensor:
    """A face (1, 68, 2) whose brow on the image's right is centred on (x, y) instead.

    Attention sums to 1 over the regions at every patch, so one region must move against the others.
    """
    start, stop = REGION_SLICES["brow_right"]
    points = points.clone()
    points[:, start:stop] += torch.tensor([x, y]) - points[:, start:stop].mean(1)
    return points


def pooled_share(points: Tensor, centres: Tensor) -> Tensor:
    """What the pooled values are taken from: (P,) mean weight over the nine regions."""
    return (-region_patch_distance(points, centres)[0] / 0.1).softmax(0).mean(-1)


def lies_top_right(shares: Tensor) -> bool:
    """The criterion: over 60 % in the right columns and over 60 % in the upper rows."""
    return bool(shares[RIGHT].sum() > 0.6) and bool(shares[UPPER].sum() > 0.6)


def test_patch_k_of_a_16_grid_has_its_centre_in_row_k_over_16():
    centres = grid_centres(16, 16)
    wanted = [((k % 16 + 0.5) / 16, (k // 16 + 0.5) / 16) for k in range(256)]
    assert torch.allclose(centres, torch.tensor(wanted))


def test_a_grid_that_is_not_square_keeps_x_along_its_columns():
    centres = grid_centres(2, 3)
    assert centres[:3, 1].tolist() == pytest.approx([0.25] * 3)
    assert centres[:3, 0].tolist() == pytest.approx([1 / 6, 1 / 2, 5 / 6])
    assert centres[3:, 1].tolist() == pytest.approx([0.75] * 3)


def test_nine_regions_cover_68_points_exactly_once():
    covered = [index for start, stop in REGION_SLICES.values() for index in range(start, stop)]
    assert covered == list(range(68))
    assert len(REGION_SLICES) == N_REGIONS == 9


def test_centroids_and_distances_of_a_hand_computed_case():
    points = torch.zeros(1, 68, 2)
    points[0, 36:42, 0] = torch.tensor([0.1, 0.2, 0.3, 0.4, 0.5, 0.6])  # mean 0.35
    points[0, 36:42, 1] = 0.9
    centroids = region_centroids(points)
    eye = list(REGION_SLICES).index("eye_left")
    assert centroids[0, eye].tolist() == pytest.approx([0.35, 0.9])
    assert centroids[0, [r for r in range(9) if r != eye]].abs().max() == 0
    distance = region_patch_distance(points, torch.tensor([[0.05, 0.5]]))  # 0.3 and 0.4 away
    assert distance[0, 0, eye].item() == pytest.approx(0.5)
    assert distance[0, 0, 0].item() == pytest.approx((0.05**2 + 0.25) ** 0.5)


def test_a_face_moved_to_the_top_right_moves_attention_there(face_points):
    centres = grid_centres(SIDE, SIDE)
    assert lies_top_right(brow_attention(brow_moved_to(face_points, 0.85, 0.15), centres))
    assert lies_top_right(pooled_share(moved_to(face_points, 0.8, 0.2), centres))


def test_the_transposed_grid_fails_that_criterion(face_points):
    centres = transposed(grid_centres(SIDE, SIDE))
    assert not lies_top_right(brow_attention(brow_moved_to(face_points, 0.85, 0.15), centres))
    assert not lies_top_right(pooled_share(moved_to(face_points, 0.8, 0.2), centres))


def test_the_criterion_follows_the_face_to_the_bottom_left(face_points):
    points, centres = moved_to(face_points, 0.2, 0.8), grid_centres(SIDE, SIDE)
    assert pooled_share(points, centres)[RIGHT].sum() < 0.4
    assert pooled_share(points, centres)[UPPER].sum() < 0.4


def test_a_patch_without_a_place_has_distance_nought(face_points):
    centres = torch.cat((torch.full((1, 2), torch.nan), grid_centres(2, 2)))
    distance = region_patch_distance(face_points, centres)
    assert distance[0, 0].abs().max() == 0
    assert distance[0, 1:].min() > 0


@pytest.mark.parametrize("shape", [(68, 2), (1, 67, 2), (1, 68, 3), (2, 136)])
def test_landmarks_of_another_shape_are_refused_with_their_shape(shape):
    with pytest.raises(ValueError, match=str(shape[-1])):
        region_centroids(torch.zeros(shape))
