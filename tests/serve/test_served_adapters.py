"""Adapters behind the server: one of ``facellm adapt`` corrects readings and leaves words alone."""

import asyncio

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from facellm.adapter_file import BASE_DIGEST, BASE_NAME, language_digest
from facellm.adapter_labels import correction, new_label, save_labels
from facellm.assistant import FaceAssistant, asking
from facellm.checkpoint import SHIPPED, load_checkpoint
from facellm.conversation import FacePart
from facellm.crop_reading import see_crops
from facellm.engine_file import source_digest
from facellm.errors import FaceLLMError
from facellm.labels import QUERY_INDEX
from facellm.serve.engines import Bounds
from facellm.serve.local_engine import LocalEngine
from facellm.serve.serve_command import choose_engine, new_serve_parser


@pytest.fixture(scope="module")
def mine(tiny_checkpoint, tmp_path_factory):
    """A correction of the age at half strength and a label of one's own, with random maps."""
    from peft import LoraConfig, get_peft_model

    from facellm.model import LORA_TARGETS

    folder = tmp_path_factory.mktemp("adapters") / "mine"
    torch.manual_seed(3)
    config = LoraConfig(r=4, target_modules=LORA_TARGETS)
    adapted = get_peft_model(load_checkpoint(tiny_checkpoint).model, config)
    for name, weight in adapted.named_parameters():
        if ".lora_B." in name:
            torch.nn.init.normal_(weight, std=0.2)
    adapted.save_pretrained(folder)
    file = folder / "adapter_model.safetensors"
    told = {BASE_NAME: "toy", BASE_DIGEST: source_digest(tiny_checkpoint)}
    save_file(load_file(file), file, told)
    save_labels(folder, [correction("age", "age"), new_label("hair", ("long", "short"), 0)])
    return folder


@pytest.fixture(scope="module")
def seen(tiny_checkpoint):
    crop = np.random.default_rng(5).integers(0, 256, (96, 96, 3), dtype=np.uint8)
    return see_crops(load_checkpoint(tiny_checkpoint), [crop]), crop


def run(engine, work):
    async def whole():
        await engine.start()
        try:
            return await work(engine)
        finally:
            await engine.close()

    return asyncio.run(whole())


async def asked(engine, seen):
    part = FacePart(seen[1], seen[0].landmarks[0].numpy())
    pieces = [p async for p in engine.reply(asking((), "Hello?"), Bounds(longest=8))]
    return await engine.logprobs([part]), [token for p in pieces for token in p.token_ids]


def test_a_correction_moves_its_reading_and_neither_others_nor_words(tiny_checkpoint, mine, seen):
    plain, words = run(LocalEngine(tiny_checkpoint, None, "torch"), lambda e: asked(e, seen))
    engine = LocalEngine(tiny_checkpoint, mine, "torch")
    found, adapted_words = run(engine, lambda e: asked(e, seen))
    assert adapted_words == words
    moved = [
        q for q, pair in enumerate(zip(plain, found, strict=True)) if (pair[0] != pair[1]).any()
    ]
    assert moved == [QUERY_INDEX["age"]]
    local = FaceAssistant.load(tiny_checkpoint, engine="torch", adapter=mine).engine
    wanted = local.logprobs(seen[0].pixel_values, seen[0].landmarks)
    np.testing.assert_allclose(found[moved[0]], wanted[moved[0]], atol=1e-5)
    assert "adapter mine" in engine.detail


@pytest.mark.skipif(not (SHIPPED / "config.json").is_file(), reason="optional: no default model")
def test_an_adapter_stands_in_for_the_weights_own_or_comes_on_top_as_it_was_trained(tmp_path):
    """The shipped weights' own adapter, given by name, changes nothing; on top it counts twice."""
    own, doubled = SHIPPED / "adapter", tmp_path / "doubled"
    merged = load_checkpoint(SHIPPED)
    doubled.mkdir()
    for file in own.iterdir():
        (doubled / file.name).write_bytes(file.read_bytes())
    file = doubled / "adapter_model.safetensors"
    save_file(load_file(file), file, {BASE_DIGEST: language_digest(merged.model), BASE_NAME: "x"})
    size = merged.processor.crop_size
    crop = np.random.default_rng(5).integers(0, 256, (size, size, 3), dtype=np.uint8)
    seen = see_crops(merged, [crop]), crop
    tables = {}
    for adapter in (None, own, doubled):
        tables[adapter] = run(LocalEngine(None, adapter, "torch"), lambda e: asked(e, seen))[0][0]
    np.testing.assert_allclose(tables[own], tables[None], atol=1e-4)
    assert np.abs(tables[doubled] - tables[None]).max() > 0.01


def test_labels_are_the_local_engines_and_own_ones_are_said_not_to_be_told(
    tiny_checkpoint, mine, capsys
):
    words = ["--adapter", str(mine), "--model", str(tiny_checkpoint)]
    engine, why = choose_engine(new_serve_parser().parse_args(words), [], None)
    assert engine.name == "local"
    assert "which the local engine alone reads" in why
    assert "does not tell labels of one's own: hair" in capsys.readouterr().err
    with pytest.raises(FaceLLMError, match="which the local engine alone reads"):
        choose_engine(new_serve_parser().parse_args([*words, "--engine", "vllm"]), [], None)
