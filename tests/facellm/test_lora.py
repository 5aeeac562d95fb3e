"""LoRA on the language model only: merged = unmerged, PEFT layout, nothing else trains."""

from __future__ import annotations

import copy
import shutil

import pytest
import torch
from peft import LoraConfig, PeftModel, get_peft_model

from facellm.adapter_file import ADAPTER
from facellm.bases import from_bases
from facellm.checkpoint import load_checkpoint
from facellm.conversation import Conversation, TextPart, Turn
from facellm.errors import FaceLLMError
from facellm.model import LORA_TARGETS

SEVEN = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj")


def with_adapter(model, *, trained: bool = True) -> PeftModel:
    """A rank-4 adapter; ``trained`` moves its second halves off nought."""
    torch.manual_seed(7)
    config = LoraConfig(r=4, lora_alpha=8, target_modules=LORA_TARGETS, lora_dropout=0.0)
    adapted = get_peft_model(model, config)
    if trained:
        with torch.no_grad():
            for name, parameter in adapted.named_parameters():
                if "lora_B" in name:
                    parameter.normal_(0, 0.1)
    return adapted.eval()


@pytest.fixture
def prompt(processor, make_face):
    question = (make_face(1), TextPart("What expression is shown?"))
    return processor.answer_prompt(Conversation((Turn("user", question),)))


def adapted_modules(model) -> set[str]:
    names = {name.split(".lora_")[0] for name, _ in model.named_parameters() if ".lora_" in name}
    return {name.removeprefix("base_model.model.") for name in names}


def test_the_adapter_sits_on_seven_maps_of_every_layer_of_the_language_model(model):
    layers = model.config.text_config.num_hidden_layers
    found = adapted_modules(with_adapter(model))
    assert len(found) == 7 * layers
    assert {name.rsplit(".", 1)[1] for name in found} == set(SEVEN)
    assert all(name.startswith("language_model.model.layers.") for name in found)


@pytest.mark.parametrize("vision", ["clip_folder", "siglip_folder"])
def test_the_adapter_never_hits_a_tower_with_the_same_names(vision, llama_folder, request):
    model, _ = from_bases(request.getfixturevalue(vision), llama_folder)
    assert any(name.endswith("q_proj") for name, _ in model.vision_tower.named_modules())
    found = adapted_modules(with_adapter(model))
    assert len(found) == 7 * 2
    assert all(name.startswith("language_model.") for name in found)


def test_only_the_adapter_trains(model, prompt):
    adapted = with_adapter(model, trained=False)
    trained = {name for name, p in adapted.named_parameters() if p.requires_grad}
    assert trained
    assert all(".lora_" in name for name in trained)
    before = copy.deepcopy(adapted.state_dict())
    optimizer = torch.optim.AdamW(
        [p for p in adapted.parameters() if p.requires_grad], 1e-2, weight_decay=0
    )
    adapted(**prompt, labels=prompt["input_ids"]).loss.backward()
    optimizer.step()
    changed = {n for n, v in adapted.state_dict().items() if not torch.equal(v, before[n])}
    assert changed
    assert all(
        ".lora_B." in name for name in changed
    )  # the A halves get a gradient once B is not 0


def test_a_new_adapter_changes_nothing(model, prompt):
    plain = model(**prompt).logits
    adapted = with_adapter(model, trained=False)
    assert torch.allclose(adapted(**prompt).logits, plain, atol=1e-5)


def test_merged_equals_unmerged(model, prompt):
    plain = model(**prompt).logits
    adapted = with_adapter(model)
    unmerged = adapted(**prompt).logits
    merged = adapted.merge_and_unload()(**prompt).logits
    assert torch.allclose(merged, unmerged, atol=1e-4)
    assert (unmerged - plain).abs().max() > 0.05


def test_readouts_go_through_the_adapter(model, processor, make_face):
    batch = processor.reading_prompt([make_face(1)])

    def read(one):
        embeds = one.embed(batch["input_ids"], batch["pixel_values"], batch["landmarks"])
        return one.readouts(embeds, None, batch["query_positions"], processor.label_ids)[0]

    plain = read(model)
    adapted = with_adapter(model)
    unmerged = read(adapted.base_model.model)
    assert not torch.allclose(plain, unmerged, atol=1e-3)
    assert torch.allclose(read(adapted.merge_and_unload()), unmerged, atol=1e-4)


def test_an_adapter_in_peft_layout_is_loaded_with_its_checkpoint(loaded, model, prompt, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(loaded.folder, folder)
    model.save_pretrained(folder)  # the open gate
    plain = load_checkpoint(folder).model(**prompt).logits
    adapted = with_adapter(model)
    wanted = adapted(**prompt).logits
    adapted.save_pretrained(folder / ADAPTER)
    names = {path.name for path in (folder / ADAPTER).iterdir()}
    assert {"adapter_config.json", "adapter_model.safetensors"} <= names
    found = load_checkpoint(folder).model
    assert not isinstance(found, PeftModel)
    assert torch.allclose(found(**prompt).logits, wanted, atol=1e-4)
    assert not torch.allclose(plain, wanted, atol=1e-3)


@pytest.mark.parametrize("missing", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_with_a_file_missing_is_an_error_that_names_it(loaded, model, missing, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(loaded.folder, folder)
    with_adapter(model).save_pretrained(folder / ADAPTER)
    (folder / ADAPTER / missing).unlink()
    with pytest.raises(FaceLLMError, match=missing):  # and does not ask the hub
        load_checkpoint(folder)


def test_an_adapter_of_another_model_is_an_error(loaded, clip_folder, llama_folder, tmp_path):
    folder = tmp_path / "checkpoint"
    shutil.copytree(loaded.folder, folder)
    other, _ = from_bases(clip_folder, llama_folder)
    with_adapter(other).save_pretrained(folder / ADAPTER)
    with pytest.raises(FaceLLMError, match=str(folder)):
        load_checkpoint(folder)
