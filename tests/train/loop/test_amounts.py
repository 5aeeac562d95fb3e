"""A step is the same however it is cut into micro batches."""

import pytest
import torch
from train_toys import ToyStream

from facellm.train.build_model import build_model
from facellm.train.loop.amounts import keep_in_step, share_amounts
from facellm.train.loop.ranks import Ranks
from facellm.train.objectives import objectives_of
from facellm.train.parts import prepare_parts
from facellm.train.run_config import load_run
from facellm.train.sample import Setting
from facellm.train.trainee import Trainee


@pytest.fixture(scope="module")
def toy(toy_config):
    """Setting and trainee."""
    run = load_run(toy_config)
    model, processor = build_model(run)
    prepare_parts(model, run)
    setting = Setting(model, processor, run)
    return setting, Trainee(model, objectives_of(setting)).eval()


def step_of(toy, toy_config, micro, shared=True):
    """Mean losses and gradients of the first step, cut into batches of ``micro`` rows."""
    setting, trainee = toy
    run = load_run(toy_config, [f"schedule.micro_batch={micro}", "schedule.global_batch=8"])
    batches = ToyStream(run, setting.processor).micro_batches(0)
    if shared:
        share_amounts(batches, trainee, Ranks())
    trainee.zero_grad()
    totals = [trainee(batch)["total"] / len(batches) for batch in batches]
    torch.stack(totals).sum().backward()
    gradients = {name: p.grad for name, p in trainee.named_parameters() if p.grad is not None}
    return float(torch.stack(totals).detach().sum()), {
        name: g.clone() for name, g in gradients.items()
    }


@pytest.mark.parametrize("micro", [1, 2, 4])
def test_micro_batches_do_not_change_the_step(toy, toy_config, micro):
    whole, wanted = step_of(toy, toy_config, 8)
    loss, gradients = step_of(toy, toy_config, micro)
    assert loss == pytest.approx(whole, rel=1e-6)
    assert gradients.keys() == wanted.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-4, atol=1e-5)


def test_means_of_means_would_change_it(toy, toy_config):
    whole, _ = step_of(toy, toy_config, 8)
    assert step_of(toy, toy_config, 1, shared=False)[0] != pytest.approx(whole, rel=1e-3)


def test_one_batch_is_its_plain_mean(toy, toy_config):
    shared, plain = (step_of(toy, toy_config, 8, shared)[0] for shared in (True, False))
    assert shared == pytest.approx(plain, rel=1e-6)


def test_a_blank_face_changes_no_loss_and_touches_every_part(toy, toy_config):
    setting, trainee = toy
    run = load_run(toy_config, ["schedule.micro_batch=1"])
    batch = ToyStream(run, setting.processor).micro_batches(0)[1]
    assert batch.pixel_values is None  # row 1 has no face
    trainee.zero_grad()
    plain = float(trainee(batch)["total"].detach())
    filled = trainee(keep_in_step(batch, setting))["total"]
    assert float(filled.detach()) == pytest.approx(plain, rel=1e-6)
    filled.backward()
    for part in (setting.model.region_attention, setting.model.multi_modal_projector):
        assert all(not p.grad.any() for p in part.parameters())


def test_the_step_says_how_many_micro_batches_it_needs(go, tmp_path):
    class Short(ToyStream):
        def micro_batches(self, step):
            return super().micro_batches(step)[:1]

    with pytest.raises(RuntimeError, match="1 micro batches, 2 expected"):
        go(tmp_path / "run", stream=Short)


def test_a_blank_picture_leaves_a_learning_towers_statistics_alone(toy_config):
    run = load_run(toy_config, ["rates={vision_tower: 1.0e-3}"])
    model, processor = build_model(run)
    prepare_parts(model, run)
    setting = Setting(model, processor, run)
    trainee = Trainee(model, objectives_of(setting)).train()

    class Faceless(ToyStream):
        faceless = (0, 1, 2, 3)

    batch = keep_in_step(Faceless(run, processor).micro_batches(0)[0], setting)
    assert batch.blank
    before = {name: value.clone() for name, value in model.vision_tower.named_buffers()}
    trainee(batch)
    assert before
    for name, value in model.vision_tower.named_buffers():
        assert torch.equal(value, before[name])
    trainee(ToyStream(run, processor).micro_batches(0)[0])
    assert not all(torch.equal(v, before[n]) for n, v in model.vision_tower.named_buffers())
