"""Conversations of the text corpus as padded batches, through the product's own processor.

A corpus line is ``{"readings": [...], "turns": [["how old?", "<ask_age>About <age_34> years"],
...]}``; ``readings`` are context texts, one per face, left to right; several questions share one
context. For the text-only stage the processor's ``n_patches`` is 0, so the pictures' placeholders
vanish; with 36 they are filled from cached features.

Legend: B batch, T tokens.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facellm.conversation import Conversation, FacePart, TextPart, Turn
from facellm.processor import IGNORE_INDEX, FaceLLMProcessor

NO_PICTURE = np.zeros((1, 1, 3), np.uint8)


@dataclass(frozen=True)
class TextSample:
    """One tokenised conversation; ``rows`` are the cached pictures its faces show."""

    input_ids: list[int]
    labels: list[int]
    rows: list[int]


def conversation_of(line: dict) -> Conversation:
    """A corpus line as a conversation whose pictures are left out."""
    faces = tuple(FacePart(NO_PICTURE, None, reading) for reading in line["readings"])
    turns: list[Turn] = []
    for question, answer in line["turns"]:
        context = faces if not turns else ()
        turns.append(Turn("user", (*context, TextPart(question))))
        turns.append(Turn("assistant", (TextPart(answer),)))
    return Conversation(tuple(turns))


def load_corpus(path: Path, processor: FaceLLMProcessor) -> list[TextSample]:
    """Tokenise every line of a corpus file."""
    samples = []
    with path.open() as file:
        for text in file:
            line = json.loads(text)
            sample = processor.training_sample(conversation_of(line))
            samples.append(TextSample(**sample, rows=line.get("rows", [])))
    return samples


def grouped_batches(samples: list[TextSample], batch: int, seed: int) -> Iterator[list[TextSample]]:
    """Endless batches of samples of like length, in an order fixed by the seed."""
    epoch = 0
    while True:
        rng = np.random.default_rng((seed, epoch))
        order = rng.permutation(len(samples))
        blocks = [order[i : i + batch * 16] for i in range(0, len(order), batch * 16)]
        for block in blocks:
            block = sorted(block, key=lambda i: len(samples[i].input_ids))
            starts = rng.permutation(range(0, len(block) - batch + 1, batch))
            for start in starts:
                yield [samples[i] for i in block[start : start + batch]]
        epoch += 1


def pad(samples: list[TextSample], pad_id: int) -> dict[str, Tensor]:
    """Right-padded ``input_ids``, ``labels`` and ``attention_mask``, each (B, T)."""
    longest = max(len(sample.input_ids) for sample in samples)
    ids = torch.full((len(samples), longest), pad_id)
    labels = torch.full((len(samples), longest), IGNORE_INDEX)
    mask = torch.zeros((len(samples), longest), dtype=torch.int64)
    for row, sample in enumerate(samples):
        length = len(sample.input_ids)
        ids[row, :length] = torch.tensor(sample.input_ids)
        labels[row, :length] = torch.tensor(sample.labels)
        mask[row, :length] = 1
    return {"input_ids": ids, "labels": labels, "attention_mask": mask}
