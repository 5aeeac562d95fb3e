"""The dry run: published sizes, tokens, adapters and errors, with no weights and no hub."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from small_bases import save_clip, save_llama
from training_runs import new_run

import facellm.train
from facellm.errors import FaceLLMError
from facellm.labels import QUERIES, reserved_tokens
from facellm.train.dry_run import report
from facellm.train.parts import count_parameters
from facellm.train.run_config import TrainRun, load_run
from facellm.train.run_sections import (
    DataConfig,
    LoraSettings,
    ModelConfig,
    RatesConfig,
    ScheduleConfig,
)
from facellm.train.shapes import joined_config, known_shapes, meta_model, shape_of

CLIP, SIGLIP = "openai/clip-vit-large-patch14-336", "google/siglip-so400m-patch14-384"
QWEN_SMALL, QWEN, VICUNA = (
    "Qwen/Qwen2.5-0.5B-Instruct",
    "Qwen/Qwen2.5-7B-Instruct",
    "lmsys/vicuna-7b-v1.5",
)


def joined(vision, language, stage="region", rates=None, **sections):
    bases = ModelConfig(vision=str(vision), language=str(language))
    return new_run(stage, rates or {"region_attention": 1e-4}, model=bases, **sections)


def counts(vision, language, **sections) -> dict[str, int]:
    return count_parameters(meta_model(joined(vision, language, **sections)))


@pytest.mark.parametrize(
    ("language", "published"),
    [(QWEN_SMALL, 494_032_768), (QWEN, 7_615_616_512), (VICUNA, 6_738_415_616)],
)
def test_language_models_have_their_published_size(language, published):
    """Totals of the safetensors indices on the hub; the vocabulary that was added comes on top."""
    found = counts(CLIP, language)
    text = shape_of(language)
    rows = joined_config(joined(CLIP, language)).text_config.vocab_size
    assert rows >= text.tokens + len(reserved_tokens())
    tables = 1 if text.config.tie_word_embeddings else 2
    added = (rows - text.config.vocab_size) * text.config.hidden_size * tables
    assert found["language_model"] + found["embeddings"] - added == published


def test_towers_have_their_published_size():
    """CLIP ViT-L/14-336 and SigLIP so400m/14-384, each summed by hand from its layers."""

    def block(width, inner):
        return 4 * (width * width + width) + 2 * width * inner + inner + width + 4 * width

    clip = 24 * block(1024, 4096) + 1024 * 3 * 14 * 14 + 1024 + 577 * 1024 + 4 * 1024
    assert counts(CLIP, VICUNA)["vision_tower"] == clip == 303_507_456
    pooling = 1152 + (3 * 1152 * 1152 + 3 * 1152) + (1152 * 1152 + 1152) + 2 * 1152
    pooling += 2 * 1152 * 4304 + 4304 + 1152
    siglip = 27 * block(1152, 4304) + (1152 * 3 * 14 * 14 + 1152) + 729 * 1152 + 2 * 1152 + pooling
    assert counts(SIGLIP, QWEN)["vision_tower"] == siglip
    assert 4.0e8 < siglip < 4.3e8  # "so400m"


def test_frgca_in_the_papers_position_has_about_85_million_parameters(tuned):
    found = re.search(r"^region_attention +(\S+)", tuned, re.MULTILINE)
    assert int(found[1].replace(",", "")) == pytest.approx(85e6, rel=0.01)
    line = next(line for line in tuned.splitlines() if line.startswith("FRLP"))
    assert line.startswith("FRLP + FRGCA at width 4096 (projected): 85.1 M = FRLP 1.16 M + 5 maps")


@pytest.fixture(scope="module")
def tuned() -> str:
    """``facellm train clip-l_vicuna-7b --dry-run``."""
    folder = Path(facellm.train.__file__).parent / "configs"
    return report(load_run(folder / "clip-l_vicuna-7b.yaml"))


def test_adapters_have_the_size_of_their_halves_and_every_name_is_counted(tuned):
    wanted = 32 * 64 * (4 * (4096 + 4096) + 3 * (4096 + 11008))
    assert re.search(rf"^lora +{wanted:,} ", tuned, re.MULTILINE)
    assert "adapters: 224 of rank 64, alpha 16: q_proj 32, k_proj 32, v_proj 32, o_proj 32" in tuned
    assert "--max-lora-rank 64" in tuned


def test_tokens_of_a_sample_are_those_of_the_processor(tiny_checkpoint, tuned):
    from facellm.checkpoint import load_checkpoint

    processor = load_checkpoint(tiny_checkpoint).processor
    text = report(new_run("region", {"region_attention": 1e-4}, tiny_checkpoint))
    reading = len(processor.reading_ids())
    assert f"a face {processor.n_patches}, a reading {reading} with its {len(QUERIES)}" in text
    assert f"a packed row holds up to {2048 // reading} readings" in text
    assert "a face 577" in tuned
    assert "1471 of 2048 are left" in tuned


def test_the_table_has_every_engine_and_count_of_gpus(tuned, tiny_checkpoint):
    rows = re.findall(r"^(single|ZeRO-\d) +(\d)", tuned, re.MULTILINE)
    wanted = [("single", "1")] + [(z, g) for z in ("ZeRO-2", "ZeRO-3") for g in "1248"]
    assert rows == wanted
    assert tuned.count("112 rows in 1 passes") == 2  # eight GPUs
    odd = ScheduleConfig(micro_batch=8, global_batch=24)
    run = new_run("region", {"region_attention": 1e-4}, tiny_checkpoint, schedule=odd)
    assert "24 rows are no multiple of 16" in report(run)


def test_a_quantised_base_is_smaller_and_has_no_zero_3(tuned):
    rates = {"multi_modal_projector": 2e-5, "lora": 1e-4}
    lora = LoraSettings(rank=64, alpha=16.0, quantise="nf4")
    schedule = ScheduleConfig(precision="bf16")
    bases = ModelConfig(vision=CLIP, language=VICUNA, dtype="bfloat16")
    small = report(new_run("instruct", rates, model=bases, lora=lora, schedule=schedule))
    found = [re.search(r"^single +1 +(\S+)", text, re.MULTILINE) for text in (tuned, small)]
    plain, stored = (float(one[1]) for one in found)
    assert stored < 0.5 * plain
    assert "ZeRO-3  cannot cut up quantised weights" in small
    assert "base stored as nf4 with double quantisation" in small


def test_a_local_folders_own_config_goes_before_the_known_one(tmp_path, monkeypatch):
    save_clip(tmp_path / "clip")
    save_llama(tmp_path / "llama")
    small = counts(tmp_path / "clip", tmp_path / "llama")
    from facellm.bases import from_bases

    real, _ = from_bases(tmp_path / "clip", tmp_path / "llama", region_position="projected")
    assert small == count_parameters(real)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "openai").mkdir()
    (tmp_path / "clip").rename(tmp_path / CLIP)
    assert shape_of(CLIP).config.hidden_size == 32
    monkeypatch.chdir("/")
    assert shape_of(CLIP).config.hidden_size == 1024


def test_a_start_that_is_not_there_yet_has_the_shape_of_its_bases(tmp_path, tiny_checkpoint):
    later = ModelConfig(start=str(tmp_path / "later"), vision=CLIP, language=QWEN_SMALL)
    text = report(new_run("region", {"region_attention": 1e-4}, model=later))
    assert "joined from openai/clip" in text
    assert f"{303_507_456:,}" in text
    there = ModelConfig(start=str(tiny_checkpoint), vision=CLIP, language=QWEN_SMALL)
    assert f"{303_507_456:,}" not in report(
        new_run("region", {"region_attention": 1e-4}, model=there)
    )


# -- bad input -------------------------------------------------------------------------------------


def test_an_unknown_base_is_an_error_that_lists_the_known_ones():
    with pytest.raises(FaceLLMError, match=r"some/tower.*openai/clip-vit-large-patch14-336"):
        report(joined("some/tower", QWEN))
    assert len(known_shapes()) == 5


def test_a_face_that_does_not_fit_a_row_is_an_error_with_both_numbers():
    run = TrainRun(
        "region",
        ModelConfig(vision=CLIP, language=QWEN_SMALL),
        DataConfig(("corpus",), max_tokens=512),
        RatesConfig(region_attention=1e-4),
    )
    with pytest.raises(FaceLLMError, match=r"608 tokens, 577 .*max_tokens is 512"):
        report(run)


def test_a_language_model_with_other_maps_is_an_error_that_names_the_map(tmp_path):
    """Phi-3 joins queries, keys and values in one map."""
    save_clip(tmp_path / "clip")
    (tmp_path / "phi").mkdir()
    sizes = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2}
    heads = {"num_attention_heads": 2, "num_key_value_heads": 2, "vocab_size": 64}
    config = {"model_type": "phi3", **sizes, **heads, "pad_token_id": 0}
    (tmp_path / "phi" / "config.json").write_text(json.dumps(config))
    with pytest.raises(FaceLLMError, match=r"q_proj 0 times in 2 layers of Phi3ForCausalLM"):
        report(joined(tmp_path / "clip", tmp_path / "phi"))
