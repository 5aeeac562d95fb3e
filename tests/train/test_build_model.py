"""Where a run's model comes from: a checkpoint of ours, a plain folder, two bases, nothing."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_bases import save_clip, save_llama
from training_runs import new_run

from facellm.adapter_file import ADAPTER
from facellm.checkpoint import SHIPPED, load_checkpoint
from facellm.errors import FaceLLMError
from facellm.train.adapters import save_adapter
from facellm.train.build_model import build_model
from facellm.train.parts import prepare_parts
from facellm.train.run_sections import LoraSettings, ModelConfig, ScheduleConfig

RATES = {"multi_modal_projector": 1e-4}
LORA = LoraSettings(rank=4, alpha=8.0, dropout=0.0)


def weights(model) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one, other) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[k], other[k]) for k in one)


@pytest.fixture
def with_adapter(tiny_checkpoint, tmp_path):
    """The toy with a trained adapter beside it, as ``load_checkpoint`` merges it."""
    folder = tmp_path / "start"
    shutil.copytree(tiny_checkpoint, folder)
    run = new_run("instruct", {**RATES, "lora": 1e-4}, folder, lora=LORA)
    model, _ = build_model(run)
    prepare_parts(model, run)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)
    save_adapter(model, folder / ADAPTER, "toy")
    return folder


def test_a_checkpoint_gives_its_weights_its_processor_and_its_landmark_function(tiny_checkpoint):
    model, processor = build_model(new_run("task", RATES, tiny_checkpoint))
    loaded = load_checkpoint(tiny_checkpoint)
    assert equal(weights(model), weights(loaded.model))
    assert type(model) is type(loaded.model)
    assert processor.reading_ids() == loaded.processor.reading_ids()
    assert processor.landmarker is not None


def test_a_folder_of_save_pretrained_gives_the_same(tiny_checkpoint, tmp_path):
    loaded = load_checkpoint(tiny_checkpoint)
    loaded.model.save_pretrained(tmp_path)
    loaded.processor.save_pretrained(tmp_path)
    model, processor = build_model(new_run("task", RATES, tmp_path))
    assert equal(weights(model), weights(loaded.model))
    assert processor.landmarker is None


def test_an_adapter_of_the_start_is_merged(with_adapter, tiny_checkpoint):
    model, _ = build_model(new_run("task", RATES, with_adapter))
    assert equal(weights(model), weights(load_checkpoint(with_adapter).model))
    assert not equal(weights(model), weights(load_checkpoint(tiny_checkpoint).model))


def test_an_adapter_of_the_start_is_gone_on_with(with_adapter):
    start = ModelConfig(start=str(with_adapter), adapter="continue")
    run = new_run("instruct", {**RATES, "lora": 1e-4}, model=start, lora=LORA)
    model, _ = build_model(run)
    prepare_parts(model, run)
    kept = load_file(with_adapter / ADAPTER / "adapter_model.safetensors")
    ours = {n: p for n, p in model.named_parameters() if ".lora_" in n}
    assert len(ours) == len(kept)
    for name, tensor in kept.items():
        plain = name.removeprefix("base_model.model.").replace(".weight", ".default.weight")
        assert torch.equal(ours[plain], tensor)
        assert ours[plain].requires_grad


def test_going_on_with_another_rank_or_without_an_adapter_is_an_error(
    with_adapter, tiny_checkpoint
):
    rates = {**RATES, "lora": 1e-4}
    start = ModelConfig(start=str(with_adapter), adapter="continue")
    run = new_run("instruct", rates, model=start, lora=LoraSettings(rank=8, alpha=8.0))
    model, _ = build_model(run)
    with pytest.raises(FaceLLMError, match="r is 4, the run's is 8"):
        prepare_parts(model, run)
    none = ModelConfig(start=str(tiny_checkpoint), adapter="continue")
    with pytest.raises(FaceLLMError, match="no adapter/"):
        build_model(new_run("instruct", rates, model=none, lora=LORA))


def test_what_goes_on_training_is_loaded_in_the_precision_it_was_saved_in(
    tiny_checkpoint, tmp_path
):
    shutil.copytree(tiny_checkpoint, tmp_path / "start")
    file = tmp_path / "start" / "model.safetensors"
    tensors = load_file(file)
    fine = "multi_modal_projector.up.weight"
    tensors[fine] = tensors[fine] + 1e-6
    save_file(tensors, file, metadata={"format": "pt"})
    start = ModelConfig(start=str(tmp_path / "start"), dtype="bfloat16")
    schedule = ScheduleConfig(precision="bf16")
    run = new_run("task", RATES, model=start, schedule=schedule)
    model, _ = build_model(run)
    prepare_parts(model, run)
    assert torch.equal(model.multi_modal_projector.up.weight, tensors[fine])
    layer = "language_model.model.layers.0.mlp.up_proj.weight"
    found = model.get_parameter(layer)
    assert found.dtype == torch.bfloat16
    assert torch.equal(found, tensors[layer].bfloat16())


def test_two_bases_are_joined_and_random_parts_come_from_the_seed(tmp_path):
    save_clip(tmp_path / "clip")
    save_llama(tmp_path / "llama")
    bases = ModelConfig(vision=str(tmp_path / "clip"), language=str(tmp_path / "llama"))
    runs = [
        new_run("task", RATES, model=bases, schedule=ScheduleConfig(seed=seed))
        for seed in (3, 3, 4)
    ]
    one, same, other = (weights(build_model(run)[0]) for run in runs)
    assert equal(one, same)
    assert not equal(one, other)
    frlp = "region_attention.region_projector."
    shipped = load_file(SHIPPED / "model.safetensors")
    assert torch.equal(one[f"{frlp}mean_shape"], shipped[f"{frlp}mean_shape"])
    assert torch.equal(one[f"{frlp}shape_scale"], shipped[f"{frlp}shape_scale"])


def test_a_start_that_was_joined_otherwise_than_the_run_says_is_an_error(tiny_checkpoint):
    model = ModelConfig(start=str(tiny_checkpoint), vision="clip", language="llama")
    with pytest.raises(FaceLLMError, match=r"region_position is tower, .* is projected"):
        build_model(new_run("task", RATES, model=model))


def test_the_shipped_model_is_a_start():
    model, _ = build_model(new_run("task", RATES, "shipped"))
    assert equal(weights(model), weights(load_checkpoint().model))


def test_a_tokenizer_gives_the_defaults_architecture(tiny_checkpoint):
    bare = ModelConfig(tokenizer=str(tiny_checkpoint))
    model, processor = build_model(new_run("task", RATES, model=bare))
    text = model.config.text_config
    assert (text.hidden_size, text.vocab_size) == (256, len(processor.tokenizer))
    assert processor.n_patches == model.vision_tower.n_patches == 36


def test_a_folder_without_a_model_and_a_name_nobody_has_are_errors(tmp_path, monkeypatch):
    with pytest.raises(FaceLLMError, match=r"config.json missing"):
        build_model(new_run("task", RATES, tmp_path))
    import huggingface_hub

    def offline(name):
        raise OSError("offline")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", offline)
    with pytest.raises(FaceLLMError, match=r"some/model: no folder.*offline"):
        build_model(new_run("task", RATES, "some/model"))


def test_folders_without_bases_or_a_tokenizer_are_errors_that_name_them(tmp_path):
    empty = str(tmp_path)
    with pytest.raises(FaceLLMError, match=f"{empty}.*no tokenizer"):
        build_model(new_run("task", RATES, model=ModelConfig(tokenizer=empty)))
    with pytest.raises(FaceLLMError, match=f"{empty} with {empty}"):
        build_model(new_run("task", RATES, model=ModelConfig(vision=empty, language=empty)))


def test_a_tokenizer_that_is_no_folder_is_never_looked_for_elsewhere(tmp_path, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name: pytest.fail(name))
    missing = ModelConfig(tokenizer="some/tokenizer")
    with pytest.raises(FaceLLMError, match=r"some/tokenizer: no such folder; .*tokenizer --out"):
        build_model(new_run("task", RATES, model=missing))


def test_a_name_of_the_hub_is_fetched_whole(tiny_checkpoint, monkeypatch):
    import huggingface_hub

    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda name: str(tiny_checkpoint))
    model, _ = build_model(new_run("task", RATES, "some/model"))
    assert equal(weights(model), weights(load_checkpoint(tiny_checkpoint).model))


def test_weights_of_another_version_are_an_error(tiny_checkpoint, tmp_path):
    shutil.copytree(tiny_checkpoint, tmp_path / "start")
    file = tmp_path / "start" / "model.safetensors"
    tensors = load_file(file)
    del tensors["region_attention.gate"]
    save_file(tensors, file, metadata={"format": "pt"})
    with pytest.raises(FaceLLMError, match=r"1 tensors differ, first region_attention.gate"):
        build_model(new_run("task", RATES, tmp_path / "start"))


def test_an_encoder_takes_the_place_of_tower_and_regions_and_nothing_else(tmp_path):
    from facellm.train.encoder import CHECKPOINT, EncoderTrainee

    torch.manual_seed(5)
    encoder = EncoderTrainee()
    (tmp_path / "encoder").mkdir()
    torch.save({"averaged": encoder.state_dict()}, tmp_path / "encoder" / CHECKPOINT)
    run = new_run("task", RATES, SHIPPED)
    before, _ = build_model(run)
    taken, _ = build_model(
        replace(run, model=replace(run.model, encoder=str(tmp_path / "encoder")))
    )
    assert equal(weights(taken.vision_tower), weights(encoder.vision_tower))
    assert equal(weights(taken.region_attention), weights(encoder.region_attention))
    assert equal(weights(taken.language_model), weights(before.language_model))
    assert equal(weights(taken.multi_modal_projector), weights(before.multi_modal_projector))


def test_an_encoder_that_is_not_there_or_does_not_fit_is_named(tiny_checkpoint, tmp_path):
    from facellm.train.encoder import CHECKPOINT, EncoderTrainee

    run = new_run("task", RATES, tiny_checkpoint)
    run = replace(run, model=replace(run.model, encoder=str(tmp_path)))
    with pytest.raises(FaceLLMError, match=f"no run of the stage encoder \\({CHECKPOINT} missing"):
        build_model(run)
    torch.save({"averaged": EncoderTrainee().state_dict()}, tmp_path / CHECKPOINT)
    with pytest.raises(FaceLLMError, match="its encoder does not fit the model"):
        build_model(run)
