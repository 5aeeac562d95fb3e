"""Attention goes to regions of labelled units; faces without units or landmarks do not count."""

import copy

import pytest
import torch
from loss_toys import batch_of, forwarded, reading_sample, setting_of

from facellm.checkpoint import load_checkpoint
from facellm.labels import FACS
from facellm.regions import REGION_SLICES
from facellm.train.objectives import au_attention
from facellm.train.objectives.au_attention import (
    PARTS,
    UnitAttentionLoss,
    region_mass,
    regions_of,
)
from facellm.train.sample import Forwarded

ABSENT, STRONG = (1, 0, 0, 0, 0, 0), (0, 0, 0, 0, 1, 0)
REGIONS = list(REGION_SLICES)
MOUTH = [REGIONS.index("lips"), REGIONS.index("inner_mouth")]
BROWS = [REGIONS.index("brow_left"), REGIONS.index("brow_right")]


@pytest.fixture
def toy(tiny_checkpoint):
    return load_checkpoint(tiny_checkpoint)


def shape():
    """68 points with every region in a place of its own."""
    places = {"jaw": (0.5, 0.9), "brow_left": (0.3, 0.25), "brow_right": (0.7, 0.25)}
    places |= {"nose": (0.5, 0.45), "nostrils": (0.5, 0.57), "eye_left": (0.33, 0.38)}
    places |= {"eye_right": (0.67, 0.38), "lips": (0.5, 0.72), "inner_mouth": (0.5, 0.7)}
    noise = 0.02 * torch.randn(68, 2, generator=torch.Generator().manual_seed(0))
    centres = [
        torch.tensor(places[name]).repeat(b - a, 1) for name, (a, b) in REGION_SLICES.items()
    ]
    return torch.cat(centres) + noise


def smile_batch(toy, landmarks, **units):
    return batch_of(
        toy.processor, [reading_sample(toy.processor, "a", **units)], landmarks=landmarks[None]
    )


def test_a_unit_lives_where_the_facs_table_says(toy):
    names = {
        number: {name for name, here in zip(REGIONS, regions_of(sample), strict=True) if here}
        for number in FACS
        if (sample := reading_sample(toy.processor, "a", **{f"au{number}": STRONG}))
    }
    assert names[1] == {"brow_left", "brow_right"}
    assert names[12] == {"lips", "inner_mouth"}
    assert names[6] == {"eye_left", "eye_right"}
    assert all(names.values())
    assert {unit.region for unit in FACS.values()} == set(PARTS)


def test_a_unit_is_present_where_that_is_more_likely_than_not(toy):
    likely = reading_sample(toy.processor, "a", au12=(0.4, 0.6, 0, 0, 0, 0), au4=ABSENT)
    unlikely = reading_sample(toy.processor, "a", au12=(0.6, 0.4, 0, 0, 0, 0))
    assert [REGIONS[i] for i, here in enumerate(regions_of(likely)) if here] == [
        "lips",
        "inner_mouth",
    ]
    assert not any(regions_of(unlikely))


def test_the_loss_by_hand_of_attention_spread_evenly(toy, monkeypatch):
    """Nine equal shares against two regions: cosine sqrt(2 / 9)."""
    objective = UnitAttentionLoss(setting_of(toy, au_attention=1.0))
    even = torch.full((1, 9), 1 / 9)
    monkeypatch.setattr(au_attention, "region_mass", lambda model, patches, points: even)
    batch = smile_batch(toy, shape(), au12=STRONG)
    out = Forwarded(torch.zeros(1), torch.zeros(1), patches=torch.zeros(1, 9, 64))
    assert float(objective(batch, out)) == pytest.approx(1 - (2 / 9) ** 0.5, abs=1e-6)


@pytest.mark.parametrize("position", ["tower", "projected"])
@pytest.mark.parametrize(("unit", "regions"), [("au12", MOUTH), ("au4", BROWS)])
def test_a_few_steps_move_attention_to_the_labelled_region(toy, position, unit, regions):
    model = copy.deepcopy(toy.model)
    model.config.region_position = position  # the toy is 64 wide on both sides
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(name.startswith("region_attention"))
    setting = setting_of(toy, au_attention=1.0)
    objective = UnitAttentionLoss(type(setting)(model, setting.processor, setting.run))
    batch = smile_batch(toy, shape(), **{unit: STRONG})
    optimizer = torch.optim.Adam(model.region_attention.parameters(), lr=1e-2)
    masses = []
    for _ in range(12):
        out = forwarded(model, batch)
        mass = region_mass(model, out.patches, batch.landmarks)
        masses.append(mass[0, regions].sum().item())
        loss = objective(batch, out)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert masses[-1] > masses[0] + 0.1
    assert model.region_attention.gate.grad is None  # a gate at 0 does not stand in the way


def test_attention_is_that_of_the_forward_pass(toy):
    """Region mass of the patches that FRGCA itself is handed."""
    seen = []
    attend = toy.model.region_attention._attend

    def watch(*args):
        seen.append(attend(*args))
        return seen[-1]

    toy.model.region_attention._attend = watch
    for position in ("tower", "projected"):
        toy.model.config.region_position = position
        seen.clear()
        batch = smile_batch(toy, shape(), au12=STRONG)
        with torch.no_grad():
            out = forwarded(toy.model, batch)
            mass = region_mass(toy.model, out.patches, batch.landmarks)
        assert torch.allclose(mass, seen[0].mean((1, 2)), atol=1e-6)
        assert float(mass.sum()) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    ("landmarks", "units"),
    [
        (torch.full((68, 2), torch.nan), {"au12": STRONG}),
        (None, {"au12": ABSENT}),
        (None, {"gender": (1, 0)}),
    ],
    ids=["no landmarks", "no unit present", "no unit labelled"],
)
def test_faces_without_landmarks_or_units_do_not_count(toy, landmarks, units):
    objective = UnitAttentionLoss(setting_of(toy, au_attention=1.0))
    batch = smile_batch(toy, shape() if landmarks is None else landmarks, **units)
    assert objective(batch, forwarded(toy.model, batch)) is None


def test_a_run_that_could_not_move_attention_is_refused(toy):
    with pytest.raises(ValueError, match="all their rates are 0"):
        UnitAttentionLoss(setting_of(toy, rates={"language_model": 1e-3}, au_attention=1.0))
    with pytest.raises(ValueError, match=r"set data\.readouts"):
        UnitAttentionLoss(setting_of(toy, data={"readouts": False}, au_attention=1.0))
