"""The texture branch: what a frequency is, what it ignores, and that it starts as nothing."""

from __future__ import annotations

import math

import pytest
import torch

from facellm.spectrum import SpectrumBranch, radial_log_power
from facellm.vision import ConvHybridTower

SIDE = 64


def wave(cycles: float, degrees: float = 0.0) -> torch.Tensor:
    """(1, 3, S, S): a grey wave of so many cycles a crop, turned by so much."""
    place = torch.arange(SIDE) / SIDE
    angle = math.radians(degrees)
    along = place[None] * math.cos(angle) + place[:, None] * math.sin(angle)
    return (2 * math.pi * cycles * along).sin().expand(1, 3, SIDE, SIDE)


@pytest.mark.parametrize("cycles", [4, 11, 27])
@pytest.mark.parametrize("degrees", [0, 35, 90, 140])
def test_a_wave_stands_at_its_own_frequency_whichever_way_it_runs(cycles, degrees):
    luma = radial_log_power(wave(cycles, degrees))[0, : SIDE // 2]
    assert abs(int(luma.argmax()) - cycles) <= 1


def test_brightness_does_not_count_and_contrast_shifts_every_frequency_alike():
    pixels = torch.randn(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    plain = radial_log_power(pixels)
    assert torch.allclose(plain, radial_log_power(pixels + 0.7), atol=1e-3)
    apart = radial_log_power(2 * pixels) - plain
    assert torch.allclose(apart, torch.full_like(apart, math.log(4)), atol=0.02)


def test_grey_pictures_have_no_power_in_colour():
    luma, red, blue = radial_log_power(wave(9)).unflatten(1, (3, -1))[0]
    assert luma.max() > red.max() + 5
    assert luma.max() > blue.max() + 5


def test_half_precision_in_is_full_precision_inside():
    pixels = torch.randn(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1))
    found = radial_log_power(pixels.half())
    assert found.dtype == torch.float32
    assert torch.allclose(found, radial_log_power(pixels), atol=0.05)


def test_the_branch_starts_as_nothing_and_then_tells_a_blur_from_its_original():
    torch.manual_seed(0)
    plain = ConvHybridTower(image_size=SIDE, widths=(16, 32, 64), depths=(1, 1, 1), heads=2)
    torch.manual_seed(0)
    tower = ConvHybridTower(
        image_size=SIDE, widths=(16, 32, 64), depths=(1, 1, 1), heads=2, spectrum=8
    )
    sharp = torch.randn(16, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(2))
    assert torch.equal(plain.eval()(sharp), tower.eval()(sharp))
    blurred = torch.nn.functional.avg_pool2d(sharp, 3, 1, 1)
    branch, truth = SpectrumBranch(SIDE, 8, 2), torch.tensor([0] * 16 + [1] * 16)
    optimizer = torch.optim.Adam(branch.parameters(), 0.02)
    for _ in range(30):
        loss = torch.nn.functional.cross_entropy(branch(torch.cat((sharp, blurred))), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    said = branch.eval()(torch.cat((sharp, blurred)).flip(-1))
    assert (said.argmax(1) == truth).all()
