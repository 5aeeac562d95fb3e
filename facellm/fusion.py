"""FRLP, FRGCA and the projector: how landmarks guide the picture's features.

FRLP turns 68 points into nine region tokens; FRGCA lets every patch look at the regions near it;
the projector carries patches into the language model's width. Landmarks that are missing are NaN;
FRGCA is then an exact identity for that image.

Legend: N images, P patches, R regions (9), H heads, D width.
Source: Face-LLaVA, arXiv 2504.07198, section 3; departures are listed in PAPERS.md.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from facellm.regions import REGION_SLICES, check_landmarks, region_patch_distance


def landmarks_present(landmarks: Tensor) -> Tensor:
    """Which images have landmarks: (N, 68, 2) -> (N,) bool; a NaN anywhere means missing."""
    return torch.isfinite(landmarks).flatten(1).all(1)


class FaceRegionLandmarkProjector(nn.Module):
    """FRLP: one linear map per region plus one global map added to all nine tokens.

    Moving one region's points changes that region's local token and shifts all nine tokens by one
    identical vector (the global part).
    """

    mean_shape: Tensor
    shape_scale: Tensor

    def __init__(self, width: int) -> None:
        super().__init__()
        self.local = nn.ModuleList(
            nn.Linear(2 * (stop - start), width) for start, stop in REGION_SLICES.values()
        )
        self.everywhere = nn.Linear(2 * 68, width)
        # The shape points are standardised against; training sets it from its own faces.
        self.register_buffer("mean_shape", torch.full((68, 2), 0.5))
        self.register_buffer("shape_scale", torch.tensor(0.1))

    def forward(self, landmarks: Tensor) -> Tensor:
        """Region tokens of each face.

        Args:
            landmarks: (N, 68, 2), finite, in [0, 1] of the crop.

        Returns:
            (N, 9, D).
        """
        check_landmarks(landmarks)
        points = (landmarks - self.mean_shape) / self.shape_scale
        local = [
            linear(points[:, start:stop].flatten(1))
            for linear, (start, stop) in zip(self.local, REGION_SLICES.values(), strict=True)
        ]
        return torch.stack(local, dim=1) + self.everywhere(points.flatten(1))[:, None]


class FaceRegionGuidedCrossAttention(nn.Module):
    """FRGCA: patches attend to region tokens, nearer regions more, added through a learned gate.

    ``h' = h + g * W_o LN(h + A V)`` with logits ``Q K / sqrt(d) - distance / tau``. The gate starts
    at 0, so the tower is unchanged at first; ``W_o`` does not start at 0, so the gate gets a
    gradient. ``pool_patches`` adds each region's pooled patch features to V, which in the paper
    carries coordinates only.

    Args:
        width: Width D of patches and region tokens; a multiple of ``heads``.
        heads: Attention heads, each with its own ``tau``.
        pool_patches: Add pooled patch features to the values.
    """

    def __init__(self, width: int, heads: int = 8, *, pool_patches: bool = True) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"width {width} is not a multiple of heads {heads}")
        self.heads, self.head_width = heads, width // heads
        self.region_projector = FaceRegionLandmarkProjector(width)
        self.query, self.key = nn.Linear(width, width), nn.Linear(width, width)
        self.value, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.norm = nn.LayerNorm(width)
        self.pool = nn.Linear(width, width) if pool_patches else None
        self.log_tau = nn.Parameter(torch.full((heads,), -2.3))  # tau 0.1 crop widths
        self.gate = nn.Parameter(torch.zeros(()))

    def attention(self, patches: Tensor, landmarks: Tensor, centres: Tensor) -> Tensor:
        """Attention of each patch over the nine regions, (N, H, P, R), rows sum to 1."""
        return self._attend(patches, self.region_projector(landmarks), landmarks, centres)

    def _attend(
        self, patches: Tensor, regions: Tensor, landmarks: Tensor, centres: Tensor
    ) -> Tensor:
        queries = self._split_heads(self.query(patches))
        keys = self._split_heads(self.key(regions))
        distance = region_patch_distance(landmarks, centres).to(queries.dtype)
        bias = distance[:, None] / self.log_tau.exp()[:, None, None]
        return (queries @ keys.transpose(-1, -2) / self.head_width**0.5 - bias).softmax(-1)

    def forward(self, patches: Tensor, landmarks: Tensor, centres: Tensor) -> Tensor:
        """Patches enriched by the regions near them.

        Args:
            patches: (N, P, D).
            landmarks: (N, 68, 2) in [0, 1]; NaN for an image without landmarks.
            centres: (P, 2), (x, y) in [0, 1]; NaN for a token without a place.

        Returns:
            (N, P, D); exactly ``patches`` where landmarks are missing.
        """
        present = landmarks_present(landmarks)
        points = torch.where(
            present[:, None, None], landmarks, self.region_projector.mean_shape.to(landmarks.dtype)
        ).to(patches.dtype)
        regions = self.region_projector(points)
        attention = self._attend(patches, regions, points, centres)
        values = regions if self.pool is None else regions + self._pooled(patches, points, centres)
        mixed = attention @ self._split_heads(self.value(values))
        mixed = mixed.transpose(1, 2).flatten(2)
        enriched = patches + self.gate * self.out(self.norm(patches + mixed))
        return torch.where(present[:, None, None], enriched, patches)

    def _pooled(self, patches: Tensor, landmarks: Tensor, centres: Tensor) -> Tensor:
        assert self.pool is not None
        distance = region_patch_distance(landmarks, centres).to(patches.dtype)
        weights = (-distance / self.log_tau.exp().mean()).softmax(1)  # over patches
        return self.pool(weights.transpose(1, 2) @ patches)

    def _split_heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (self.heads, self.head_width)).transpose(1, 2)


class MultiModalProjector(nn.Module):
    """Two-layer MLP from tower width to language width (LLaVA-1.5, arXiv 2310.03744)."""

    def __init__(self, vision_width: int, language_width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(vision_width)
        self.up = nn.Linear(vision_width, language_width)
        self.down = nn.Linear(language_width, language_width)

    def forward(self, patches: Tensor) -> Tensor:
        """(N, P, Dv) -> (N, P, D)."""
        return self.down(nn.functional.gelu(self.up(self.norm(patches))))
