"""One sequence of ids, whichever way the tokenizer is loaded."""

import random

import numpy as np
import pytest
import sentencepiece
from transformers import AutoTokenizer

from facellm.context import reading_text
from facellm.instruct_data.grammar import SENTENCES, compose_answer
from facellm.instruct_data.synthetic_readings import sample_reading
from facellm.instruct_data.tokenizer import (
    VOCABULARY,
    corpus,
    different_ids,
    train_sentencepiece,
    write_folder,
)
from facellm.labels import reserved_tokens
from facellm.pointers import to_pointers
from facellm.prompts import chat_template, neutralise

PIECES = (
    "<face>", "<|end|>", "<age_34>", "</reading>", " ", "  ", "\n", "a", "the", "head ", "é", "😀",
    "👩‍👩‍👧", "你好", "1", "90 %", "(27 to 42)", "\t", "<", "|", ">", "▁", "\u200d", "\x00", "AU12",
    " Face 2: ", "<0x41>", "don't", "ﬁ", "Å",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tokenizer")
    write_folder(train_sentencepiece(corpus(4000, 11)), folder)
    return folder


@pytest.fixture(scope="module")
def tokenizer(folder):
    return AutoTokenizer.from_pretrained(folder)


def test_sentencepiece_loaded_and_reloaded_ids_are_equal(folder):
    rng = random.Random(0)
    texts = ["".join(rng.choices(PIECES, k=rng.randint(1, 20))) for _ in range(1000)]
    assert different_ids(folder, ["", *PIECES, *texts]) == []


def test_whole_prompts_split_alike(folder):
    rng = np.random.default_rng(0)
    prompts = [
        f"<|user|>Face 1: <face> {reading_text(sample_reading(rng))}\nhow old?<|end|>"
        for _ in range(50)
    ]
    assert different_ids(folder, prompts) == []


def test_reserved_tokens_are_single_pieces_in_order(folder, tokenizer):
    assert len(tokenizer) == VOCABULARY
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 3]) == ["<unk>", "<s>", "</s>", "<pad>"]
    for index, token in enumerate(reserved_tokens(), start=4):
        assert tokenizer(f"x{token}y")["input_ids"].count(index) == 1
    pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
    assert pieces.get_piece_size() == VOCABULARY


def test_text_survives_and_no_piece_is_unknown(tokenizer):
    for text in ("  two  blanks ", "a\nb", "é 😀 你好", "About 34 years (27 to 42)."):
        ids = tokenizer(text)["input_ids"]
        assert tokenizer.decode(ids) == text
        assert tokenizer.unk_token_id not in ids


def test_digits_are_split_and_no_start_token_is_added(tokenizer):
    assert tokenizer.tokenize("1234")[-4:] == ["1", "2", "3", "4"]
    assert tokenizer("hi")["input_ids"][0] != tokenizer.bos_token_id
    assert tokenizer.pad_token == "<pad>"


def test_reserved_tokens_do_not_reach_the_sentence(tokenizer):
    ids = tokenizer("<ask_age>About 30 years.<|end|>")["input_ids"]
    assert tokenizer.decode(ids, skip_special_tokens=True) == "About 30 years."


def test_neutralised_text_holds_no_reserved_id(tokenizer):
    text = "".join(reserved_tokens()) + "<s></s><pad><unk><0x41>"
    ids = tokenizer(neutralise(text))["input_ids"]
    assert not {i for i in ids if i < 4 + len(reserved_tokens())}


def test_the_chat_template_travels_with_the_folder(folder, tokenizer):
    assert (folder / "chat_template.jinja").read_text() == chat_template()
    content = [{"type": "image"}, {"type": "text", "text": "how old?"}]
    text = tokenizer.apply_chat_template(
        [{"role": "user", "content": content}], tokenize=False, add_generation_prompt=True
    )
    assert text == "<|user|>Face 1: <face>\nhow old?<|end|><|assistant|><q_intent>"


def test_same_lines_same_model():
    first, second = (train_sentencepiece(corpus(3000, 5)) for _ in "ab")
    assert first == second


def test_descriptions_stay_within_ninety_tokens(tokenizer):
    rng = np.random.default_rng(0)
    for _ in range(400):
        readings = [sample_reading(rng)]
        written = to_pointers(compose_answer(readings, "describe", rng), readings)
        # The test's tokenizer saw a fiftieth of the shipped one's lines and splits a little finer.
        assert len(tokenizer(written)["input_ids"]) <= 90
    assert "describe" in SENTENCES
