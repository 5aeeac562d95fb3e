"""Texture of a face crop as numbers: how much power each spatial frequency holds.

A generator, a blur inside a blend and a resampled patch change the spectrum of a picture; patches
of 32 pixels squeezed into 320 features do not carry it. The branch reads it once per crop, at the
crop's own resolution, and adds one vector to every patch.

Legend: N crops, S their side, R = S / 2 radii.
Source: Durall et al., "Watch your up-convolution", CVPR 2020, arXiv 2003.01826, section 3.
"""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor, nn

LUMA_CHROMA = ((0.299, 0.587, 0.114), (0.5, -0.419, -0.081), (-0.169, -0.331, 0.5))  # JPEG's


@lru_cache(maxsize=4)
def radii(side: int) -> tuple[Tensor, Tensor]:
    """Bin of every coefficient of ``rfft2`` (corners: bin R, dropped) and the size of each bin."""
    rows = torch.fft.fftfreq(side) * side
    columns = torch.fft.rfftfreq(side) * side
    radius = torch.hypot(rows[:, None], columns[None]).long().clamp(max=side // 2).flatten()
    return radius, torch.bincount(radius, minlength=side // 2 + 1)


def radial_log_power(pixel_values: Tensor) -> Tensor:
    """Logarithm of the mean power per radius: (N, 3, S, S) -> (N, 3 R) float32.

    Rows of brightness and two colour differences, each of R frequencies from 0 to S / 2 cycles a
    crop. A window stills the crop's border; the mean is taken out, so brightness does not count.
    """
    pixels = pixel_values.detach().float()
    side = pixels.shape[-1]
    mix = torch.tensor(LUMA_CHROMA, device=pixels.device)
    planes = mix @ pixels.flatten(2)
    # In place where nobody else looks: new memory costs as much as the transform itself.
    planes -= planes.mean(2, keepdim=True)
    window = torch.hann_window(side, periodic=False, device=pixels.device)
    planes = planes.view_as(pixels).mul_(window[:, None] * window)
    parts = torch.view_as_real(torch.fft.rfft2(planes))
    parts *= parts
    power = (parts[..., 0] + parts[..., 1]).flatten(2)
    radius, sizes = (part.to(pixels.device) for part in radii(side))
    total = power.new_zeros(*power.shape[:2], side // 2 + 1).index_add_(2, radius, power)
    return (total / sizes + 1e-3).log()[..., : side // 2].flatten(1)


class SpectrumBranch(nn.Module):
    """Spectrum -> one vector a crop; starts at zero, so adding it changes nothing at first.

    Args:
        side: S in pixels.
        hidden: Units of its one hidden layer.
        width: Length of the vector.
    """

    def __init__(self, side: int, hidden: int, width: int) -> None:
        super().__init__()
        count = len(LUMA_CHROMA) * (side // 2)
        self.scale = nn.BatchNorm1d(count, affine=False)
        self.into = nn.Linear(count, hidden)
        self.drop = nn.Dropout(0.1)
        self.out = nn.Linear(hidden, width)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(N, 3, S, S) -> (N, width), dtype of the weights."""
        return self.from_spectrum(radial_log_power(pixel_values))

    def from_spectrum(self, spectrum: Tensor) -> Tensor:
        """As ``forward``, from what ``radial_log_power`` gives: (N, 3 R) -> (N, width)."""
        scaled = self.scale(spectrum.to(self.into.weight.dtype))
        return self.out(self.drop(nn.functional.gelu(self.into(scaled))))
