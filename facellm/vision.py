"""Vision towers: pixel values -> patch features and where each patch lies.

The contract (``VisionTower``): ``pixel_values (N, 3, H, W)`` -> ``patches (N, P, Dv)`` and
``centres (P, 2)``, (x, y) in [0, 1]. FRGCA takes the centres and assumes no square grid. Pixel
values are RGB, standardised by the processor with the tower's own mean and deviation.

Legend: N images, P patches, Dv width.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from facellm.regions import grid_centres
from facellm.spectrum import SpectrumBranch


class VisionTower(nn.Module):
    """What every tower offers.

    Attributes:
        width: Dv.
        n_patches: P, fixed per image.
    """

    width: int
    n_patches: int

    def centres(self) -> Tensor:
        """(P, 2) patch centres, (x, y) in [0, 1]; NaN for a token without a place (CLS)."""
        raise NotImplementedError

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, P, Dv)."""
        raise NotImplementedError


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around a skip connection; the first one may halve the grid."""

    def __init__(self, channels_in: int, channels_out: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels_in, channels_out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(channels_out)
        self.conv2 = nn.Conv2d(channels_out, channels_out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(channels_out)
        self.skip: nn.Module = nn.Identity()
        if stride > 1 or channels_in != channels_out:
            self.skip = nn.Sequential(
                nn.AvgPool2d(stride) if stride > 1 else nn.Identity(),
                nn.Conv2d(channels_in, channels_out, 1, bias=False),
                nn.BatchNorm2d(channels_out),
            )

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) -> (N, C', H / stride, W / stride)."""
        y = torch.relu(self.norm1(self.conv1(x)))
        return torch.relu(self.norm2(self.conv2(y)) + self.skip(x))


class ConvHybridTower(VisionTower):
    """The default: space-to-depth, residual stages, then self-attention on a small grid.

    The first step folds every ``fold`` x ``fold`` pixels into channels, so a 48-pixel grey face
    costs no more than it carries while a colour face keeps its detail.

    Args:
        image_size: H = W in pixels.
        fold: Side of the folded pixel square.
        widths: Channels of the residual stages; each after the first halves the grid.
        depths: Blocks per stage.
        layers: Transformer layers on the last grid.
        heads: Their heads.
        spectrum: Hidden units of the texture branch (``facellm.spectrum``); 0 is none.
    """

    def __init__(
        self,
        *,
        image_size: int = 192,
        fold: int = 4,
        widths: tuple[int, ...] = (32, 64, 128, 320),
        depths: tuple[int, ...] = (0, 2, 2, 2),
        layers: int = 2,
        heads: int = 5,
        spectrum: int = 0,
    ) -> None:
        super().__init__()
        if image_size % (fold * 2 ** (len(widths) - 1)):
            raise ValueError(
                f"image_size {image_size} is not a multiple of {fold * 2 ** (len(widths) - 1)}"
            )
        self.side = image_size // fold // 2 ** (len(widths) - 1)
        self.width, self.n_patches = widths[-1], self.side**2
        self.fold = nn.PixelUnshuffle(fold)
        self.stem = nn.Sequential(
            nn.Conv2d(3 * fold * fold, widths[0], 3, 1, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(),
        )
        blocks: list[nn.Module] = []
        for stage, (channels, depth) in enumerate(zip(widths, depths, strict=True)):
            for index in range(depth):
                first = stage > 0 and index == 0
                blocks.append(
                    ResidualBlock(widths[stage - 1] if first else channels, channels, 1 + first)
                )
        self.stages = nn.Sequential(*blocks)
        self.position = nn.Parameter(torch.zeros(self.n_patches, self.width))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                self.width, heads, 2 * self.width, 0.0, "gelu", batch_first=True, norm_first=True
            )
            for _ in range(layers)
        )
        self.norm = nn.LayerNorm(self.width)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):  # He et al., arXiv 1502.01852, as for ResNets
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.spectrum = SpectrumBranch(image_size, spectrum, self.width) if spectrum else None

    def centres(self) -> Tensor:
        """(P, 2) centres of the row-major grid."""
        return grid_centres(self.side, self.side)

    def forward(self, pixel_values: Tensor, spectrum: Tensor | None = None) -> Tensor:
        """(N, 3, H, W) -> (N, P, Dv).

        Args:
            pixel_values: (N, 3, H, W).
            spectrum: (N, 3 R) of ``radial_log_power`` where it is known already, as in an exported
                graph, which holds no Fourier transform.
        """
        grid = self.stages(self.stem(self.fold(pixel_values)))
        x = grid.flatten(2).transpose(1, 2) + self.position
        for layer in self.layers:
            x = layer(x)
        x = self.norm(x)
        if self.spectrum is None:
            return x
        if spectrum is None:
            return x + self.spectrum(pixel_values)[:, None]
        return x + self.spectrum.from_spectrum(spectrum)[:, None]


class HubTower(VisionTower):
    """A CLIP or SigLIP vision model of ``transformers`` behind the contract.

    Args:
        model: ``CLIPVisionModel`` or ``SiglipVisionModel``.
        select_layer: Hidden state that is used, -2 in LLaVA.
        keep_cls: Keep CLIP's class token; it has no place, so FRGCA gives it no distance bias.
    """

    def __init__(self, model: nn.Module, *, select_layer: int = -2, keep_cls: bool = True) -> None:
        super().__init__()
        config: Any = model.config
        self.model, self.select_layer = model, select_layer
        self.side = config.image_size // config.patch_size
        self.has_cls = config.model_type.startswith("clip")
        self.keep_cls = keep_cls and self.has_cls
        self.width = config.hidden_size
        self.n_patches = self.side**2 + self.keep_cls

    def centres(self) -> Tensor:
        """(P, 2); the class token's row is NaN."""
        grid = grid_centres(self.side, self.side)
        return torch.cat((torch.full((1, 2), torch.nan), grid)) if self.keep_cls else grid

    def forward(self, pixel_values: Tensor) -> Tensor:
        """(N, 3, H, W) -> (N, P, Dv)."""
        output = self.model(pixel_values=pixel_values, output_hidden_states=True)
        patches = output.hidden_states[self.select_layer]
        return patches[:, 1:] if self.has_cls and not self.keep_cls else patches
