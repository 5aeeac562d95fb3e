"""Which part of a model learns: by rates, by stage, row by row in the token tables."""

from __future__ import annotations

import pytest
import torch
from small_bases import save_clip, save_qwen
from torch import nn
from training_runs import new_run, new_trainee, noise_batch, steps

from facellm.errors import FaceLLMError
from facellm.labels import reserved_tokens
from facellm.train.build_model import build_model
from facellm.train.parts import (
    PARTS,
    check_stage,
    count_parameters,
    part_parameters,
    prepare_parts,
    token_tables,
)
from facellm.train.run_losses import LossesConfig
from facellm.train.run_sections import EngineConfig, LoraSettings, ModelConfig, ScheduleConfig

LORA = LoraSettings(rank=4, alpha=8.0, dropout=0.0)


def prepared(run):
    model, processor = build_model(run)
    with torch.no_grad():  # an open gate: everything behind it gets a gradient
        model.region_attention.gate.fill_(0.5)
    return model, processor, prepare_parts(model, run)


def test_every_parameter_belongs_to_one_part(tiny_checkpoint):
    model, _ = build_model(new_run("task", {"embeddings": 1e-3}, tiny_checkpoint))
    found = part_parameters(model)
    assert tuple(found) == PARTS
    ids = [id(p) for named in found.values() for p in named.values()]
    assert len(ids) == len(set(ids))
    assert set(ids) == {id(p) for p in model.parameters()}
    assert sum(count_parameters(model).values()) == sum(p.numel() for p in model.parameters())
    assert list(found["embeddings"]) == ["language_model.model.embed_tokens.weight"]  # tied
    assert not found["lora"]


@pytest.mark.parametrize("part", PARTS)
def test_a_rate_makes_its_part_learn_and_nothing_else(tiny_checkpoint, part):
    sections = {"lora": LORA} if part == "lora" else {}
    model, processor, groups = prepared(new_run("task", {part: 1e-2}, tiny_checkpoint, **sections))
    names = part_parameters(model)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    statistics = {name: b.clone() for name, b in model.named_buffers()}
    run = new_run("task", {part: 1e-2}, tiny_checkpoint, **sections)
    losses = steps(new_trainee(model, processor, run), groups, noise_batch(model, processor), 4)
    assert losses[-1] < losses[0]
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    assert changed
    assert changed <= set(names[part])
    assert len(changed) > 0.8 * len(names[part])
    moved = {n for n, b in model.named_buffers() if not torch.equal(b, statistics[n])}
    assert bool(moved) == (part == "vision_tower")  # running statistics of a frozen tower stay


@pytest.mark.parametrize("tied", [True, False])
def test_old_rows_stay_bitwise_equal_where_only_new_tokens_learn(tmp_path, tied):
    save_clip(tmp_path / "clip")
    save_qwen(tmp_path / "qwen", tied=tied)
    bases = ModelConfig(vision=str(tmp_path / "clip"), language=str(tmp_path / "qwen"))
    schedule = ScheduleConfig(weight_decay=0.1)
    run = new_run("task", {"embeddings": 1e-2}, model=bases, schedule=schedule)
    model, processor, groups = prepared(run)
    tables = token_tables(model)
    assert len(tables) == 2 - tied
    before = [table.detach().clone() for table in tables]
    steps(new_trainee(model, processor, run), groups, noise_batch(model, processor), 3)
    first = processor.image_token_id
    last = first + len(reserved_tokens())
    for table, old in zip(tables, before, strict=True):
        assert torch.equal(table[:first], old[:first])
        assert torch.equal(table[last:], old[last:])
    labels = torch.cat(processor.label_ids).unique()
    moved = (tables[-1] != before[-1]).any(1)
    assert moved[labels].all()


def test_all_rows_learn_with_the_language_model(tiny_checkpoint):
    rates = {"embeddings": 1e-3, "language_model": 1e-3}
    model, processor, groups = prepared(new_run("task", rates, tiny_checkpoint))
    before = token_tables(model)[0].detach().clone()
    trainee = new_trainee(model, processor, new_run("task", rates, tiny_checkpoint))
    batch = noise_batch(model, processor)
    batch.labels[:, 1] = 2  # an answer that makes the softmax over all rows count
    steps(trainee, groups, batch, 1)
    assert (token_tables(model)[0] != before).any(1).all()


def test_matrices_decay_and_vectors_do_not(tiny_checkpoint):
    rates = {"multi_modal_projector": 1e-3, "language_model": 2e-3, "embeddings": 3e-3}
    schedule = ScheduleConfig(weight_decay=0.1)
    _, _, groups = prepared(new_run("task", rates, tiny_checkpoint, schedule=schedule))
    for group in groups:
        assert group["weight_decay"] == (0.1 if group["params"][0].ndim > 1 else 0.0)
        assert group["peak"] == rates[group["part"]]
        assert all(p.requires_grad and p.dtype == torch.float32 for p in group["params"])
    assert [g["part"] for g in groups].count("embeddings") == 1
    alone = prepared(new_run("task", {"embeddings": 1e-3}, tiny_checkpoint, schedule=schedule))[2]
    assert [g["weight_decay"] for g in alone] == [0.0]  # old rows would shrink


def test_frozen_weights_take_the_runs_dtype_and_trained_ones_stay_float32(tiny_checkpoint):
    rates = {"multi_modal_projector": 1e-3, "lora": 1e-3, "embeddings": 1e-3}
    sections = {
        "model": ModelConfig(start=str(tiny_checkpoint), dtype="bfloat16"),
        "schedule": ScheduleConfig(precision="bf16"),
        "lora": LORA,
    }
    run = new_run("instruct", rates, **sections)
    model, processor, groups = prepared(run)
    dtypes = {(name, p.requires_grad): p.dtype for name, p in model.named_parameters()}
    assert all(d == (torch.float32 if t else torch.bfloat16) for (_, t), d in dtypes.items())
    assert {d for d in dtypes.values()} == {torch.float32, torch.bfloat16}
    assert model.language_model.model.rotary_emb.inv_freq.dtype == torch.float32
    trainee, batch = new_trainee(model, processor, run), noise_batch(model, processor)
    with torch.autocast("cpu", torch.bfloat16):
        losses = steps(trainee, groups, batch, 4)
    assert losses[-1] < losses[0]


@pytest.mark.parametrize(
    ("stage", "rates"),
    [
        ("region", {"region_attention": 1e-2}),
        ("instruct", {"multi_modal_projector": 1e-2, "region_attention": 1e-2, "lora": 1e-2}),
    ],
)
def test_a_joined_model_learns_in_the_papers_position_in_16_bits(tmp_path, stage, rates):
    save_clip(tmp_path / "clip")
    save_qwen(tmp_path / "qwen", tied=False)
    sections = {
        "model": ModelConfig(
            vision=str(tmp_path / "clip"), language=str(tmp_path / "qwen"), dtype="bfloat16"
        ),
        "schedule": ScheduleConfig(precision="bf16"),
        "lora": LORA if "lora" in rates else LoraSettings(),
    }
    run = new_run(stage, rates, **sections)
    model, processor, groups = prepared(run)
    assert model.config.region_position == "projected"
    trainee, batch = new_trainee(model, processor, run), noise_batch(model, processor)
    with torch.autocast("cpu", torch.bfloat16):
        losses = steps(trainee, groups, batch, 4)
    assert losses[-1] < losses[0]


# -- contradictions --------------------------------------------------------------------------------

FULL = {"multi_modal_projector": 1e-5, "language_model": 1e-5}
TUNED = {"multi_modal_projector": 1e-5, "lora": 1e-4}


@pytest.mark.parametrize(
    ("stage", "rates", "said"),
    [
        ("region", {"vision_tower": 1e-4}, "stage region .*rates.vision_tower is 0.0001"),
        ("region", {"region_attention": 1e-4, "multi_modal_projector": 1e-4}, "keeps multi_modal"),
        ("base", {"multi_modal_projector": 1e-4}, "trains language_model, but .* is 0"),
        ("base", {**FULL, "lora": 1e-4}, "stage base keeps lora"),
        ("instruct", FULL, "stage instruct"),
        ("instruct", {"lora": 1e-4}, "trains multi_modal_projector"),
        ("instruct", {**TUNED, "vision_tower": 1e-5}, "keeps vision_tower frozen"),
        ("encoder", {"region_attention": 1e-4}, "trains vision_tower"),
        ("encoder", {"vision_tower": 1e-4, "embeddings": 1e-4}, "keeps embeddings"),
    ],
)
def test_a_stage_and_rates_that_contradict_it_are_an_error_that_names_both(stage, rates, said):
    sections = {"lora": LORA} if "lora" in rates else {}
    with pytest.raises(FaceLLMError, match=said):
        check_stage(new_run(stage, rates, "folder", **sections))


@pytest.mark.parametrize(
    ("stage", "rates"),
    [
        ("region", {"region_attention": 1e-4}),
        ("base", {**FULL, "embeddings": 1e-5}),
        ("instruct", {**TUNED, "region_attention": 1e-5, "embeddings": 1e-4}),
        ("encoder", {"vision_tower": 1e-4, "region_attention": 1e-4}),
        *[("task", {part: 1e-4}) for part in PARTS],
    ],
)
def test_each_stage_allows_what_it_is_for(stage, rates):
    sections = {"lora": LORA} if "lora" in rates else {}
    check_stage(new_run(stage, rates, "folder", **sections))


def test_sections_that_exclude_each_other_are_named():
    small = ModelConfig(start="folder", dtype="bfloat16")
    with pytest.raises(FaceLLMError, match=r"bfloat16 .*precision fp32"):
        check_stage(new_run("region", {"region_attention": 1e-4}, model=small))
    stored = LoraSettings(rank=4, quantise="nf4")
    engine = EngineConfig(kind="deepspeed", zero=3)
    with pytest.raises(FaceLLMError, match=r"nf4 and engine.zero 3"):
        check_stage(new_run("instruct", TUNED, "folder", lora=stored, engine=engine))
    again = ModelConfig(start="folder", adapter="continue")
    with pytest.raises(FaceLLMError, match=r"continue and lora.rank 0"):
        check_stage(new_run("region", {"region_attention": 1e-4}, model=again))
    both = {"language_model": 1e-5, "lora": 1e-4}
    with pytest.raises(FaceLLMError, match=r"language_model is 1e-05 and rates.lora 0.0001"):
        check_stage(new_run("task", both, "folder", lora=LORA))


def test_what_zero_3_cannot_train_is_refused_by_whichever_file_says_stage_3(tmp_path):
    (tmp_path / "zero3.json").write_text('{"zero_optimization": {"stage": 3}}')
    own = EngineConfig(kind="deepspeed", zero=2, config=str(tmp_path / "zero3.json"))
    losses = LossesConfig(au_attention=0.5)
    rates = {"region_attention": 1e-4}
    for engine in (own, EngineConfig(kind="deepspeed", zero=3)):
        with pytest.raises(FaceLLMError, match=r"au_attention is 0.5 and engine.zero 3"):
            check_stage(new_run("region", rates, "folder", losses=losses, engine=engine))
        check_stage(new_run("region", rates, "folder", engine=engine))
    engine = EngineConfig(kind="deepspeed", zero=2)
    check_stage(new_run("region", rates, "folder", losses=losses, engine=engine))


def test_a_rate_for_a_part_the_model_does_not_have_is_an_error(tiny_checkpoint):
    run = new_run("task", {"multi_modal_projector": 1e-4}, tiny_checkpoint)
    model, _ = build_model(run)
    model.multi_modal_projector = nn.Identity()
    with pytest.raises(FaceLLMError, match=r"rates.multi_modal_projector is 0.0001.*no parameters"):
        prepare_parts(model, run)


def test_a_parameter_of_no_part_is_an_error(tiny_checkpoint):
    model, _ = build_model(new_run("task", {"embeddings": 1e-4}, tiny_checkpoint))
    model.head = nn.Linear(2, 2)
    with pytest.raises(FaceLLMError, match=r"head.weight"):
        part_parameters(model)
