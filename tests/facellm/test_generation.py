"""The decoding loop writes what ``generate`` writes, a token at a time."""

from __future__ import annotations

import re

import pytest
import torch
from transformers import LogitsProcessor

from facellm.checkpoint import SHIPPED
from facellm.context import COUNT_WORDS, UNIT_WORDS, WORD_NEEDS
from facellm.conversation import Conversation, TextPart, Turn
from facellm.generation import greedy_tokens
from facellm.instruct_data import grammar_short
from facellm.processor import FaceLLMProcessor
from facellm.prompts import neutralise

LONGEST = 12
CASES = [
    (0, "How old?"),
    (1, "What expression is shown?"),
    (1, "Is the person wearing a mask?"),
    (2, "Who is older?"),
    (3, "Describe the faces."),
    (1, "naïve 😀"),
]


class FirstChoice(LogitsProcessor):
    """Only the given ids may be the first new token."""

    def __init__(self, prompt_length: int, choices: torch.Tensor) -> None:
        self.prompt_length, self.choices = prompt_length, choices

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if input_ids.shape[1] > self.prompt_length:
            return scores
        allowed = torch.full_like(scores, -torch.inf)
        allowed[:, self.choices] = scores[:, self.choices]
        return allowed


def conversation(make_face, faces: int, question: str) -> Conversation:
    parts = tuple(make_face(seed, reading="<reading></reading>") for seed in range(faces))
    return Conversation((Turn("user", (*parts, TextPart(question))),))


def generated(model, processor, prompt: dict) -> list[int]:
    length = prompt["input_ids"].shape[1]
    out = model.generate(
        **prompt,
        max_new_tokens=LONGEST,
        do_sample=False,
        logits_processor=[FirstChoice(length, processor.intent_ids)],
    )[0, length:].tolist()
    stop = model.config.text_config.eos_token_id
    return out[: out.index(stop)] if stop in out else out


@pytest.mark.parametrize(("faces", "question"), CASES)
def test_the_loop_writes_what_generate_writes(model, processor, make_face, faces, question):
    prompt = processor.answer_prompt(conversation(make_face, faces, question))
    written = list(greedy_tokens(model, prompt, processor.intent_ids, LONGEST))
    assert written == generated(model, processor, prompt)
    assert len(written) > 1
    assert written[0] in processor.intent_ids


def test_the_cases_do_not_all_end_alike(model, processor, make_face):
    answers = set()
    for faces, question in CASES:
        prompt = processor.answer_prompt(conversation(make_face, faces, question))
        answers.add(tuple(greedy_tokens(model, prompt, processor.intent_ids, LONGEST)))
    assert len(answers) >= 3


def test_a_value_that_is_not_in_the_context_is_never_written(model, processor, make_face):
    """The toy is noise: left alone it writes any value, held to the context only those there."""
    reading = "<reading><expr_fear><p_40><q_age><age_34></reading>"
    values = set(processor.value_ids.tolist())
    given = {processor.token_id(f"<{word}>") for word in ("expr_fear", "p_40", "age_34")}
    model.get_output_embeddings().weight.data[list(values)] *= 3  # so that it wants to
    alone, held = set(), set()
    for seed in range(6):
        face = make_face(seed, reading=reading)
        asked = Conversation((Turn("user", (face, TextPart("How old?"))),))
        prompt, first = processor.answer_prompt(asked), processor.intent_ids
        alone |= set(greedy_tokens(model, prompt, first, LONGEST))
        held |= set(greedy_tokens(model, prompt, first, LONGEST, processor.absent_ids))
    assert alone & values - given
    assert held & values <= given


def test_words_that_no_reading_bears_out_are_held_back(processor, make_face, monkeypatch):
    def held_back(*readings, intent="pose"):
        faces = [make_face(1, reading=f"<reading>{text}</reading>") for text in readings]
        question = TextPart(neutralise("Is the head left<deg_10> straight?"))
        prompt = processor.answer_prompt(Conversation((Turn("user", (*faces, question)),)))
        first = processor.token_id(f"<ask_{intent}>")
        absent = set(processor.absent_ids(prompt["input_ids"][0], first).tolist())
        return {word for word, index in processor.word_ids.items() if index in absent}

    # The toy's vocabulary cuts these words in pieces, so any other ids stand in for them.
    stand_ins = {word: 10**6 + index for index, word in enumerate(WORD_NEEDS)}
    monkeypatch.setattr(processor, "word_ids", stand_ins)
    words = set(WORD_NEEDS) - set(UNIT_WORDS)
    assert held_back() == words  # what a user types bears nothing out
    text = " gaze straight head left<deg_-10> lip corners<z_+2>"
    assert held_back(text) == words - {"turned", "left", "lip"}
    assert held_back(text, intent="gaze") == words - {"straight", "lip"}
    both = held_back(" head up<deg_10> gaze straight", " head right<deg_10>")
    assert both == words - {"tilted", "up", "turned", "right"}
    assert held_back(text, intent="describe") >= set(UNIT_WORDS)
    assert not held_back("<q_au12><level_2><p_60>", intent="describe") & set(UNIT_WORDS)


def test_every_list_of_units_in_a_description_begins_with_a_word_that_can_be_held_back():
    assert {re.match(r"\w+", template)[0] for template in grammar_short.UNITS} == set(UNIT_WORDS)
    others = (grammar_short.LOW, grammar_short.UNSURE, grammar_short.AGE, grammar_short.STATE)
    words = {word for group in others for text in group for word in re.findall(r"\w+", text)}
    assert not words & set(UNIT_WORDS)


def test_the_shipped_vocabulary_holds_every_such_word_in_one_piece():
    assert set(FaceLLMProcessor.from_pretrained(SHIPPED).word_ids) == set(WORD_NEEDS)


@pytest.mark.parametrize("faces", range(12))
def test_no_other_number_of_faces_can_be_written_than_was_found(faces):
    processor = FaceLLMProcessor.from_pretrained(SHIPPED)
    prompt = "".join(f" Face {n}: <face> <reading></reading>" for n in range(1, faces + 1))
    intent = processor.token_id("<ask_count>")
    banned = set(processor.absent_ids(torch.tensor(processor.encode(prompt)), intent).tolist())
    for count, word in enumerate(COUNT_WORDS):
        for form in (word, word.capitalize()):
            for text in (form, f" {form}"):
                pieces = set(processor.tokenizer(text, add_special_tokens=False)["input_ids"])
                assert bool(pieces & banned) == (count != faces), text


def test_it_stops_before_the_end_token(model, processor, make_face):
    prompt = processor.answer_prompt(conversation(make_face, 1, "How old?"))
    written = list(greedy_tokens(model, prompt, processor.intent_ids, LONGEST))
    model.config.text_config.eos_token_id = written[3]
    cut = list(greedy_tokens(model, prompt, processor.intent_ids, LONGEST))
    assert cut == written[: written.index(written[3])]


def test_it_hands_out_no_more_than_asked_for_and_each_as_soon_as_known(
    model, processor, make_face, monkeypatch
):
    prompt = processor.answer_prompt(conversation(make_face, 1, "How old?"))
    calls = []
    plain = model.language_model.forward
    monkeypatch.setattr(
        model.language_model, "forward", lambda *a, **k: calls.append(1) or plain(*a, **k)
    )
    model.config.text_config.eos_token_id = -1
    tokens = greedy_tokens(model, prompt, processor.intent_ids, 5)
    next(tokens)
    assert len(calls) == 1
    assert len(list(tokens)) == 4
    assert len(calls) == 5
