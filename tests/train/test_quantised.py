"""QLoRA on a CPU: the base in 4 or 8 bits is smaller, stays as it is, and adapters learn on it."""

from __future__ import annotations

from importlib.util import find_spec

import pytest
import torch
from small_bases import save_clip, save_llama
from training_runs import new_run, new_trainee, noise_batch, steps

from facellm.errors import FaceLLMError
from facellm.train.adapters import load_adapter, merge, save_adapter
from facellm.train.build_model import build_model
from facellm.train.parts import count_parameters, prepare_parts
from facellm.train.quantised import is_quantised, quantisation_scales, stored_bytes
from facellm.train.run_sections import LoraSettings, ModelConfig, ScheduleConfig

pytestmark = pytest.mark.skipif(
    find_spec("bitsandbytes") is None, reason="bitsandbytes (extra train) is not installed"
)
RATES = {"multi_modal_projector": 1e-3, "lora": 1e-2}
STORES = {"nf4": ("nf4", False), "nf4-double": ("nf4", True), "int8": ("int8", True)}


def run_of(start, store="none", double=True):
    lora = LoraSettings(rank=4, alpha=8.0, dropout=0.0, quantise=store, double_quant=double)
    return new_run("instruct", RATES, start, lora=lora)


@pytest.fixture(params=STORES)
def prepared(request, tiny_checkpoint):
    """Run, model, processor and groups of one store."""
    run = run_of(tiny_checkpoint, *STORES[request.param])
    model, processor = build_model(run)
    return run, model, processor, prepare_parts(model, run)


def stored(model) -> dict[str, bytes]:
    """Frozen tensors of the language model, byte for byte."""
    return {
        name: parameter.detach().contiguous().view(torch.uint8).numpy().tobytes()
        for name, parameter in model.language_model.named_parameters()
        if not parameter.requires_grad
    }


def scales(model) -> list[torch.Tensor]:
    found = [quantisation_scales(module) for module in model.language_model.modules()]
    return [tensor.clone() for tensors in found for tensor in tensors]


def test_adapters_learn_and_the_base_stays_bitwise_equal(prepared):
    run, model, processor, groups = prepared
    before, scale = stored(model), scales(model)
    assert len(scale) >= 7 * 2
    trainee, batch = new_trainee(model, processor, run), noise_batch(model, processor)
    losses = steps(trainee, groups, batch, 5)
    assert sorted(losses, reverse=True) == losses
    assert losses[-1] < losses[0]
    assert stored(model) == before
    assert all(torch.equal(a, b) for a, b in zip(scales(model), scale, strict=True))


def test_a_validation_pass_changes_nothing_and_gradients_go_on(prepared):
    """On a CPU bitsandbytes would repack 4-bit weights and then hand back no gradient."""
    run, model, processor, _ = prepared
    trainee, batch = new_trainee(model, processor, run), noise_batch(model, processor)

    def gradients() -> list[torch.Tensor]:
        model.zero_grad()
        trainee(batch)["total"].backward()
        return [p.grad.clone() for p in model.multi_modal_projector.parameters()]

    before, wanted = stored(model), gradients()
    trainee.eval()
    with torch.no_grad():
        trainee(batch)
    trainee.train()
    assert all(torch.equal(a, b) for a, b in zip(gradients(), wanted, strict=True))
    assert all(gradient.abs().max() > 0 for gradient in wanted)
    assert stored(model) == before


def test_moves_and_casts_leave_the_base_as_it_is(prepared):
    """What engines do to a model: DeepSpeed casts it, and every one moves it."""
    run, model, processor, _ = prepared
    batch = noise_batch(model, processor)
    quantised = {n: m for n, m in model.language_model.named_modules() if is_quantised(m)}

    def held() -> list[torch.Tensor]:
        found = [[m.weight, *quantisation_scales(m)] for m in quantised.values()]
        return [tensor.detach().clone() for tensors in found for tensor in tensors]

    before = held()
    for change in (lambda: model.to("cpu"), model.bfloat16, model.float):
        change()
        assert all(torch.equal(a, b) for a, b in zip(held(), before, strict=True))
    trainee = new_trainee(model, processor, run)
    trainee(batch)["total"].backward()
    assert all(torch.equal(a, b) for a, b in zip(held(), before, strict=True))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="optional: no CUDA device")
def test_the_same_code_learns_on_a_gpu(prepared):
    run, model, processor, groups = prepared
    batch = noise_batch(model, processor)
    with torch.no_grad():
        wanted = new_trainee(model, processor, run).eval()(batch)["total"].item()
    trainee = new_trainee(model, processor, run).to("cuda")
    with torch.no_grad():
        found = trainee.eval()(batch.to("cuda"))["total"].item()
    assert found == pytest.approx(wanted, rel=0.02)
    losses = steps(trainee.train(), groups, batch.to("cuda"), 5)
    assert losses[-1] < losses[0]


def test_tables_and_norms_stay_as_they_are(prepared, tiny_checkpoint):
    _, model, _, _ = prepared
    plain, _ = build_model(run_of(tiny_checkpoint))
    assert torch.equal(model.get_output_embeddings().weight, plain.get_output_embeddings().weight)
    found = [name for name, module in model.named_modules() if is_quantised(module)]
    assert len(found) == 7 * 2
    assert not any(is_quantised(module) for module in model.vision_tower.modules())
    assert not any(is_quantised(module) for module in model.multi_modal_projector.modules())


def test_a_quantised_base_is_smaller_than_bfloat16_and_counts_the_same(prepared, tiny_checkpoint):
    run, model, _, _ = prepared
    plain, _ = build_model(run_of(tiny_checkpoint))
    bits = {"nf4": 4, "int8": 8}[run.lora.quantise]
    layers, wanted = model.language_model.model.layers, plain.language_model.model.layers
    wanted = sum(p.numel() for p in wanted.parameters() if p.ndim > 1)
    adapters = sum(p.numel() * 4 for n, p in layers.named_parameters() if ".lora_" in n)
    norms = sum(p.numel() * 4 for n, p in layers.named_parameters() if "norm" in n)
    held = stored_bytes(layers) - adapters - norms
    assert wanted * bits / 8 < held < wanted * bits / 8 * 1.5
    assert held < wanted * 2
    counted, plain_count = count_parameters(model), count_parameters(plain)
    assert counted["language_model"] == plain_count["language_model"]


def test_double_quantisation_saves_memory(tiny_checkpoint):
    sizes = []
    for double in (False, True):
        run = run_of(tiny_checkpoint, "nf4", double)
        model, _ = build_model(run)
        prepare_parts(model, run)
        state = model.language_model.model.layers[0].mlp.up_proj.base_layer.weight.quant_state
        assert state.nested is double
        sizes.append(state.absmax.numel() * state.absmax.element_size())
    assert sizes[1] < sizes[0]


def test_the_output_is_near_the_unquantised_one(prepared, tiny_checkpoint):
    run, model, processor, _ = prepared
    plain, _ = build_model(run_of(tiny_checkpoint))
    batch = noise_batch(model, processor)
    outputs = []
    for one in (model, plain):
        trainee = new_trainee(one, processor, run).eval()
        with torch.no_grad():
            outputs.append(trainee.run(batch).hidden.flatten())
    near = torch.nn.functional.cosine_similarity(outputs[0], outputs[1], dim=0)
    assert near > {"nf4": 0.9, "int8": 0.999}[run.lora.quantise]
    assert near < 1


def test_a_reloaded_adapter_gives_the_same_on_the_requantised_base(prepared, tmp_path):
    run, model, processor, groups = prepared
    batch = noise_batch(model, processor)
    steps(new_trainee(model, processor, run), groups, batch, 2)
    save_adapter(model, tmp_path, "toy")
    again, _ = build_model(run)
    prepare_parts(again, run)
    load_adapter(again, tmp_path, "toy")
    again.multi_modal_projector.load_state_dict(model.multi_modal_projector.state_dict())
    losses = []
    for one in (model, again):
        trainee = new_trainee(one, processor, run).eval()
        with torch.no_grad():
            losses.append(trainee(batch)["total"].item())
    assert losses[0] == losses[1]


def test_an_adapter_trained_on_a_quantised_base_fits_the_plain_one(prepared, tmp_path):
    """Its digest is taken before the weights are rounded."""
    run, model, _, _ = prepared
    save_adapter(model, tmp_path, "toy")
    plain_run = run_of(run.model.start)
    plain, _ = build_model(plain_run)
    prepare_parts(plain, plain_run)
    load_adapter(plain, tmp_path, "toy")
    with pytest.raises(FaceLLMError, match="q_proj is quantised"):
        merge(model)
    merge(plain)


def test_sixteen_bits_multiply_in_sixteen_bits(tiny_checkpoint):
    start = ModelConfig(start=str(tiny_checkpoint), dtype="bfloat16")
    lora = LoraSettings(rank=4, alpha=8.0, quantise="nf4")
    run = new_run(
        "instruct", RATES, model=start, lora=lora, schedule=ScheduleConfig(precision="bf16")
    )
    model, processor = build_model(run)
    groups = prepare_parts(model, run)
    layer = model.language_model.model.layers[0].mlp.up_proj.base_layer
    assert layer.compute_dtype == torch.bfloat16
    with torch.autocast("cpu", torch.bfloat16):
        trainee = new_trainee(model, processor, run)
        losses = steps(trainee, groups, noise_batch(model, processor), 3)
    assert losses[-1] < losses[0]


def test_a_width_that_is_no_multiple_of_64_is_an_error_that_names_map_and_size(tmp_path):
    save_clip(tmp_path / "clip")
    save_llama(tmp_path / "llama")
    bases = ModelConfig(vision=str(tmp_path / "clip"), language=str(tmp_path / "llama"))
    lora = LoraSettings(rank=4, quantise="nf4")
    run = new_run("instruct", RATES, model=bases, lora=lora)
    model, _ = build_model(run)
    said = r"language_model.model.layers.0.self_attn.q_proj has 32 inputs, no multiple of 64.*nf4"
    with pytest.raises(FaceLLMError, match=said):
        prepare_parts(model, run)
