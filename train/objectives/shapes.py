"""The shape of a face: 68 points without place, size and turn, for comparing expressions."""

from __future__ import annotations

import torch
from torch import Tensor

from facellm.regions import REGION_SLICES


def aligned_shapes(landmarks: Tensor) -> Tensor:
    """Landmarks with centre 0, norm 1 and the eyes level.

    Args:
        landmarks: (N, 68, 2), NaN where missing.

    Returns:
        (N, 136); NaN where landmarks are missing or both eyes stand in one place.
    """
    centred = landmarks - landmarks.mean(1, keepdim=True)
    points = torch.view_as_complex(centred.contiguous())
    (left, left_end), (right, right_end) = REGION_SLICES["eye_left"], REGION_SLICES["eye_right"]
    eyes = points[:, right:right_end].mean(1) - points[:, left:left_end].mean(1)
    upright = points * (eyes.conj() / eyes.abs())[:, None]
    size = upright.abs().square().sum(1, keepdim=True).sqrt()
    return torch.view_as_real(upright / size).flatten(1)
