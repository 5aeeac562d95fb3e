"""Vision towers: shapes, and that patch k's features come from where its centre says."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facellm.vision import ConvHybridTower, HubTower, VisionTower

SIZE = 64


def conv_tower(layers: int = 0, seed: int = 0) -> ConvHybridTower:
    """4 x 4 patches of 16 px; without transformer layers a patch sees its neighbourhood only."""
    torch.manual_seed(seed)
    tower = ConvHybridTower(
        image_size=SIZE, fold=4, widths=(16, 32, 64), depths=(1, 1, 1), layers=layers, heads=2
    )
    return tower.eval()


def hub_tower(folder, **options) -> HubTower:
    from transformers import AutoModel

    return HubTower(AutoModel.from_pretrained(folder).eval(), **options)


def attended_cells(tower: VisionTower, patch: int, size: int) -> Tensor:
    """(4, 4) shares of a 4 x 4 grid's cells in the gradient of patch ``patch``."""
    pixels = torch.randn(4, 3, size, size, generator=torch.Generator().manual_seed(1))
    pixels.requires_grad_()
    tower(pixels)[:, patch].square().sum().backward()
    assert pixels.grad is not None
    weight = pixels.grad.square().sum((0, 1))
    cells = weight.unflatten(0, (4, -1)).unflatten(2, (4, -1)).sum((1, 3))
    return cells / cells.sum()


def attended_patch(cells: Tensor, centres: Tensor) -> int:
    """The patch whose centre lies nearest to the middle of the cell of the largest share."""
    row, column = divmod(int(cells.argmax()), 4)
    place = torch.tensor([(column + 0.5) / 4, (row + 0.5) / 4])
    return int((centres - place).norm(dim=-1).argmin())


@pytest.mark.parametrize("patch", [0, 3, 6, 12, 15])
def test_conv_features_come_from_where_their_centre_says(patch):
    towers = [conv_tower(seed=seed) for seed in range(5)]  # one random tower may squint
    cells = torch.stack([attended_cells(tower, patch, SIZE) for tower in towers]).mean(0)
    centres = towers[0].centres()
    assert attended_patch(cells, centres) == patch
    assert attended_patch(cells, centres.flip(-1)) == patch % 4 * 4 + patch // 4  # transposed


@pytest.mark.parametrize("patch", [0, 3, 6, 12, 15])
def test_clip_features_come_from_where_their_centre_says(clip_folder, patch):
    tower = hub_tower(clip_folder, select_layer=0)  # embeddings, before patches are mixed
    cells = attended_cells(tower, patch + 1, 32)  # the class token comes first
    assert attended_patch(cells, tower.centres()[1:]) == patch


@pytest.mark.parametrize("patch", [0, 3, 6, 12, 15])
def test_siglip_features_come_from_where_their_centre_says(siglip_folder, patch):
    tower = hub_tower(siglip_folder, select_layer=0)
    assert attended_patch(attended_cells(tower, patch, 32), tower.centres()) == patch


def test_conv_tower_keeps_the_contract():
    tower = conv_tower(layers=1)
    out = tower(torch.randn(2, 3, SIZE, SIZE))
    assert out.shape == (2, tower.n_patches, tower.width) == (2, 16, 64)
    assert tower.centres().shape == (16, 2)


def test_the_default_has_36_tokens_of_width_320():
    from facellm.config import ConvHybridConfig, FaceLLMConfig
    from facellm.model import build_tower

    with torch.device("meta"):
        tower = build_tower(FaceLLMConfig(vision_config=ConvHybridConfig()))
    assert (tower.n_patches, tower.width) == (36, 320)


def test_a_picture_alone_equals_the_picture_in_a_batch():
    tower, pixels = conv_tower(layers=1), torch.randn(3, 3, SIZE, SIZE)
    assert torch.allclose(tower(pixels)[1], tower(pixels[1:2])[0], atol=1e-5)


def test_a_size_the_stages_do_not_divide_is_refused_with_both_numbers():
    with pytest.raises(ValueError, match=r"100 .* 32"):
        ConvHybridTower(image_size=100, fold=4)


def test_clips_class_token_is_first_and_has_no_place(clip_folder):
    kept, dropped = hub_tower(clip_folder), hub_tower(clip_folder, keep_cls=False)
    assert (kept.n_patches, dropped.n_patches) == (17, 16)
    assert kept.centres()[0].isnan().all()
    assert torch.equal(kept.centres()[1:], dropped.centres())
    pixels = torch.randn(2, 3, 32, 32)
    assert torch.equal(kept(pixels)[:, 1:], dropped(pixels))


def test_siglip_has_no_class_token_to_keep(siglip_folder):
    tower = hub_tower(siglip_folder, keep_cls=True)
    assert tower.n_patches == 16
    assert tower.centres().isfinite().all()
    assert tower(torch.randn(2, 3, 32, 32)).shape == (2, 16, 32)


def test_a_hub_tower_gives_the_hidden_state_that_was_asked_for(clip_folder):
    from transformers import CLIPVisionModel

    model = CLIPVisionModel.from_pretrained(clip_folder).eval()
    pixels = torch.randn(1, 3, 32, 32)
    states = model(pixel_values=pixels, output_hidden_states=True).hidden_states
    assert torch.equal(hub_tower(clip_folder)(pixels), states[2])  # -2 of 4: LLaVA's choice
    assert torch.equal(hub_tower(clip_folder, select_layer=-1)(pixels), states[3])
    assert not torch.equal(states[2], states[3])
