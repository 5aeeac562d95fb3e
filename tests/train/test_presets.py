"""The configs that come with facellm: each loads, contradicts nothing, and is what it says."""

from __future__ import annotations

from pathlib import Path

import pytest

import facellm.train
from facellm.train.dry_run import report
from facellm.train.parts import check_stage
from facellm.train.run_config import load_run

CONFIGS = Path(facellm.train.__file__).parent / "configs"
PRESETS = {
    "tiny-cpu": "instruct",
    "clip-l_qwen-0.5b": "instruct",
    "clip-l_vicuna-7b": "instruct",
    "siglip_qwen-7b": "instruct",
    "clip-l_qwen-0.5b-region": "region",
    "clip-l_vicuna-7b-region": "region",
    "siglip_qwen-7b-region": "region",
}


# The shipped default's own stages; ``tests/test_train_default.py`` loads them as make gives them.
DEFAULT = {"default-text": "base", "default-base": "base", "default-instruct": "instruct"}


def test_the_presets_are_these():
    known = {*PRESETS, *DEFAULT, "default-encoder"}
    assert {path.stem for path in CONFIGS.glob("*.yaml")} == known


@pytest.mark.parametrize("name", [*PRESETS, *DEFAULT])
def test_a_preset_loads_and_contradicts_nothing(name):
    run = load_run(CONFIGS / f"{name}.yaml")
    assert run.stage == (PRESETS | DEFAULT)[name]
    check_stage(run)


@pytest.mark.parametrize("name", [name for name in PRESETS if name != "tiny-cpu"])
def test_published_settings_are_the_published_ones(name):
    """design: field.md 1.3; papers.md 3.1."""
    run = load_run(CONFIGS / f"{name}.yaml")
    schedule = run.schedule
    assert (schedule.epochs, schedule.warmup, schedule.decay) == (1, 0.03, "cosine")
    assert (schedule.weight_decay, schedule.floor) == (0, 0)
    assert schedule.recompute
    assert (run.model.region_position, run.model.dtype) == ("projected", "bfloat16")
    if run.stage == "region":
        assert (run.rates.region_attention, schedule.global_batch) == (1e-4, 168)
        assert not run.lora.rank
    else:
        assert (run.rates.multi_modal_projector, schedule.global_batch) == (2e-5, 112)
        assert (run.lora.rank, run.lora.alpha, run.lora.dropout) == (64, 16, 0.05)


def test_the_preset_of_the_shipped_model_has_a_dry_run():
    """That of the 7B is ``test_dry_run``'s."""
    text = report(load_run(CONFIGS / "tiny-cpu.yaml"))
    assert text.startswith("stage instruct, shipped")
    assert "ZeRO-2" in text
