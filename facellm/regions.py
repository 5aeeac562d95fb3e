"""68 landmarks -> 9 face regions and their distance to image patches: pure geometry.

Coordinates are (x, y) in [0, 1] of the face crop, x to the right, y down, everywhere.

Legend: N images, L landmarks (68), R regions (9), P patches.
"""

from __future__ import annotations

import torch
from torch import Tensor

N_LANDMARKS = 68

# Half-open slices of the iBUG-68 order. Source: Face-LLaVA, arXiv 2504.07198, section 3 (FRLP).
REGION_SLICES: dict[str, tuple[int, int]] = {
    "jaw": (0, 17),
    "brow_left": (17, 22),
    "brow_right": (22, 27),
    "nose": (27, 31),
    "nostrils": (31, 36),
    "eye_left": (36, 42),
    "eye_right": (42, 48),
    "lips": (48, 60),
    "inner_mouth": (60, 68),
}
N_REGIONS = len(REGION_SLICES)


def grid_centres(rows: int, columns: int) -> Tensor:
    """Patch centres of a row-major grid.

    Args:
        rows: Patches along y.
        columns: Patches along x.

    Returns:
        (rows * columns, 2) float32, (x, y) in [0, 1]; patch k lies in row ``k // columns``.
    """
    y, x = torch.meshgrid(
        (torch.arange(rows) + 0.5) / rows, (torch.arange(columns) + 0.5) / columns, indexing="ij"
    )
    return torch.stack((x.reshape(-1), y.reshape(-1)), dim=-1)


def region_centroids(landmarks: Tensor) -> Tensor:
    """Mean point of each region.

    Args:
        landmarks: (N, 68, 2) in [0, 1].

    Returns:
        (N, 9, 2) in [0, 1].

    Raises:
        ValueError: If the landmarks are not (N, 68, 2).
    """
    check_landmarks(landmarks)
    return torch.stack([landmarks[:, a:b].mean(1) for a, b in REGION_SLICES.values()], dim=1)


def region_patch_distance(landmarks: Tensor, centres: Tensor) -> Tensor:
    """Distance of every patch centre to every region centroid.

    Args:
        landmarks: (N, 68, 2) in [0, 1].
        centres: (P, 2) in [0, 1]; a row of NaN (a CLS token has no place) gives distance 0.

    Returns:
        (N, P, 9), in crop widths.
    """
    difference = centres[None, :, None, :] - region_centroids(landmarks)[:, None, :, :]
    return torch.nan_to_num(difference, nan=0.0).norm(dim=-1)


def check_landmarks(landmarks: Tensor) -> None:
    """Raise ``ValueError`` naming the shape unless ``landmarks`` is (N, 68, 2)."""
    if landmarks.dim() != 3 or landmarks.shape[1:] != (N_LANDMARKS, 2):
        raise ValueError(f"landmarks must be (N, {N_LANDMARKS}, 2), got {tuple(landmarks.shape)}")
