"""FRLP, FRGCA and the projector: identity at gate zero, locality, missing landmarks, sizes."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from facellm.fusion import (
    FaceRegionGuidedCrossAttention,
    FaceRegionLandmarkProjector,
    MultiModalProjector,
    landmarks_present,
)
from facellm.regions import REGION_SLICES, grid_centres, region_patch_distance

WIDTH, SIDE = 16, 6
CENTRES = grid_centres(SIDE, SIDE)


def new_attention(
    gate: float | None = None, *, pool: bool = True
) -> FaceRegionGuidedCrossAttention:
    """As it starts, or with its gate opened."""
    torch.manual_seed(0)
    module = FaceRegionGuidedCrossAttention(WIDTH, 4, pool_patches=pool)
    if gate is not None:
        torch.nn.init.constant_(module.gate, gate)
    return module


def patches(images: int = 1, seed: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(images, SIDE * SIDE, WIDTH, generator=generator)


def faces(points: Tensor, images: int) -> Tensor:
    """``images`` different faces, (N, 68, 2)."""
    generator = torch.Generator().manual_seed(2)
    return points + 0.03 * torch.randn(images, 68, 2, generator=generator)


# -- FRLP ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("region", list(REGION_SLICES))
@pytest.mark.parametrize("change", ["move", "permute"])
def test_a_changed_region_changes_its_own_token_and_shifts_all_by_one_vector(
    face_points, region, change
):
    torch.manual_seed(0)
    frlp = FaceRegionLandmarkProjector(WIDTH)
    start, stop = REGION_SLICES[region]
    changed = face_points.clone()
    part = changed[:, start:stop]
    changed[:, start:stop] = part + 0.05 if change == "move" else part.roll(1, dims=1)
    delta = (frlp(changed) - frlp(face_points))[0]
    index = list(REGION_SLICES).index(region)
    others = delta[[r for r in range(9) if r != index]]
    assert torch.allclose(others, others[:1].expand_as(others), atol=1e-5)
    assert others.norm(dim=-1).min() > 1e-3  # the global part moves
    local = (changed - face_points)[0, start:stop].flatten() / frlp.shape_scale
    wanted = frlp.local[index].weight @ local  # the local part, computed apart
    assert torch.allclose(delta[index] - others[0], wanted, atol=1e-5)
    assert wanted.norm() > 1e-3


def test_landmarks_are_standardised_against_the_mean_shape(face_points):
    torch.manual_seed(0)
    frlp = FaceRegionLandmarkProjector(WIDTH)
    frlp.mean_shape.copy_(face_points[0])
    biases = torch.stack([linear.bias for linear in frlp.local]) + frlp.everywhere.bias
    assert torch.allclose(frlp(face_points)[0], biases, atol=1e-6)


# -- the distance bias -----------------------------------------------------------------------------


def test_attention_is_local_with_the_distance_bias_and_uniform_without(face_points):
    module = new_attention()
    torch.nn.init.zeros_(module.query.weight)
    torch.nn.init.zeros_(module.query.bias)
    nearest = region_patch_distance(face_points, CENTRES)[0].argmin(-1)
    attention = module.attention(patches(), face_points, CENTRES)[0]
    assert torch.equal(attention.argmax(-1), nearest.expand(4, -1))
    assert attention.max(-1).values.max() > 0.5  # the published code gave 1/9 * 1.06 at most
    with torch.no_grad():
        module.log_tau.fill_(20.0)  # an infinite tau: no bias
    uniform = module.attention(patches(), face_points, CENTRES)[0]
    assert torch.allclose(uniform, torch.full_like(uniform, 1 / 9), atol=1e-4)


def test_attention_is_the_formula_of_the_paper(face_points):
    module = new_attention()
    with torch.no_grad():
        module.log_tau.copy_(torch.tensor([0.05, 0.1, 0.3, 1.0]).log())
    x = patches()
    queries, keys = module.query(x)[0], module.key(module.region_projector(face_points))[0]
    distance = torch.cdist(
        CENTRES, torch.stack([face_points[0, a:b].mean(0) for a, b in REGION_SLICES.values()])
    )
    for head, tau in enumerate((0.05, 0.1, 0.3, 1.0)):
        part = slice(4 * head, 4 * head + 4)
        wanted = (queries[:, part] @ keys[:, part].T / 2 - distance / tau).softmax(-1)
        assert torch.allclose(module.attention(x, face_points, CENTRES)[0, head], wanted, atol=1e-5)


@pytest.mark.parametrize("pool", [False, True])
def test_the_output_is_the_formula_of_the_paper_with_a_gate(face_points, pool):
    module = new_attention(gate=0.3, pool=pool)
    x = patches()
    regions = module.region_projector(face_points)[0]
    if pool:  # each region's value also holds the patches near it, a mean over the 36 patches
        centroids = [face_points[0, a:b].mean(0) for a, b in REGION_SLICES.values()]
        weights = (
            -torch.cdist(torch.stack(centroids), CENTRES) / module.log_tau.exp().mean()
        ).exp()
        weights = weights / weights.sum(1, keepdim=True)
        regions = regions + module.pool(weights @ x[0])
    values = module.value(regions)
    attention = module.attention(x, face_points, CENTRES)[0]
    mixed = torch.cat([attention[h] @ values[:, 4 * h : 4 * h + 4] for h in range(4)], dim=1)
    wanted = x[0] + 0.3 * module.out(module.norm(x[0] + mixed))
    assert torch.allclose(module(x, face_points, CENTRES)[0], wanted, atol=1e-5)


def test_a_token_without_a_place_has_no_distance_bias(face_points):
    module = new_attention()
    centres = torch.cat((torch.full((1, 2), torch.nan), CENTRES))
    x = torch.cat((patches()[:, :1], patches()), dim=1)
    before = module.attention(x, face_points, centres)
    with torch.no_grad():
        module.log_tau.fill_(-5.0)
    after = module.attention(x, face_points, centres)
    assert torch.isfinite(after).all()
    assert torch.equal(before[:, :, 0], after[:, :, 0])
    assert not torch.allclose(before[:, :, 1:], after[:, :, 1:], atol=1e-2)


# -- the gate --------------------------------------------------------------------------------------


def test_it_starts_as_the_exact_identity_though_the_output_map_is_not_zero(face_points):
    module = new_attention()
    x = patches(3)
    assert torch.equal(module(x, faces(face_points, 3), CENTRES), x)
    assert module.out.weight.abs().max() > 0.01


def test_the_gate_gets_a_gradient_at_the_first_step(face_points):
    module = new_attention()
    module(patches(), face_points, CENTRES).square().mean().backward()
    assert module.gate.grad is not None
    assert module.gate.grad.abs() > 1e-6


def test_with_an_open_gate_every_parameter_gets_a_finite_gradient(face_points):
    module = new_attention(gate=0.5)
    module(patches(2), faces(face_points, 2), CENTRES).pow(3).mean().backward()
    for name, parameter in module.named_parameters():
        if name != "key.bias":  # a constant on all logits of a row: softmax does not see it
            assert parameter.grad is not None, name
            assert torch.isfinite(parameter.grad).all(), name
            assert parameter.grad.abs().max() > 0, name


def test_pooled_values_bring_the_patches_into_the_values(face_points):
    x = patches()
    seen = x.clone().requires_grad_()
    module = new_attention(gate=0.5)
    out = module(seen, face_points, CENTRES)
    out[0, 0].sum().backward()
    assert seen.grad is not None
    assert seen.grad[0, -1].abs().max() > 0  # patch 0 hears of the last patch
    alone = x.clone().requires_grad_()
    new_attention(gate=0.5, pool=False)(alone, face_points, CENTRES)[0, 0].sum().backward()
    assert alone.grad is not None
    assert alone.grad[0, 1:].abs().max() == 0  # the paper's K = V: coordinates only


# -- missing landmarks -----------------------------------------------------------------------------


def test_missing_landmarks_are_the_exact_identity_and_leave_the_others_alone(face_points):
    module = new_attention(gate=0.7)
    x, points = patches(3), faces(face_points, 3)
    complete = module(x, points, CENTRES)
    points[1] = torch.nan
    mixed = module(x, points, CENTRES)
    assert torch.equal(mixed[1], x[1])
    assert torch.equal(mixed[[0, 2]], complete[[0, 2]])
    assert not torch.allclose(mixed[0], x[0], atol=1e-2)


def test_one_missing_coordinate_counts_as_missing(face_points):
    points = faces(face_points, 3)
    points[0, 5, 1], points[2, 60, 0] = torch.nan, torch.inf
    assert landmarks_present(points).tolist() == [False, True, False]


@pytest.mark.parametrize("missing", [[1], [0, 1, 2]], ids=["one", "all"])
def test_gradients_stay_finite_where_landmarks_are_missing(face_points, missing):
    module = new_attention(gate=0.7)
    points = faces(face_points, 3)
    points[missing] = torch.nan
    x = patches(3).requires_grad_()
    module(x, points, CENTRES).square().mean().backward()
    assert x.grad is not None
    assert torch.isfinite(x.grad).all()
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name


def test_an_image_alone_equals_the_image_in_a_batch(face_points):
    module = new_attention(gate=0.7)
    x, points = patches(3), faces(face_points, 3)
    together = module(x, points, CENTRES)
    alone = module(x[1:2], points[1:2], CENTRES)
    assert torch.allclose(together[1], alone[0], atol=1e-6)


# -- sizes -----------------------------------------------------------------------------------------


def test_at_the_papers_width_it_has_the_papers_size():
    with torch.device("meta"):
        module = FaceRegionGuidedCrossAttention(4096, 8)
    linear = 4096 * 4096 + 4096
    frlp = (136 * 4096 + 9 * 4096) + (136 * 4096 + 4096)  # 593,920 local + 561,152 global
    count = sum(parameter.numel() for parameter in module.parameters())
    assert count == 5 * linear + frlp + 2 * 4096 + 8 + 1
    assert count == pytest.approx(85.1e6, rel=0.001)


def test_a_width_that_heads_do_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"10 .* 4"):
        FaceRegionGuidedCrossAttention(10, 4)


def test_the_projector_changes_width_only_and_treats_patches_alike():
    torch.manual_seed(0)
    projector = MultiModalProjector(WIDTH, 24)
    x = patches(2)
    out = projector(x)
    assert out.shape == (2, SIDE * SIDE, 24)
    assert torch.allclose(out[1, 5], projector(x[1:, 5:6])[0, 0], atol=1e-6)
    assert torch.allclose(projector(3 * x + 1), out, atol=1e-3)  # its norm takes scale and shift
