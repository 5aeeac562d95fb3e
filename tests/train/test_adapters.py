"""LoRA in place: merged and unmerged, saved in PEFT layout, refused on another base."""

from __future__ import annotations

import copy
import json
import shutil

import pytest
import torch
from peft import PeftModel
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from small_bases import save_clip, save_llama
from training_runs import new_run, new_trainee, noise_batch

from facellm.adapter_file import ADAPTER, adapter_base, language_digest
from facellm.checkpoint import load_checkpoint
from facellm.errors import FaceLLMError
from facellm.model import FaceLLMForConditionalGeneration
from facellm.train.adapters import (
    inject_lora,
    load_adapter,
    lora_targets,
    merge,
    plain_state,
    save_adapter,
    unmerge,
)
from facellm.train.build_model import build_model
from facellm.train.parts import prepare_parts
from facellm.train.run_sections import LoraSettings, ModelConfig

LORA = LoraSettings(rank=4, alpha=8.0, dropout=0.0)
RATES = {"multi_modal_projector": 1e-3, "lora": 1e-3}


@pytest.fixture
def run(tiny_checkpoint):
    return new_run("instruct", RATES, tiny_checkpoint, lora=LORA)


@pytest.fixture
def adapted(run):
    """The toy with adapters off nought, and a batch."""
    model, processor = build_model(run)
    prepare_parts(model, run)
    open_adapters(model)
    return model.eval(), processor


def open_adapters(model) -> None:
    torch.manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                parameter.normal_(0, 0.1)


def hidden(model, processor, run) -> torch.Tensor:
    trainee = new_trainee(model, processor, run).eval()
    with torch.no_grad():
        return trainee.run(noise_batch(model, processor)).hidden


def test_merged_equals_unmerged_and_comes_off_again(adapted, run):
    model, processor = adapted
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    unmerged = hidden(model, processor, run)
    merge(model)
    merged = hidden(model, processor, run)
    assert torch.allclose(merged, unmerged, atol=1e-4)
    layer = "language_model.model.layers.0.self_attn.q_proj.base_layer.weight"
    assert not torch.allclose(model.get_parameter(layer), before[layer], atol=1e-3)
    unmerge(model)
    for name, parameter in model.named_parameters():
        assert torch.allclose(parameter, before[name], atol=1e-6), name
    assert torch.allclose(hidden(model, processor, run), unmerged, atol=1e-4)


def test_the_file_is_what_vllm_reads(adapted, tmp_path):
    """vllm/lora/peft_helper.py and lora_model.py of 0.32, read: what they check, and how."""
    model, _ = adapted
    save_adapter(model, tmp_path, "toy")
    config = json.loads((tmp_path / "adapter_config.json").read_text())
    assert config["r"] == 4
    assert config["lora_alpha"] == 8
    assert config["bias"] == "none"
    assert not config["modules_to_save"]
    assert not config["use_dora"]
    assert config["inference_mode"]
    assert isinstance(config["target_modules"], list)
    assert all(
        name.replace("_", "").replace(".", "").isalnum() for name in config["target_modules"]
    )
    with safe_open(tmp_path / "adapter_model.safetensors", framework="pt") as file:
        names = list(file.keys())
        shapes = {tuple(file.get_tensor(name).shape) for name in names}
    assert len(names) == 2 * 7 * 2  # two halves, seven maps, two layers
    pattern = (
        r"base_model\.model\.language_model\.model\.layers\.\d\.\w+\.\w+_proj\.lora_[AB]\.weight"
    )
    import re

    assert all(re.fullmatch(pattern, name) for name in names)
    assert {shape for shape in shapes if 4 not in shape} == set()


def test_peft_itself_loads_the_file(adapted, run, tmp_path):
    model, processor = adapted
    save_adapter(model, tmp_path, "toy")
    plain, _ = build_model(run)
    loaded = PeftModel.from_pretrained(plain, tmp_path).base_model.model
    assert torch.equal(hidden(loaded, processor, run), hidden(model, processor, run))


@pytest.mark.parametrize("layers", [2, 4])
def test_the_list_of_names_never_hits_a_tower_with_the_same_names(tmp_path, layers):
    """Peft shortens a list of twenty and more names to endings; those must not fit CLIP's maps."""
    save_clip(tmp_path / "clip")
    save_llama(tmp_path / "llama", num_hidden_layers=layers)
    bases = ModelConfig(vision=str(tmp_path / "clip"), language=str(tmp_path / "llama"))
    run = new_run("instruct", RATES, model=bases, lora=LORA)
    model, _ = build_model(run)
    assert len(lora_targets(model)) == 7 * layers
    prepare_parts(model, run)
    save_adapter(model, tmp_path / "adapter", "toy")
    plain, _ = build_model(run)
    loaded = PeftModel.from_pretrained(plain, tmp_path / "adapter")
    adapted = {n.split(".lora_")[0] for n, _ in loaded.named_parameters() if ".lora_" in n}
    assert len(adapted) == 7 * layers
    assert all(name.startswith("base_model.model.language_model.") for name in adapted)


def test_reloaded_adapters_are_bitwise_those_that_were_saved(adapted, run, tmp_path):
    model, processor = adapted
    save_adapter(model, tmp_path, "toy")
    again, _ = build_model(run)
    prepare_parts(again, run)
    load_adapter(again, tmp_path, "toy")
    assert torch.equal(hidden(again, processor, run), hidden(model, processor, run))


def test_the_model_saves_without_its_adapters_and_loads_with_them(adapted, run, tmp_path):
    model, processor = adapted
    shutil.copytree(run.model.start, tmp_path / "model")
    for old in (tmp_path / "model").glob("model*.safetensors"):
        old.unlink()
    model.save_pretrained(tmp_path / "model", state_dict=plain_state(model))
    save_adapter(model, tmp_path / "model" / ADAPTER, "toy")
    names = set(load_file(tmp_path / "model" / "model.safetensors"))
    assert names == set(load_file(f"{run.model.start}/model.safetensors"))
    loaded = load_checkpoint(tmp_path / "model").model
    assert torch.allclose(hidden(loaded, processor, run), hidden(model, processor, run), atol=1e-4)


# -- bases -----------------------------------------------------------------------------------------


def test_one_base_has_one_digest_whatever_it_is_loaded_as(run, adapted):
    plain, _ = build_model(run)
    small = copy.deepcopy(plain).bfloat16()
    assert language_digest(plain) == language_digest(small) == language_digest(adapted[0])


def test_token_tables_may_learn_but_no_layer_may(run):
    model, _ = build_model(run)
    digest = language_digest(model)
    with torch.no_grad():
        model.get_input_embeddings().weight.add_(1)
        model.multi_modal_projector.up.weight.add_(1)
    assert language_digest(model) == digest
    with torch.no_grad():
        model.language_model.model.norm.weight[0] += 0.01
    assert language_digest(model) != digest


@pytest.fixture
def foreign(adapted, tmp_path):
    """An adapter whose base differs in one number from the toy's."""
    model, _ = adapted
    with torch.no_grad():
        model.language_model.model.norm.weight[0] += 0.5
    del model.adapter_base_digest
    save_adapter(model, tmp_path / "foreign", "the-other-base")
    return tmp_path / "foreign"


def test_an_adapter_of_another_base_is_refused_with_both_named(foreign, run, tmp_path):
    model, _ = build_model(run)
    prepare_parts(model, run)
    with pytest.raises(FaceLLMError, match=r"adapter of the-other-base .*not of toy") as refused:
        load_adapter(model, foreign, "toy")
    assert adapter_base(foreign)[1][:16] in str(refused.value)
    shutil.copytree(run.model.start, tmp_path / "model")
    shutil.copytree(foreign, tmp_path / "model" / ADAPTER)
    with pytest.raises(FaceLLMError, match=rf"the-other-base .*not of {tmp_path}/model"):
        load_checkpoint(tmp_path / "model")


def test_an_adapter_that_tells_no_base_is_taken(adapted, run, tmp_path):
    model, processor = adapted
    from peft import PeftModel as Wrapped  # as peft alone writes it

    plain, _ = build_model(run)
    save_adapter(model, tmp_path / "ours", "toy")
    Wrapped.from_pretrained(plain, tmp_path / "ours").save_pretrained(tmp_path / "theirs")
    assert adapter_base(tmp_path / "theirs") == ("", "")
    again, _ = build_model(run)
    prepare_parts(again, run)
    load_adapter(again, tmp_path / "theirs", "toy")
    assert torch.equal(hidden(again, processor, run), hidden(model, processor, run))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "adapter_config.json").unlink(), "adapter_config.json missing"),
        (lambda folder: (folder / "adapter_config.json").write_text("{"), "cannot be loaded"),
        (lambda f: (f / "adapter_model.safetensors").write_bytes(b"no"), "cannot be loaded"),
    ],
)
def test_a_damaged_adapter_is_an_error_that_names_it(adapted, tmp_path, change, said):
    model, _ = adapted
    save_adapter(model, tmp_path / "adapter", "toy")
    change(tmp_path / "adapter")
    with pytest.raises(FaceLLMError, match=said):
        load_adapter(model, tmp_path / "adapter", "toy")


def test_an_adapter_of_another_width_or_depth_is_an_error(adapted, run, tmp_path):
    model, _ = adapted
    save_adapter(model, tmp_path, "")
    file = tmp_path / "adapter_model.safetensors"
    tensors = load_file(file)
    name = next(name for name in tensors if "layers.0.self_attn.q_proj.lora_A" in name)
    wide = tensors | {name: torch.zeros(4, 128)}
    deep = tensors | {name.replace("layers.0", "layers.7"): tensors[name].clone()}
    few = {key: tensor for key, tensor in tensors.items() if key != name}
    for changed, said in ((wide, "does not fit"), (deep, "other modules"), (few, "other modules")):
        save_file(changed, file)
        with pytest.raises(FaceLLMError, match=said):
            load_adapter(model, tmp_path, "toy")


def test_a_model_without_adapters_has_none_to_save(run, tmp_path):
    model, _ = build_model(run)
    with pytest.raises(FaceLLMError, match="no adapter"):
        save_adapter(model, tmp_path, "toy")


def test_a_language_model_of_other_names_is_an_error(run):
    model, _ = build_model(run)
    assert isinstance(model, FaceLLMForConditionalGeneration)
    model.language_model.model.layers = torch.nn.ModuleList()
    with pytest.raises(FaceLLMError, match="no module of LlamaForCausalLM matches"):
        inject_lora(model, LORA)
