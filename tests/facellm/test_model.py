"""The whole model: merging, places of FRGCA, loss, generation with pictures."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional
from transformers import LlamaConfig

from facellm.config import ConvHybridConfig, FaceLLMConfig
from facellm.errors import FaceLLMError
from facellm.model import FaceLLMForConditionalGeneration, merge_visual_tokens

IMAGE, PATCHES = 9, 2


def small_config(position: str = "tower", **options) -> FaceLLMConfig:
    """Four patches of width 32, a language model of width 48: the two cannot be confused."""
    vision = ConvHybridConfig(
        image_size=32, fold=4, widths=(16, 32), depths=(1, 1), layers=1, heads=2
    )
    vision.image_size = 16
    text = LlamaConfig(
        vocab_size=60,
        hidden_size=48,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        initializer_range=0.3,
        pad_token_id=0,
        eos_token_id=2,
        **options,
    )
    return FaceLLMConfig(
        vision_config=vision, text_config=text, image_token_id=IMAGE, region_position=position
    )


def small_model(position: str = "tower", gate: float = 0.7, **options):
    torch.manual_seed(0)
    model = FaceLLMForConditionalGeneration(small_config(position, **options)).eval()
    with torch.no_grad():
        model.region_attention.gate.fill_(gate)
    return model


def prompt(*tail: int, faces: int = 1) -> Tensor:
    """(1, T): a word, ``faces`` faces of four patches with a word between, and a tail."""
    ids = [5]
    for _ in range(faces):
        ids += [IMAGE] * 4 + [7]
    return torch.tensor([[*ids, *tail]])


# -- merging ---------------------------------------------------------------------------------------


def test_visual_tokens_are_placed_in_reading_order():
    ids = torch.tensor([[1, IMAGE, IMAGE, 2], [IMAGE, 3, IMAGE, 4]])
    text = torch.zeros(2, 4, 3)
    visual = torch.arange(1.0, 13.0).reshape(2, PATCHES, 3)
    merged = merge_visual_tokens(text, ids, visual, image_token_id=IMAGE)
    assert merged[0].tolist() == [[0, 0, 0], [1, 2, 3], [4, 5, 6], [0, 0, 0]]
    assert merged[1].tolist() == [[7, 8, 9], [0, 0, 0], [10, 11, 12], [0, 0, 0]]
    assert text.abs().max() == 0  # a new tensor


@pytest.mark.parametrize("images", [1, 3])
def test_a_wrong_number_of_placeholders_is_an_error_with_both_numbers(images):
    ids = torch.tensor([[IMAGE] * 4])
    with pytest.raises(ValueError, match=rf"4 image placeholders .* {2 * images} patch"):
        merge_visual_tokens(
            torch.zeros(1, 4, 3), ids, torch.zeros(images, 2, 3), image_token_id=IMAGE
        )


def test_gradient_flows_through_the_merge_to_text_and_picture():
    text = torch.zeros(1, 3, 2, requires_grad=True)
    visual = torch.zeros(1, 2, 2, requires_grad=True)
    ids = torch.tensor([[1, IMAGE, IMAGE]])
    weight = torch.arange(6.0).reshape(1, 3, 2)
    (merge_visual_tokens(text, ids, visual, image_token_id=IMAGE) * weight).sum().backward()
    assert text.grad is not None
    assert visual.grad is not None
    assert text.grad.tolist() == [[[0, 1], [0, 0], [0, 0]]]
    assert visual.grad.tolist() == [[[2, 3], [4, 5]]]


# -- FRGCA's place ---------------------------------------------------------------------------------


@pytest.mark.parametrize("position", ["tower", "projected"])
def test_frgca_works_before_and_after_the_projector(position, face_points):
    model = small_model(position)
    width = {"tower": 32, "projected": 48}[position]
    assert model.region_attention.norm.weight.shape == (width,)
    pixels = torch.randn(2, 3, 16, 16)
    tokens = model.encode_faces(pixels, face_points.repeat(2, 1, 1))
    assert tokens.shape == (2, 4, 48)
    assert not torch.allclose(tokens, model.encode_faces(pixels, None), atol=1e-3)
    elsewhere = face_points.flip(-1).repeat(2, 1, 1)
    assert not torch.allclose(tokens, model.encode_faces(pixels, elsewhere), atol=1e-3)


@pytest.mark.parametrize("position", ["tower", "projected"])
def test_without_landmarks_the_pictures_features_pass_unchanged(position):
    model, pixels = small_model(position), torch.randn(2, 3, 16, 16)
    plain = model.multi_modal_projector(model.vision_tower(pixels))
    assert torch.equal(model.encode_faces(pixels, None), plain)
    assert torch.equal(model.encode_faces(pixels, torch.full((2, 68, 2), torch.nan)), plain)


def test_an_unknown_place_is_refused_naming_the_known_ones():
    with pytest.raises(FaceLLMError, match=r"'front' .*tower.*projected"):
        small_config("front")


@pytest.mark.parametrize("position", ["tower", "projected"])
def test_save_and_load_give_equal_logits(position, face_points, tmp_path):
    model = small_model(position)
    model.save_pretrained(tmp_path)
    again = FaceLLMForConditionalGeneration.from_pretrained(tmp_path).eval()
    inputs = {"pixel_values": torch.randn(1, 3, 16, 16), "landmarks": face_points}
    assert torch.equal(model(prompt(3), **inputs).logits, again(prompt(3), **inputs).logits)
    assert again.config.region_position == position


# -- forward ---------------------------------------------------------------------------------------


def test_logits_and_loss_are_the_language_models_own(face_points):
    model, ids = small_model(), prompt(3, 8, 4, faces=2)
    pixels, points = torch.randn(2, 3, 16, 16), face_points.repeat(2, 1, 1)
    labels = torch.full_like(ids, -100)
    labels[0, -2:] = ids[0, -2:]
    out = model(ids, pixel_values=pixels, landmarks=points, labels=labels)
    assert out.logits.shape == (1, ids.shape[1], 60)
    wanted = functional.cross_entropy(out.logits[0, -3:-1], ids[0, -2:])
    assert out.loss.item() == pytest.approx(wanted.item(), abs=1e-5)
    out.loss.backward()
    for part in ("vision_tower", "region_attention", "multi_modal_projector", "language_model"):
        gradients = [p.grad for p in getattr(model, part).parameters() if p.grad is not None]
        assert any(g.abs().max() > 0 for g in gradients), part
        assert all(g.isfinite().all() for g in gradients), part


def test_a_prompt_without_faces_is_the_language_model_alone():
    model, ids = small_model(), torch.tensor([[5, 6, 7]])
    assert torch.equal(model(ids).logits, model.language_model(ids).logits)


def test_padding_on_the_left_changes_no_logit(face_points):
    model, pixels = small_model(), torch.randn(1, 3, 16, 16)
    ids = prompt(3)
    mask = torch.ones_like(ids)
    padded = functional.pad(ids, (3, 0))
    positions = (functional.pad(mask, (3, 0)).cumsum(-1) - 1).clamp(min=0)
    out = model(
        padded,
        attention_mask=functional.pad(mask, (3, 0)),
        position_ids=positions,
        pixel_values=pixels,
        landmarks=face_points,
    )
    plain = model(ids, attention_mask=mask, pixel_values=pixels, landmarks=face_points)
    assert torch.allclose(out.logits[:, 3:], plain.logits, atol=1e-4)


def test_gradient_checkpointing_gives_the_same_gradients(face_points):
    model, pixels = small_model(), torch.randn(1, 3, 16, 16)
    gradients = []
    for checkpointed in (False, True):
        model.zero_grad()
        if checkpointed:
            model.train()
            model.gradient_checkpointing_enable()
            model.vision_tower.eval()  # batch norm apart
        model(
            prompt(3), pixel_values=pixels, landmarks=face_points, labels=prompt(3)
        ).loss.backward()
        gradients.append(model.multi_modal_projector.up.weight.grad.clone())
    assert torch.allclose(gradients[0], gradients[1], atol=1e-5)
    assert gradients[0].abs().max() > 1e-4


def test_parts_keep_the_attention_kind_they_were_given():
    model = small_model(attn_implementation="eager")
    assert model.language_model.config._attn_implementation == "eager"


def test_a_language_model_that_is_already_built_stays_causal():
    # With the attention kind lost on the way, transformers builds no mask and says nothing.
    from transformers import LlamaForCausalLM

    config = small_config()
    text = LlamaForCausalLM(config.text_config).eval()
    config = FaceLLMConfig(
        vision_config=config.vision_config, text_config=text.config, image_token_id=IMAGE
    )
    model = FaceLLMForConditionalGeneration(config, language_model=text).eval()
    one, two = torch.tensor([[3, 4, 5]]), torch.tensor([[3, 4, 6]])
    assert torch.equal(model(one).logits[:, :2], model(two).logits[:, :2])


def test_the_config_knows_whether_embeddings_are_tied(tmp_path):
    for tied in (False, True):
        model = small_model(tie_word_embeddings=tied)
        same = model.get_output_embeddings().weight is model.get_input_embeddings().weight
        assert same is tied
        model.save_pretrained(tmp_path / str(tied))
        again = FaceLLMForConditionalGeneration.from_pretrained(tmp_path / str(tied))
        same = again.get_output_embeddings().weight is again.get_input_embeddings().weight
        assert same is tied
        assert torch.equal(
            again.get_output_embeddings().weight, model.get_output_embeddings().weight
        )


# -- generation ------------------------------------------------------------------------------------


def generated(model, ids, pixels, points, **options) -> list[list[int]]:
    out = model.generate(
        input_ids=ids,
        attention_mask=(ids != 0).long(),
        pixel_values=pixels,
        landmarks=points,
        max_new_tokens=8,
        min_new_tokens=8,
        do_sample=False,
        **options,
    )
    return out[:, ids.shape[1] :].tolist()


def by_hand(model, ids, pixels, points, steps: int = 8) -> list[int]:
    """Greedy decoding by full forward passes, no cache."""
    written: list[int] = []
    for _ in range(steps):
        tokens = torch.cat((ids, torch.tensor([written], dtype=torch.int64)), dim=1)
        logits = model(tokens, pixel_values=pixels, landmarks=points).logits[0, -1]
        logits[2] = -torch.inf  # min_new_tokens
        written.append(int(logits.argmax()))
    return written


def test_generate_with_and_without_a_cache_equals_decoding_by_hand(face_points):
    model, ids = small_model(), prompt(3, faces=2)
    pixels, points = torch.randn(2, 3, 16, 16), face_points.repeat(2, 1, 1)
    wanted = by_hand(model, ids, pixels, points)
    assert generated(model, ids, pixels, points) == [wanted]
    assert generated(model, ids, pixels, points, use_cache=False) == [wanted]
    assert wanted != by_hand(model, ids, pixels.flip(0), points)  # the pictures are looked at


def test_a_left_padded_batch_writes_what_each_prompt_writes_alone(face_points):
    model = small_model()
    one, two = prompt(3), prompt(3, faces=2)
    pixels, points = torch.randn(3, 3, 16, 16), face_points.repeat(3, 1, 1)
    batch = torch.cat((functional.pad(one, (two.shape[1] - one.shape[1], 0)), two))
    wanted = [
        by_hand(model, one, pixels[:1], points[:1]),
        by_hand(model, two, pixels[1:], points[1:]),
    ]
    assert generated(model, batch, pixels, points) == wanted


def test_several_answers_to_one_prompt_see_its_faces_in_their_order(face_points):
    model = small_model()
    one, two = prompt(3), prompt(3, faces=2)
    pixels, points = torch.randn(3, 3, 16, 16), face_points.repeat(3, 1, 1)
    batch = torch.cat((functional.pad(one, (two.shape[1] - one.shape[1], 0)), two))
    alone = generated(model, batch, pixels, points)
    options = {"do_sample": True, "top_k": 1, "num_return_sequences": 2}
    out = model.generate(
        input_ids=batch,
        attention_mask=(batch != 0).long(),
        pixel_values=pixels,
        landmarks=points,
        max_new_tokens=8,
        min_new_tokens=8,
        **options,
    )
    assert out[:, batch.shape[1] :].tolist() == [alone[0], alone[0], alone[1], alone[1]]
