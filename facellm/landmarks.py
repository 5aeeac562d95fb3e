"""The landmark network: a square face crop -> 68 points and "is this a well framed face?".

Grey on purpose: the training sets differ in colour, and a network that sees colour learns the set.
A small U: pixels -> 24 x 24 -> 12 x 12 -> 6 x 6 and back to 24 x 24, one heat map per point whose
expectation is the point (Sun et al., "Integral Human Pose Regression", arXiv 1711.08229), plus a
linear correction from the coarsest map, which also lets a point lie outside of the crop.

Example: ``predict([crop])`` of a (120, 120, 3) uint8 crop -> points (1, 68, 2) near [0.1, 0.9] and
quality ``[0.97]``.

Shapes: N crops, L = 68 points, C channels. Points are (x, y) in [0, 1] of the crop.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional

from facellm.errors import FaceLLMError
from facellm.face import N_LANDMARKS

INPUT_SIZE = 96
GRID = 24  # edge of the heat maps, cells
EXTRA_PREFIX = "measures."  # tensors of facellm.geometry that travel in the same file


class LandmarkOutput(NamedTuple):
    """What the network says about N crops.

    Attributes:
        landmarks_unit: (N, 68, 2), [0, 1] of the crop; may lie a little outside.
        face_logit: (N,), log-odds of "a well framed, upright face".
    """

    landmarks_unit: Tensor
    face_logit: Tensor


class ConvNorm(nn.Sequential):
    """3 x 3 convolution and batch norm; channels in -> out, spatial size / stride."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, stride, padding=1, bias=False), nn.BatchNorm2d(outputs)
        )


class Residual(nn.Module):
    """Two 3 x 3 convolutions beside the identity: (N, C, h, w) -> the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = ConvNorm(channels, channels)
        self.second = ConvNorm(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, h, w) -> (N, C, h, w)."""
        return functional.relu(x + self.second(functional.relu(self.first(x))))


class LandmarkNet(nn.Module):
    """68 points and a face logit of 96 x 96 grey crops; 1.2 M parameters, 0.1 GMAC."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = ConvNorm(16, 32)
        self.block24 = Residual(32)
        self.down12 = ConvNorm(32, 96, stride=2)
        self.block12 = nn.Sequential(Residual(96), Residual(96))
        self.down6 = ConvNorm(96, 128, stride=2)
        self.block6 = nn.Sequential(Residual(128), Residual(128))
        self.lateral6 = nn.Conv2d(128, 96, 1)
        self.lateral12 = nn.Conv2d(96, 64, 1)
        self.lateral24 = nn.Conv2d(32, 64, 1)
        self.heat = nn.Conv2d(64, N_LANDMARKS, 1)
        self.squeeze = nn.Conv2d(128, 32, 1)
        self.correction = nn.Linear(32 * 36, 2 * N_LANDMARKS)
        self.face = nn.Sequential(nn.Linear(32 * 36, 64), nn.ReLU(), nn.Linear(64, 1))
        nn.init.zeros_(self.correction.weight)
        nn.init.zeros_(self.correction.bias)
        self.cells: Tensor
        self.register_buffer("cells", (torch.arange(GRID) + 0.5) / GRID, persistent=False)

    def forward(self, pixels: Tensor) -> LandmarkOutput:
        """Find the points.

        Args:
            pixels: (N, 1, 96, 96) grey, usually in [0, 1]; standardised per crop, so that light
                and contrast do not matter.

        Returns:
            Points (N, 68, 2) and face log-odds (N,), float32.
        """
        spread = pixels.std(dim=(1, 2, 3), keepdim=True)
        x = (pixels - pixels.mean(dim=(1, 2, 3), keepdim=True)) / (spread + 0.02)
        # Unshuffling instead of a strided stem: all of the crop's detail at a quarter of its edge.
        x24 = self.block24(functional.relu(self.stem(functional.pixel_unshuffle(x, 4))))
        x12 = self.block12(functional.relu(self.down12(x24)))
        x6 = self.block6(functional.relu(self.down6(x12)))
        up12 = functional.relu(x12 + functional.interpolate(self.lateral6(x6), scale_factor=2.0))
        up24 = functional.interpolate(self.lateral12(up12), scale_factor=2.0)
        heat = self.heat(functional.relu(self.lateral24(x24) + up24)).float()
        coarse = self.squeeze(x6).flatten(1)
        points = self._expectation(heat) + self.correction(coarse).float().view(-1, N_LANDMARKS, 2)
        return LandmarkOutput(points, self.face(functional.relu(coarse)).float()[:, 0])

    def _expectation(self, heat: Tensor) -> Tensor:
        """Heat maps (N, 68, 24, 24) -> expected cell centre (N, 68, 2), x then y, in [0, 1]."""
        weight = heat.flatten(2).softmax(dim=2).view_as(heat)
        x = (weight.sum(dim=2) * self.cells).sum(dim=2)
        y = (weight.sum(dim=3) * self.cells).sum(dim=2)
        return torch.stack([x, y], dim=2)

    @torch.inference_mode()
    def predict(
        self, crops: Sequence[NDArray[np.uint8]]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Points and quality of pictures already cut to a square.

        Args:
            crops: N pictures (S, S) or (S, S, 3) uint8 RGB of any size S, sizes may differ.

        Returns:
            Points (N, 68, 2) in [0, 1] of each crop and face probability (N,) in [0, 1].
        """
        if not len(crops):
            return np.zeros((0, N_LANDMARKS, 2), np.float32), np.zeros(0, np.float32)
        weight = self.heat.weight
        pixels = torch.from_numpy(np.stack([to_input(crop) for crop in crops])).to(weight)
        out = self(pixels / 255)
        return out.landmarks_unit.cpu().numpy(), out.face_logit.sigmoid().cpu().numpy()

    @classmethod
    def load(cls, path: str | Path) -> LandmarkNet:
        """Read a network from a safetensors file, float32, evaluation mode.

        Args:
            path: File written by ``facellm.train.landmarks``.

        Raises:
            FaceLLMError: If the file is missing, unreadable or of another version.
        """
        try:
            state = load_file(str(path))
        except Exception as error:  # safetensors has no base class of its own
            raise FaceLLMError(f"{path}: landmark weights cannot be read ({error})") from error
        net = cls()
        own = {k: v.float() for k, v in state.items() if not k.startswith(EXTRA_PREFIX)}
        try:
            net.load_state_dict(own)
        except RuntimeError as error:
            raise FaceLLMError(f"{path}: weights of another version ({error})") from error
        return net.eval()


def to_input(crop: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One square crop (S, S) or (S, S, 3) uint8 RGB -> (1, 96, 96) grey uint8."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY) if crop.ndim == 3 else crop
    if grey.shape != (INPUT_SIZE, INPUT_SIZE):
        shrinks = grey.shape[0] > INPUT_SIZE
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        grey = cv2.resize(grey, (INPUT_SIZE, INPUT_SIZE), interpolation=how)
    return grey[None]  # type: ignore[return-value]
