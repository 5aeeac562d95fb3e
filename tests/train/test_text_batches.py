"""The text corpus as batches: what is labelled, echoed, padded and grouped."""

import json
import re

import numpy as np
import pytest
import torch

from facellm.context import NO_EVIDENCE, NO_UNITS
from facellm.instruct_data.build_text import synthetic_lines
from facellm.processor import IGNORE_INDEX
from facellm.train.text_batches import (
    INTENT_WEIGHT,
    NAME_WEIGHT,
    VALUE,
    VALUE_WEIGHT,
    TextSample,
    answer_weights,
    echo_text,
    grouped_batches,
    load_corpus,
    pad,
)

LINES = list(synthetic_lines(12, 3))
ALONE = [line for line in LINES if len(line["readings"]) == 1]


@pytest.fixture(scope="module")
def processor(tiny_checkpoint):
    from facellm.processor import FaceLLMProcessor

    loaded = FaceLLMProcessor.from_pretrained(tiny_checkpoint)
    loaded.n_patches = 0
    return loaded


@pytest.fixture
def corpus(tmp_path):
    path = tmp_path / "corpus.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in LINES))
    return path


def groups(text: str) -> list[str]:
    """Names with their values, sorted."""
    return sorted(re.findall(r"(?:<(?:q|expr)_\w+>| [a-z][a-z -]*)(?:<(?!q_|expr_)[^>]+>)+", text))


def test_an_echo_says_every_value_of_the_reading_behind_its_name():
    assert len(ALONE) >= 5
    for line in ALONE:
        reading = line["readings"][0].removeprefix("<reading>").removesuffix("</reading>")
        for nothing in ("<no_geometry>", "<unsure>", NO_UNITS, NO_EVIDENCE, " gaze straight"):
            reading = reading.replace(nothing, "")
        reading = reading.replace(" head straight", "")
        ordered, shuffled = echo_text(line["readings"][0], np.random.default_rng(0))
        assert reading.startswith(ordered)
        assert re.fullmatch(r"(<(expr_\w+|q_au\d+|level_\d|p_\d+)>)+", ordered)
        echoed = ordered + shuffled
        assert groups(echoed) == groups(reading)
        assert len(echoed) == len(reading)
        assert echoed != reading


def test_values_of_an_echo_are_labelled_and_names_only_in_order(corpus, processor):
    plain, echoed = load_corpus(corpus, processor), load_corpus(corpus, processor, echo=True)
    for line, without, sample in zip(LINES, plain, echoed, strict=True):
        start = len(without.input_ids)
        assert sample.input_ids[:start] == without.input_ids
        assert sample.labels[:start] == without.labels
        if line not in ALONE:
            assert sample == without
            continue
        tail = list(zip(sample.input_ids, sample.labels, strict=True))[start:]
        words = processor.tokenizer.convert_ids_to_tokens([i for i, _ in tail])
        for word, (index, label) in zip(words, tail, strict=True):
            named = re.fullmatch(r"<(expr_\w+|q_au\d+)>", word)
            assert label == (index if VALUE.fullmatch(word) or named else IGNORE_INDEX)
        assert sum(label != IGNORE_INDEX for _, label in tail) >= 15


def test_what_an_answer_may_copy_weighs_more(processor):
    weights = answer_weights(processor)
    vocabulary = processor.tokenizer.get_vocab()
    weight = {word: float(weights[index]) for word, index in vocabulary.items()}
    copied = ("<p_0>", "<p_100>", "<age_116>", "<deg_-90>", "<z_+4>", "<female>", "<yes>")
    assert {weight[word] for word in copied} == {VALUE_WEIGHT}
    assert {weight[word] for word in ("<expr_fear>", "<q_au12>")} == {NAME_WEIGHT}
    assert {weight[word] for word in ("<ask_age>", "<ask_off_topic>")} == {INTENT_WEIGHT}
    assert {weight[word] for word in ("<reading>", "<q_age>", "<face>", "e")} == {1.0}


def test_padding_is_neither_seen_nor_learned():
    batch = pad([TextSample([5, 6, 7], [IGNORE_INDEX, 6, 7], []), TextSample([8], [8], [])], 0)
    assert batch["input_ids"].tolist() == [[5, 6, 7], [8, 0, 0]]
    assert batch["labels"].tolist() == [[-100, 6, 7], [8, -100, -100]]
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]


def test_batches_are_repeatable_and_hold_like_lengths():
    rng = np.random.default_rng(0)
    samples = [TextSample([0] * int(n), [0] * int(n), []) for n in rng.integers(1, 400, 256)]
    first, second = grouped_batches(samples, 8, 1), grouped_batches(samples, 8, 1)
    spread = []
    for _ in range(32):
        batch = next(first)
        assert batch == next(second)
        lengths = [len(sample.input_ids) for sample in batch]
        spread.append(max(lengths) - min(lengths))
    assert np.mean(spread) < 60  # 350 if they were drawn at random


def test_the_text_loss_is_a_weighted_mean(tiny_checkpoint, processor):
    from facellm.checkpoint import load_checkpoint
    from facellm.train.language import text_loss

    model = load_checkpoint(tiny_checkpoint).model
    value = processor.token_id("<age_34>")
    ids = torch.tensor([[3, value, 9]])
    batch = {"labels": ids, "attention_mask": torch.ones_like(ids)}
    embeds = model.get_input_embeddings()(ids)
    plain = torch.ones(len(processor.tokenizer))
    weighted = plain.clone()
    weighted[value] = 3.0
    with torch.no_grad():
        alone = text_loss(model, embeds, batch, plain)
        both = text_loss(model, embeds, batch, weighted)
        batch["labels"] = torch.tensor([[IGNORE_INDEX, value, IGNORE_INDEX]])
        of_value = text_loss(model, embeds, batch, plain)
    of_other = 2 * alone - of_value
    assert torch.allclose(both, (3 * of_value + of_other) / 4, atol=1e-4)
