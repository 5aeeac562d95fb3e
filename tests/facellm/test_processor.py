"""Processor: one tokenizer everywhere, one prompt in training and serving, pictures to tensors."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer, LlamaTokenizer

from facellm.checkpoint import SHIPPED
from facellm.conversation import Conversation, FacePart, ScenePart, TextPart, Turn
from facellm.errors import FaceLLMError
from facellm.labels import INTENT_TOKENS, QUERIES, reserved_tokens
from facellm.processor import IGNORE_INDEX, FaceLLMProcessor
from facellm.prompts import chat_template

READING = "<reading><expr_happiness><p_90><q_age><age_34><age_27><age_42></reading>"
ANSWER = "<ask_expression>Happiness: the lip corners are pulled up."
FOLDERS = ["tiny", *(["shipped"] if (SHIPPED / "tokenizer.model").is_file() else [])]


@pytest.fixture(scope="session", params=FOLDERS)
def folder(request: pytest.FixtureRequest, tiny_checkpoint: Path) -> Path:
    """Folders whose tokenizer is looked at: the toy's and, once it exists, the default's."""
    return tiny_checkpoint if request.param == "tiny" else SHIPPED


@pytest.fixture(scope="session")
def templated(folder: Path) -> FaceLLMProcessor:
    """A folder's processor with the product's chat template."""
    processor = FaceLLMProcessor.from_pretrained(folder)
    processor.chat_template = chat_template()
    return processor


# -- tokenizer -------------------------------------------------------------------------------------

LINES = [
    "What expression is shown?",
    "  two blanks, a\nnew line\tand a tab ",
    "naïve 😀 你好 … ½",
    f"<|user|>Face 1: <face> {READING}\nHow old?<|end|><|assistant|><q_intent>{ANSWER}<|end|>",
    "<face><face> <face>x<q_expr>",
    "",
]


def check_same_ids(folder: Path, tmp_path: Path, lines: list[str]) -> None:
    import sentencepiece

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    loaded = AutoTokenizer.from_pretrained(folder)
    loaded.save_pretrained(tmp_path)
    reloaded = AutoTokenizer.from_pretrained(tmp_path)
    (tmp_path / "spm").mkdir()
    (tmp_path / "spm" / "tokenizer.model").write_bytes((folder / "tokenizer.model").read_bytes())
    plain = LlamaTokenizer.from_pretrained(tmp_path / "spm", legacy=False, add_prefix_space=False)
    for line in lines:
        wanted = pieces.encode(line)
        for tokenizer in (loaded, reloaded, plain):
            assert tokenizer(line, add_special_tokens=False)["input_ids"] == wanted, line


def test_sentencepiece_loaded_and_reloaded_ids_are_equal(folder, tmp_path):
    check_same_ids(folder, tmp_path, LINES)


@settings(max_examples=25, deadline=None)
@given(
    text=st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=40)
)
def test_any_text_survives_encoding(processor, text):
    ids = processor.tokenizer(text, add_special_tokens=False)["input_ids"]
    assert processor.tokenizer.decode(ids, skip_special_tokens=False) == text


def test_every_reserved_token_is_one_id_wherever_it_stands(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.convert_tokens_to_ids(reserved_tokens())
    assert len(set(ids)) == len(ids)
    assert tokenizer.unk_token_id not in ids
    for before, after in (("", ""), ("a", "b"), (" ", " "), ("<face>", "1")):
        left = tokenizer(before, add_special_tokens=False)["input_ids"]
        right = tokenizer(after, add_special_tokens=False)["input_ids"]
        for token, index in zip(reserved_tokens(), ids, strict=True):
            found = tokenizer(before + token + after, add_special_tokens=False)["input_ids"]
            assert found == [*left, index, *right], token


def test_reserved_tokens_stand_in_their_frozen_order(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    ids = tokenizer.convert_tokens_to_ids(reserved_tokens())
    assert ids == list(range(4, 4 + len(ids)))


def test_a_tokenizer_without_the_reserved_tokens_is_refused_by_name(processor, llama_folder):
    words = AutoTokenizer.from_pretrained(llama_folder)
    with pytest.raises(FaceLLMError, match="<face>"):
        FaceLLMProcessor(processor.image_processor, words)


# -- prompts ---------------------------------------------------------------------------------------


def talk(make_face, faces: int, *, earlier: bool = False) -> tuple[Turn, ...]:
    """A question about ``faces`` faces, with an answered question before it or not."""
    parts = tuple(make_face(seed, reading=READING) for seed in range(faces))
    first = Turn("user", (*parts, TextPart("What expression is shown?")))
    if not earlier:
        return (first,)
    answer = Turn("assistant", (TextPart(ANSWER),))
    return (first, answer, Turn("user", (TextPart("How old?"),)))


@pytest.mark.parametrize("earlier", [False, True], ids=["first turn", "second turn"])
@pytest.mark.parametrize("faces", [0, 1, 2])
def test_training_ids_up_to_the_answer_are_the_serving_prompts(
    templated, make_face, faces, earlier
):
    turns = talk(make_face, faces, earlier=earlier)
    prompt = templated.answer_prompt(Conversation(turns))["input_ids"][0].tolist()
    answered = Conversation((*turns, Turn("assistant", (TextPart(ANSWER),))))
    sample = templated.training_sample(answered)
    ids, labels = sample["input_ids"], sample["labels"]
    assert ids[: len(prompt)] == prompt
    rest = templated.encode(ANSWER + "<|end|>")
    assert ids[len(prompt) :] == labels[len(prompt) :] == rest
    assert rest[0] in templated.intent_ids
    assert prompt[-1] == templated.token_id("<q_intent>")
    assert prompt.count(templated.image_token_id) == faces * templated.n_patches
    learned = [label for label in labels if label != IGNORE_INDEX]
    assert learned == rest * (2 if earlier else 1)  # every answer and nothing else
    assert all(label in (IGNORE_INDEX, index) for index, label in zip(ids, labels, strict=True))


def test_two_faces_stand_in_reading_order_each_with_its_own_reading(templated, make_face):
    one = make_face(1, reading="<reading><age_10></reading>")
    two = make_face(2, reading="<reading><age_60></reading>")
    turns = (Turn("user", (one, two, TextPart("How old?"))),)
    text = templated.prompt_text(turns)
    assert text == (
        "<|user|>Face 1: <face> <reading><age_10></reading> "
        "Face 2: <face> <reading><age_60></reading>\nHow old?<|end|><|assistant|><q_intent>"
    )
    batch = templated.answer_prompt(Conversation(turns))
    assert batch["pixel_values"].shape == (2, 3, templated.crop_size, templated.crop_size)
    assert torch.equal(
        batch["landmarks"], torch.from_numpy(np.stack([one.landmarks_unit, two.landmarks_unit]))
    )


def test_a_prompt_without_a_face_says_so_and_carries_no_pixels(templated):
    batch = templated.answer_prompt(Conversation((Turn("user", (TextPart("How old?"),)),)))
    assert set(batch) == {"input_ids", "attention_mask"}
    text = templated.tokenizer.decode(batch["input_ids"][0], skip_special_tokens=False)
    assert "No face." in text


def test_the_reading_prompt_is_constant_but_for_the_picture(templated, make_face):
    batch = templated.reading_prompt([make_face(1), make_face(2), make_face(3)])
    ids = batch["input_ids"]
    assert torch.equal(ids[0], ids[1])
    assert torch.equal(ids[0], ids[2])
    asked = [templated.token_id(query.token) for query in QUERIES]
    assert ids[0, batch["query_positions"]].tolist() == asked
    assert (ids == templated.image_token_id).sum(1).tolist() == [templated.n_patches] * 3
    assert len(ids[0]) == 1 + templated.n_patches + len(QUERIES)


def test_label_ids_are_those_of_the_tables(templated):
    for query, ids in zip(QUERIES, templated.label_ids, strict=True):
        assert templated.tokenizer.convert_ids_to_tokens(ids.tolist()) == list(query.labels)
    intents = templated.tokenizer.convert_ids_to_tokens(templated.intent_ids.tolist())
    assert intents == list(INTENT_TOKENS)


def test_a_training_sample_must_end_in_its_answer(templated, make_face):
    with pytest.raises(ValueError, match="assistant"):
        templated.training_sample(Conversation(talk(make_face, 1)))


def test_a_part_the_template_does_not_know_is_refused(templated):
    turns = (Turn("user", (ScenePart("a street"), TextPart("Where?"))),)
    with pytest.raises(Exception, match="scene"):
        templated.prompt_text(turns)


def test_a_character_of_several_bytes_is_said_when_it_is_whole(processor):
    ids = processor.encode("a😀b")
    assert len(ids) == 6  # one letter, four bytes, one letter
    said = []
    for taken in range(len(ids) + 1):
        said.append("".join(processor.answer_pieces(iter(ids[:taken]), [])))
    assert list(processor.answer_pieces(iter(ids), [])) == ["a", "😀b"]
    assert said[1] == "a"


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_pieces_of_an_answer_join_to_its_text_whatever_is_written(processor, data):
    tokenizer = processor.tokenizer
    byte_ids = tokenizer.convert_tokens_to_ids([f"<0x{b:02X}>" for b in (0xC3, 0xA9, 0xE2, 0x82)])
    others = [processor.encode(word)[0] for word in ("a", " ", ".", "<p_90>", "<expr_anger>")]
    ids = data.draw(st.lists(st.sampled_from(byte_ids + others), max_size=12))
    written: list[int] = []
    joined = "".join(processor.answer_pieces(iter(ids), written))
    assert joined == processor.answer_text(ids)
    assert written == ids


# -- pictures --------------------------------------------------------------------------------------


def test_pixels_are_standardised_by_the_towers_mean_and_deviation(processor):
    crop = np.zeros((96, 96, 3), np.uint8)
    crop[10, 20] = (255, 0, 51)
    pixels = processor.images([FacePart(crop)])["pixel_values"]
    assert pixels.dtype == torch.float32
    assert pixels[0, :, 10, 20].tolist() == pytest.approx([2.0, -2.0, (0.2 - 0.5) / 0.25])
    assert pixels[0, :, 20, 10].tolist() == pytest.approx([-2.0] * 3)  # row, then column


def test_a_crop_of_another_size_is_scaled_and_keeps_its_frame(processor):
    large = np.kron(np.arange(4, dtype=np.uint8).reshape(2, 2) * 60, np.ones((96, 96), np.uint8))
    pixels = processor.images([FacePart(np.dstack([large] * 3))])["pixel_values"]
    values = (pixels[0, 0] * 0.25 + 0.5) * 255
    quarters = [values[:40, :40], values[:40, 56:], values[56:, :40], values[56:, 56:]]
    assert [round(float(q.mean())) for q in quarters] == [0, 60, 120, 180]


def test_given_landmarks_override_and_missing_ones_stay_missing(loaded, make_face):
    plain = FaceLLMProcessor.from_pretrained(loaded.folder)  # has no landmark function
    known, absent = make_face(1), make_face(2, landmarks=False)
    unknown = FacePart(make_face(3).crop)
    points = plain.landmarks([known, absent, unknown])
    assert np.array_equal(points[0], known.landmarks_unit)
    assert np.isnan(points[1:]).all()
    found = loaded.processor.landmarks([known, absent, unknown])
    assert np.array_equal(found[0], known.landmarks_unit)
    assert np.isnan(found[1]).all()  # all NaN says "missing", not "compute them"
    assert np.isfinite(found[2]).all()


def test_landmarks_of_a_crop_depend_on_that_crop_alone(loaded, make_face):
    faces = [FacePart(make_face(seed).crop) for seed in (1, 2, 3)]
    together = loaded.processor.landmarks(faces)
    for row, face in zip(together, faces, strict=True):
        assert row == pytest.approx(loaded.processor.landmarks([face])[0], abs=1e-5)


def test_save_and_load_give_the_same_tensors(processor, make_face, tmp_path):
    processor.save_pretrained(tmp_path)
    again = FaceLLMProcessor.from_pretrained(tmp_path)
    conversation = Conversation(talk(make_face, 2))
    one, two = processor.answer_prompt(conversation), again.answer_prompt(conversation)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert again.n_patches == processor.n_patches == 9
    assert again.chat_template == processor.chat_template
    assert (tmp_path / "chat_template.jinja").read_text() == processor.chat_template
