"""Many faces, many questions, one batch: answers as ``FaceAssistant.ask`` gives them, faster.

Prompts of equal length are decoded side by side, so no padding and no mask enters and every row
sees what it would see alone; a test compares the texts with ``FaceAssistant.ask``'s own.

Example: ``ask_many(assistant, crops, ["How old?"] * 32)[0].text`` -> ``"About 34 years ..."``.

Legend: B prompts side by side, T tokens of each, V vocabulary.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import DynamicCache

from facellm.assistant import LONGEST_ANSWER, FaceAssistant
from facellm.context import reading_text
from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.labels import INTENTS
from facellm.model import FaceLLMForConditionalGeneration
from facellm.prompts import neutralise
from facellm.reading import Reading

BATCH = 32
Crop = NDArray[np.uint8]


@dataclass(frozen=True)
class Answered:
    """An answer about one face crop.

    Attributes:
        question: As it was asked.
        text: The sentences.
        intent: What the question was taken to ask for.
        reading: What the answer was written from.
    """

    question: str
    text: str
    intent: str
    reading: Reading


@torch.inference_mode()
def greedy_batch(
    model: FaceLLMForConditionalGeneration,
    prompts: dict[str, Tensor],
    first_choices: Tensor,
    longest: int,
    absent_ids: Callable[[Tensor, int], Tensor],
) -> list[list[int]]:
    """Write the answers of prompts of equal length.

    Args:
        model: In evaluation mode.
        prompts: ``input_ids`` (B, T) and, with faces, ``pixel_values`` and ``landmarks``.
        first_choices: Ids the first token is chosen from (the intents).
        longest: Most tokens of an answer.
        absent_ids: Prompt ids (T,) and first token -> ids that are never written after it.

    Returns:
        B lists of token ids up to, not including, the end token.
    """
    stop = model.config.text_config.eos_token_id
    count = len(prompts["input_ids"])
    written: list[list[int]] = [[] for _ in range(count)]
    writing = torch.ones(count, dtype=torch.bool)
    cache, language = DynamicCache(), cast(Any, model.language_model)
    embeds = model.embed(
        prompts["input_ids"], prompts.get("pixel_values"), prompts.get("landmarks")
    )
    banned = torch.zeros(count, model.config.text_config.vocab_size, dtype=torch.bool)
    for index in range(longest):
        logits = language(
            inputs_embeds=embeds, past_key_values=cache, use_cache=True, logits_to_keep=1
        ).logits[:, -1]
        logits = logits.masked_fill(banned, -torch.inf)
        if index == 0:
            tokens = first_choices[logits[:, first_choices].argmax(-1)]
            for row, (ids, token) in enumerate(zip(prompts["input_ids"], tokens, strict=True)):
                banned[row, absent_ids(ids, int(token))] = True
        else:
            tokens = logits.argmax(-1)
        writing &= tokens != stop
        if not writing.any():
            break
        for row in writing.nonzero()[:, 0].tolist():
            written[row].append(int(tokens[row]))
        embeds = model.get_input_embeddings()(tokens[:, None])
    return written


def ask_many(
    assistant: FaceAssistant,
    crops: Sequence[Crop],
    questions: Sequence[str],
    longest: int = LONGEST_ANSWER,
) -> list[Answered]:
    """Ask one question about each face crop.

    Args:
        assistant: With the weights to measure.
        crops: N face crops of the tower's size, (S, S, 3) uint8 RGB.
        questions: N questions.
        longest: Most tokens of an answer; 1 asks for the intent only.

    Returns:
        N answers, in order.
    """
    readings: list[Reading] = []
    prompts: list[dict[str, Tensor]] = []
    for start in range(0, len(crops), BATCH):
        batch = list(crops[start : start + BATCH])
        found = assistant.read_crops(batch)
        readings += found
        prompts += answer_prompts(assistant, batch, found, questions[start : start + BATCH])
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        by_length[prompt["input_ids"].shape[1]].append(index)
    written: dict[int, list[int]] = {}
    for group in by_length.values():
        for start in range(0, len(group), BATCH):
            picked = group[start : start + BATCH]
            written |= zip(picked, write_group(assistant, prompts, picked, longest), strict=True)
    return [
        answered(assistant, question, written[index], readings[index])
        for index, question in enumerate(questions)
    ]


def answer_prompts(
    assistant: FaceAssistant,
    crops: Sequence[Crop],
    readings: Sequence[Reading],
    questions: Sequence[str],
) -> list[dict[str, Tensor]]:
    """The prompt of each face and question, as ``FaceAssistant`` builds it for one crop."""
    processor = assistant.checkpoint.processor
    points = processor.landmarks([FacePart(crop) for crop in crops])
    prompts = []
    for crop, point, reading, question in zip(crops, points, readings, questions, strict=True):
        face = FacePart(crop, point, reading_text(reading))
        turn = Turn("user", (face, TextPart(neutralise(question))))
        prompts.append(processor.answer_prompt(Conversation((turn,))))
    return prompts


def write_group(
    assistant: FaceAssistant, prompts: Sequence[dict[str, Tensor]], picked: list[int], longest: int
) -> list[list[int]]:
    """Token ids of the answers to prompts of one length."""
    saved: Any = assistant.checkpoint
    names = ("input_ids", "pixel_values", "landmarks")
    batch = {name: torch.cat([prompts[index][name] for index in picked]) for name in names}
    processor = saved.processor
    return greedy_batch(saved.model, batch, processor.intent_ids, longest, processor.absent_ids)


def answered(
    assistant: FaceAssistant, question: str, tokens: list[int], reading: Reading
) -> Answered:
    """Token ids of an answer as text and intent."""
    processor = assistant.checkpoint.processor
    text = processor.answer_text(tokens).strip()
    intent = INTENTS[processor.intent_ids.tolist().index(tokens[0])]
    return Answered(question, text, intent, reading)
