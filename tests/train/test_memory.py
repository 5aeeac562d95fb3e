"""Memory by formula: hand-computed, against DeepSpeed's estimators, against real allocations."""

from __future__ import annotations

import contextlib
import io
from importlib.util import find_spec

import pytest
import torch
from training_runs import new_run, new_trainee, noise_batch

from facellm.train.activations import face_bytes, kept_bytes, language_bytes, stand_in
from facellm.train.build_model import build_model
from facellm.train.memory import SINGLE, States, state_bytes, states_of
from facellm.train.parts import count_parameters, prepare_parts
from facellm.train.quantised import stored_bytes
from facellm.train.run_sections import (
    EngineConfig,
    LoraSettings,
    ModelConfig,
    ScheduleConfig,
)

GPUS = (1, 2, 4, 8)


def test_a_small_case_computed_by_hand():
    """1,000 frozen numbers in 16 bits, 100 trained ones, the largest module 300."""
    states = States(frozen=2000.0, trained=100, largest=300)
    assert state_bytes(states, SINGLE) == {
        "weights": 2000 + 400,
        "gradients": 400,
        "optimizer": 800,
        "gathered": 0,
    }
    assert state_bytes(states, 2, 4) == {
        "weights": 2000 + 200,
        "gradients": 150,
        "optimizer": 300,
        "gathered": 0,
    }
    assert state_bytes(states, 3, 4) == {
        "weights": 550,
        "gradients": 100,
        "optimizer": 300,
        "gathered": 1200,
    }
    away = state_bytes(states, 3, 4, "all")
    assert (away["weights"], away["gradients"], away["optimizer"]) == (0, 0, 0)
    assert state_bytes(states, 2, 4, "optimizer")["weights"] == 2200


@pytest.mark.skipif(find_spec("deepspeed") is None, reason="deepspeed is not installed")
@pytest.mark.parametrize("gpus", GPUS)
@pytest.mark.parametrize("offload", ["none", "optimizer", "all"])
def test_a_model_trained_whole_takes_what_deepspeed_estimates(gpus, offload):
    with contextlib.redirect_stdout(io.StringIO()):
        from deepspeed.runtime.zero.stage3 import estimate_zero3_model_states_mem_needs as three
        from deepspeed.runtime.zero.stage_1_and_2 import (
            estimate_zero2_model_states_mem_needs as two,
        )
    total, largest = 6_738_415_616, 131_072_000
    states = States(0.0, total, largest)
    away, weights_away = offload != "none", offload == "all"
    if offload != "all":
        _, gpu = two(total, gpus, 1, cpu_offload=away)
        assert sum(state_bytes(states, 2, gpus, offload).values()) == pytest.approx(gpu, abs=2)
    _, gpu, _ = three(total, largest, gpus, 1, cpu_offload=away, cpu_offload_params=weights_away)
    assert sum(state_bytes(states, 3, gpus, offload).values()) == pytest.approx(gpu, abs=2)


RATES = {"multi_modal_projector": 1e-3, "lora": 1e-3}


@pytest.mark.parametrize(("store", "double"), [("none", 1), ("nf4", 0), ("nf4", 1), ("int8", 1)])
def test_states_are_what_the_prepared_model_holds(tiny_checkpoint, store, double):
    if store != "none" and find_spec("bitsandbytes") is None:
        pytest.skip("bitsandbytes (extra train) is not installed")
    lora = LoraSettings(rank=4, alpha=8.0, quantise=store, double_quant=bool(double))
    start = ModelConfig(start=str(tiny_checkpoint), dtype="bfloat16")
    schedule = ScheduleConfig(precision="bf16")
    run = new_run("instruct", RATES, model=start, lora=lora, schedule=schedule)
    plain_run = new_run(
        "instruct", RATES, model=start, lora=LoraSettings(rank=4, alpha=8.0), schedule=schedule
    )
    plain, _ = build_model(plain_run)
    prepare_parts(plain, plain_run)
    states = states_of(plain, run)
    model, _ = build_model(run)
    groups = prepare_parts(model, run)
    assert states.trained == sum(p.numel() for group in groups for p in group["params"])
    held = state_bytes(states, SINGLE)["weights"]
    assert held == pytest.approx(stored_bytes(model), rel=0.02)
    largest = max(sum(p.numel() for p in m.parameters(False)) for m in model.modules())
    assert states.largest >= largest  # quantised modules hold half a byte a number


def test_under_deepspeed_every_weight_has_16_bits(tiny_checkpoint):
    engine = EngineConfig(kind="deepspeed", zero=2)
    schedule = ScheduleConfig(precision="bf16")
    run = new_run(
        "region", {"region_attention": 1e-4}, tiny_checkpoint, engine=engine, schedule=schedule
    )
    model, _ = build_model(run)
    counts = count_parameters(model)
    states = states_of(model, run)
    assert states.trained == counts["region_attention"]
    assert state_bytes(states, 2)["weights"] == 2 * sum(counts.values())


# -- activations -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rates",
    [
        {"multi_modal_projector": 1e-3, "lora": 1e-3},
        {"multi_modal_projector": 1e-3, "language_model": 1e-3},
        {"region_attention": 1e-3, "vision_tower": 1e-3},
    ],
    ids=["lora", "language", "vision"],
)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_counted_activations_are_those_that_autograd_keeps_of_a_real_pass(
    tiny_checkpoint, rates, precision
):
    lora = LoraSettings(rank=4 if "lora" in rates else 0, alpha=8.0, dropout=0.1)
    schedule = ScheduleConfig(micro_batch=3, global_batch=3, precision=precision)
    run = new_run("task", rates, tiny_checkpoint, lora=lora, schedule=schedule)
    model, processor = build_model(run)
    prepare_parts(model, run)
    batch = noise_batch(model, processor)
    run = new_run(
        "task",
        rates,
        tiny_checkpoint,
        lora=lora,
        schedule=schedule,
        length=batch.input_ids.shape[1],
    )
    trainee = new_trainee(model, processor, run)

    def forward():
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
            return trainee.run(batch)

    real = kept_bytes(model.parameters(), forward)
    small = stand_in(model.config, run, model.config.text_config.num_hidden_layers)
    counted = language_bytes(small, run) + face_bytes(small, run)
    assert counted == pytest.approx(real, rel=0.05)
