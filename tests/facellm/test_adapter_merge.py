"""An adapter merged tensor by tensor equals peft's merge of the whole model."""

import json

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.torch import load_file, save_file

from facellm.adapter_merge import merge_adapter, merged_stream
from facellm.checkpoint import load_checkpoint
from facellm.errors import FaceLLMError
from facellm.model import LORA_TARGETS


@pytest.fixture(scope="module")
def adapted(tiny_checkpoint, tmp_path_factory):
    """Weights, an adapter on disk, and what peft makes of both."""
    model = load_checkpoint(tiny_checkpoint).model
    weights = {name: value.clone() for name, value in model.state_dict().items()}
    torch.manual_seed(0)
    config = LoraConfig(r=4, lora_alpha=12, target_modules=LORA_TARGETS)
    wrapped = get_peft_model(model, config)
    for name, weight in wrapped.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(weight)
    folder = tmp_path_factory.mktemp("adapter")
    wrapped.save_pretrained(folder)
    return weights, folder, wrapped.merge_and_unload().state_dict()


def test_streamed_sums_are_pefts(adapted):
    weights, folder, wanted = adapted
    found = dict(merged_stream(weights.items(), folder))
    assert found.keys() == wanted.keys()
    changed = [name for name in weights if not torch.equal(weights[name], found[name])]
    assert len(changed) == 2 * 7  # seven projections in each of two layers
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-5)


def test_half_precision_weights_are_summed_in_float32(adapted):
    weights, folder, _ = adapted
    halves = {name: value.half() for name, value in weights.items() if value.is_floating_point()}
    found = dict(merged_stream(halves.items(), folder))
    kinds = {name: value.dtype for name, value in found.items()}
    assert set(kinds.values()) == {torch.float16, torch.float32}
    assert sum(kind == torch.float32 for kind in kinds.values()) == 14


def test_an_adapter_of_another_model_is_named(adapted):
    weights, folder, _ = adapted
    less = {name: value for name, value in weights.items() if "layers.1." not in name}
    with pytest.raises(FaceLLMError, match=r"another model, which has language_model\.model"):
        list(merged_stream(less.items(), folder))


@pytest.fixture
def no_peft(monkeypatch):
    """Says so where peft is asked to merge."""

    def asked(*_):
        raise ValueError("peft was asked")

    monkeypatch.setattr(PeftModel, "from_pretrained", asked)


def test_a_model_gets_pefts_sums_without_peft(adapted, tiny_checkpoint, no_peft):
    _, folder, wanted = adapted
    found = merge_adapter(load_checkpoint(tiny_checkpoint).model, folder).state_dict()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value, atol=1e-5, rtol=1e-5)


def test_another_kind_is_pefts_to_merge(adapted, tiny_checkpoint, tmp_path, no_peft):
    folder = changed(adapted[1], tmp_path, use_rslora=True)
    with pytest.raises(FaceLLMError, match="peft was asked"):
        merge_adapter(load_checkpoint(tiny_checkpoint).model, folder)


def changed(source, folder, **fields):
    config = json.loads((source / "adapter_config.json").read_text()) | fields
    (folder / "adapter_config.json").write_text(json.dumps(config))
    (folder / "adapter_model.safetensors").write_bytes(
        (source / "adapter_model.safetensors").read_bytes()
    )
    return folder


@pytest.mark.parametrize("name", ["use_dora", "use_rslora"])
def test_kinds_that_would_be_merged_wrongly_are_refused(adapted, tmp_path, name):
    folder = changed(adapted[1], tmp_path, **{name: True})
    with pytest.raises(FaceLLMError, match=f"{name} is set"):
        list(merged_stream([], folder))


@pytest.mark.parametrize("rank", [0, None, "eight"])
def test_a_config_without_a_rank_is_refused(adapted, tmp_path, rank):
    folder = changed(adapted[1], tmp_path, r=rank)
    with pytest.raises(FaceLLMError, match="not an adapter's config"):
        list(merged_stream([], folder))


def test_other_tensors_in_the_file_are_refused(adapted, tmp_path):
    folder = changed(adapted[1], tmp_path)
    file = folder / "adapter_model.safetensors"
    save_file(load_file(file) | {"base_model.model.lm_head.weight": torch.zeros(1)}, file)
    with pytest.raises(FaceLLMError, match="more than pairs"):
        list(merged_stream([], folder))


def test_a_folder_without_an_adapter_is_refused(tmp_path):
    with pytest.raises(FaceLLMError, match=r"adapter_config\.json missing"):
        list(merged_stream([], tmp_path))
