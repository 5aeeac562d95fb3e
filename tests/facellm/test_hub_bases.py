"""Other bases: small random Qwen2, Llama, CLIP and SigLIP folders, and published sizes."""

from __future__ import annotations

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    CLIPVisionConfig,
    LlamaConfig,
    Qwen2Config,
    SiglipVisionConfig,
)

from facellm.bases import from_bases
from facellm.config import FaceLLMConfig
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.errors import FaceLLMError
from facellm.generation import greedy_tokens
from facellm.labels import reserved_tokens
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor

TEXTS = [
    "How old is this person? About 34.",
    "  Which brow\nis raised? naïve 😀 ...",
    "The face shows happiness.",
]


def question(face: FacePart) -> Conversation:
    return Conversation((Turn("user", (face, TextPart("How old is this person?"))),))


# -- vocabulary ------------------------------------------------------------------------------------


def test_old_ids_and_their_logits_survive_the_new_vocabulary(clip_folder, language_folder):
    old_words = AutoTokenizer.from_pretrained(language_folder)
    old_model = AutoModelForCausalLM.from_pretrained(language_folder).eval()
    model, processor = from_bases(clip_folder, language_folder)
    for text in TEXTS:
        ids = old_words(text)["input_ids"]
        assert processor.tokenizer(text)["input_ids"] == ids
        old, new = (m(torch.tensor([ids])).logits for m in (old_model, model.language_model))
        assert torch.equal(new[..., : len(old_words)], old[..., : len(old_words)])
        assert old.std() > 0.1  # not all nought


def test_reserved_tokens_are_single_new_ids_with_rows_in_both_tables(clip_folder, language_folder):
    old = len(AutoTokenizer.from_pretrained(language_folder))
    model, processor = from_bases(clip_folder, language_folder)
    ids = [processor.tokenizer(t, add_special_tokens=False)["input_ids"] for t in reserved_tokens()]
    assert all(len(one) == 1 for one in ids)
    assert len({one[0] for one in ids}) == len(ids)
    assert min(one[0] for one in ids) >= old
    rows = model.config.text_config.vocab_size
    assert rows % 64 == 0
    assert rows > max(one[0] for one in ids)
    assert model.get_input_embeddings().weight.shape[0] == rows
    assert model.get_output_embeddings().weight.shape[0] == rows
    assert model.config.image_token_id == processor.image_token_id == ids[0][0]


def test_new_rows_start_near_the_mean_and_are_not_equal(clip_folder, language_folder):
    old = len(AutoTokenizer.from_pretrained(language_folder))
    model, _ = from_bases(clip_folder, language_folder)
    for table in (model.get_input_embeddings().weight, model.get_output_embeddings().weight):
        new = table[old:]
        spread = table[:old].std(0).mean()
        assert (new - table[:old].mean(0)).abs().max() < spread
        assert new.std(0).min() > 0
        assert (new[0] - new[1]).norm() > 0


def test_tied_tables_stay_tied_and_untied_ones_apart(clip_folder, language_folder, tmp_path):
    tied = AutoModelForCausalLM.from_pretrained(language_folder).config.tie_word_embeddings
    model, _ = from_bases(clip_folder, language_folder)
    same = model.get_output_embeddings().weight is model.get_input_embeddings().weight
    assert same is tied
    model.save_pretrained(tmp_path)
    again = FaceLLMForConditionalGeneration.from_pretrained(tmp_path)
    same = again.get_output_embeddings().weight is again.get_input_embeddings().weight
    assert same is tied


def test_a_base_without_a_padding_token_gets_one(clip_folder, llama_folder):
    assert AutoTokenizer.from_pretrained(llama_folder).pad_token is None
    model, processor = from_bases(clip_folder, llama_folder)
    assert processor.tokenizer.pad_token == "<pad>"
    assert model.config.text_config.pad_token_id == processor.tokenizer.pad_token_id


# -- the joined model ------------------------------------------------------------------------------


@pytest.mark.parametrize("vision", ["clip_folder", "siglip_folder"])
def test_loaded_weights_are_kept_as_they_are(vision, language_folder, request):
    from transformers import AutoModel

    folder = request.getfixturevalue(vision)
    model, _ = from_bases(folder, language_folder)
    tower = AutoModel.from_pretrained(folder).state_dict()
    assert all(torch.equal(model.vision_tower.model.state_dict()[k], v) for k, v in tower.items())
    text = AutoModelForCausalLM.from_pretrained(language_folder).model.layers.state_dict()
    ours = model.language_model.model.layers.state_dict()
    assert all(torch.equal(ours[k], v) for k, v in text.items())


@pytest.mark.parametrize("vision", ["clip_folder", "siglip_folder"])
@pytest.mark.parametrize("position", ["tower", "projected"])
def test_forward_and_save_and_load_give_equal_logits(
    vision, position, language_folder, request, make_face, tmp_path
):
    folder = request.getfixturevalue(vision)
    model, processor = from_bases(folder, language_folder, region_position=position)
    with torch.no_grad():
        model.region_attention.gate.fill_(0.5)
    assert processor.n_patches == 16 + (vision == "clip_folder")
    prompt = processor.answer_prompt(question(make_face(1)))
    logits = model(**prompt).logits
    assert logits.shape[-1] == model.config.text_config.vocab_size
    assert logits.isfinite().all()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    again = FaceLLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    other = FaceLLMProcessor.from_pretrained(tmp_path)
    same = other.answer_prompt(question(make_face(1)))
    assert all(torch.equal(same[name], value) for name, value in prompt.items())
    assert torch.equal(again(**same).logits, logits)
    without = {name: value for name, value in prompt.items() if name != "landmarks"}
    assert not torch.allclose(model(**without).logits, logits, atol=1e-4)


@pytest.mark.parametrize("vision", ["clip_folder", "siglip_folder"])
def test_a_foreign_base_reads_and_writes(vision, language_folder, request, make_face):
    model, processor = from_bases(request.getfixturevalue(vision), language_folder)
    batch = processor.reading_prompt([make_face(1), make_face(2)])
    embeds = model.embed(batch["input_ids"], batch["pixel_values"], batch["landmarks"])
    tables = model.readouts(embeds, None, batch["query_positions"], processor.label_ids)
    assert all(torch.allclose(t.exp().sum(-1), torch.ones(2), atol=1e-5) for t in tables)
    prompt = processor.answer_prompt(question(make_face(1)))
    loop = list(greedy_tokens(model, prompt, torch.arange(model.config.text_config.vocab_size), 6))
    out = model.generate(**prompt, max_new_tokens=6, do_sample=False)
    written = out[0, prompt["input_ids"].shape[1] :].tolist()
    assert loop == [t for t in written if t != model.config.text_config.eos_token_id]


def test_a_full_clip_gives_its_vision_half(clip_folder, llama_folder, make_face, tmp_path):
    from transformers import CLIPConfig, CLIPModel, CLIPVisionModel
    from transformers import CLIPImageProcessorPil as Images

    vision = CLIPVisionModel.from_pretrained(clip_folder)
    text = {"hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1, "vocab_size": 40}
    config = CLIPConfig(
        vision_config=vision.config.to_dict(), text_config={**text, "num_attention_heads": 2}
    )
    full = CLIPModel(config)
    full.vision_model.load_state_dict(
        {k.removeprefix("vision_model."): v for k, v in vision.state_dict().items()}
    )
    full.save_pretrained(tmp_path)
    Images.from_pretrained(clip_folder).save_pretrained(tmp_path)
    pixels = torch.randn(1, 3, 32, 32)
    towers = [from_bases(f, llama_folder)[0].vision_tower for f in (tmp_path, clip_folder)]
    assert torch.equal(towers[0](pixels), towers[1](pixels))


def test_a_tower_of_another_kind_is_refused_by_name(llama_folder):
    with pytest.raises(FaceLLMError, match=r"'llama'.*clip.*siglip"):
        from_bases(llama_folder, llama_folder)


def test_a_tower_and_image_processor_of_two_sizes_are_refused(clip_folder, llama_folder, tmp_path):
    from transformers import CLIPImageProcessorPil, CLIPVisionModel

    CLIPVisionModel.from_pretrained(clip_folder).save_pretrained(tmp_path)
    CLIPImageProcessorPil(size={"shortest_edge": 48}).save_pretrained(tmp_path)
    with pytest.raises(FaceLLMError, match=r"32 px.* 48"):
        from_bases(tmp_path, llama_folder)


# -- published sizes, on the meta device -----------------------------------------------------------

QWEN_7B = Qwen2Config(
    vocab_size=152064,
    hidden_size=3584,
    intermediate_size=18944,
    num_hidden_layers=28,
    num_attention_heads=28,
    num_key_value_heads=4,
    tie_word_embeddings=False,
)
VICUNA_7B = LlamaConfig(
    vocab_size=32000,
    hidden_size=4096,
    intermediate_size=11008,
    num_hidden_layers=32,
    num_attention_heads=32,
    num_key_value_heads=32,
    tie_word_embeddings=False,
)
VIT_L = {
    "hidden_size": 1024,
    "intermediate_size": 4096,
    "num_hidden_layers": 24,
    "num_attention_heads": 16,
    "patch_size": 14,
}


def on_meta(text, vision, **options) -> FaceLLMForConditionalGeneration:
    config = FaceLLMConfig(text_config=text, vision_config=vision, **options)
    with torch.device("meta"):
        return FaceLLMForConditionalGeneration(config)


def size_of(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("text", "parameters", "down", "k_proj"),
    [
        (QWEN_7B, 7_615_616_512, (3584, 18944), (512, 3584)),
        (VICUNA_7B, 6_738_415_616, (4096, 11008), (4096, 4096)),
    ],
    ids=["qwen2.5-7b", "llama-2-7b"],
)
def test_a_7b_language_model_has_its_published_size(text, parameters, down, k_proj):
    model = on_meta(text, CLIPVisionConfig(image_size=224, **VIT_L))
    assert size_of(model.language_model) == parameters
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    last = f"language_model.model.layers.{text.num_hidden_layers - 1}"
    assert shapes[f"{last}.mlp.down_proj.weight"] == down
    assert shapes[f"{last}.self_attn.k_proj.weight"] == k_proj
    assert shapes["language_model.lm_head.weight"] == (text.vocab_size, text.hidden_size)
    assert (
        f"language_model.model.layers.{text.num_hidden_layers}.mlp.down_proj.weight" not in shapes
    )
    assert shapes["region_attention.out.weight"] == (1024, 1024)
    assert shapes["region_attention.region_projector.local.7.weight"] == (1024, 24)  # 12 lip points
    assert shapes["multi_modal_projector.up.weight"] == (text.hidden_size, 1024)
    assert shapes["multi_modal_projector.down.weight"] == (text.hidden_size, text.hidden_size)


@pytest.mark.parametrize(("size", "patches"), [(224, 257), (336, 577)])
def test_a_vit_l_has_its_published_size_and_token_count(size, patches):
    model = on_meta(LlamaConfig(num_hidden_layers=1), CLIPVisionConfig(image_size=size, **VIT_L))
    tower = model.vision_tower
    assert (tower.n_patches, tower.width) == (patches, 1024)
    block = 4 * (1024 * 1024 + 1024) + 2 * 1024 * 4096 + 4096 + 1024 + 4 * 1024
    wanted = 24 * block + 1024 * 3 * 14 * 14 + 1024 + patches * 1024 + 4 * 1024
    assert size_of(tower) == wanted
    assert 303e6 < size_of(tower) < 304.5e6


def test_a_siglip_so400m_tower_gives_729_tokens_of_width_1152():
    sizes = {"hidden_size": 1152, "intermediate_size": 4304, "num_hidden_layers": 27}
    vision = SiglipVisionConfig(**sizes, num_attention_heads=16, image_size=384, patch_size=14)
    model = on_meta(LlamaConfig(num_hidden_layers=1), vision)
    assert (model.vision_tower.n_patches, model.vision_tower.width) == (729, 1152)
    assert model.region_attention.query.weight.shape == (1152, 1152)


def test_frgca_after_the_projector_has_the_papers_85_million_parameters():
    vision = CLIPVisionConfig(image_size=224, **VIT_L)
    model = on_meta(VICUNA_7B, vision, region_position="projected")
    assert model.region_attention.query.weight.shape == (4096, 4096)
    assert size_of(model.region_attention) == pytest.approx(85.1e6, rel=0.001)
    assert size_of(on_meta(VICUNA_7B, vision).region_attention) < 6e6  # before it: tower width
