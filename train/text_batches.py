"""Conversations of the text corpus as padded batches, through the product's own processor.

A corpus line is ``{"readings": [...], "turns": [["how old?", "<ask_age>About <age_34> years"],
...]}``; ``readings`` are context texts, one per face, left to right; several questions share one
context. For the text-only stage the processor's ``n_patches`` is 0, so the pictures' placeholders
vanish; with 36 they are filled from cached features.

Legend: B batch, T tokens.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facellm.context import STRAIGHT
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


# The values of a reading in its context, told apart from the names they stand behind.
_GROUP = re.compile(r"(<q_\w+>| [a-z][a-z -]*|<expr_\w+>)((?:<(?!q_|expr_|/|no_geo)[^>]+>)+)")
VALUE = re.compile(r"<(?:p|age|deg|z|level)_[-+\d]+>|<(?:(?:fe)?male|yes|no|real|generated)>")

NAME = re.compile(r"<(?:expr_[a-z]+|q_au\d+)>")
INTENT = re.compile(r"<ask_\w+>")
VALUE_WEIGHT, NAME_WEIGHT, INTENT_WEIGHT = 3.0, 6.0, 6.0


def echo_text(reading: str, rng: np.random.Generator) -> tuple[str, str]:
    """The reading's names and values once more: expressions and units in order, the rest shuffled.

    Saying values after their names is all that answers copy, at ten times the density: models of
    this size learn to copy (induction heads, arXiv 2209.11895) hundreds of steps sooner from it.
    Expressions and units have no name before them, so their order is what says which comes next.

    Returns:
        The part in order and the shuffled part.
    """
    said = reading.replace(f" head {STRAIGHT}", "")  # no value, and words follow it
    groups = ["".join(parts) for parts in _GROUP.findall(said)]
    ordered = [group for group in groups if group.startswith(("<expr_", "<q_au"))]
    others = [group for group in groups if group not in ordered]
    return "".join(ordered), "".join(others[i] for i in rng.permutation(len(others)))


def with_echo(sample: TextSample, reading: str, processor: FaceLLMProcessor, rng) -> TextSample:
    """Append the echoed reading; labelled are its values, and in the ordered part the names too."""
    tokenizer = processor.tokenizer
    ordered, shuffled = (
        tokenizer(text, add_special_tokens=False)["input_ids"] for text in echo_text(reading, rng)
    )
    words = tokenizer.convert_ids_to_tokens(shuffled)
    labels = ordered + [
        i if VALUE.fullmatch(word) else IGNORE_INDEX
        for i, word in zip(shuffled, words, strict=True)
    ]
    ids = sample.input_ids + ordered + shuffled
    return TextSample(ids, sample.labels + labels, sample.rows)


def load_corpus(path: Path, processor: FaceLLMProcessor, *, echo: bool = False) -> list[TextSample]:
    """Tokenise every line of a corpus file.

    Args:
        path: JSON lines (see the module docstring).
        processor: The model's.
        echo: After conversations about one face, repeat its reading in another order.
    """
    samples = []
    with path.open() as file:
        for number, text in enumerate(file):
            line = json.loads(text)
            ids = processor.training_sample(conversation_of(line))
            sample = TextSample(**ids, rows=line.get("rows", []))
            if echo and len(line["readings"]) == 1:
                rng = np.random.default_rng(number)
                sample = with_echo(sample, line["readings"][0], processor, rng)
            samples.append(sample)
    return samples


def answer_weights(processor: FaceLLMProcessor) -> Tensor:
    """(V,) float32 weight of each token in the text loss.

    Values are one answer token in fourteen and what an answer is judged by: they count
    ``VALUE_WEIGHT`` times; names of expressions and units, which are learned last, ``NAME_WEIGHT``;
    what the question asks for, one token that decides all others, ``INTENT_WEIGHT``.
    """
    tokenizer = processor.tokenizer
    weights = torch.ones(len(tokenizer))
    for word, index in tokenizer.get_vocab().items():
        if VALUE.fullmatch(word):
            weights[index] = VALUE_WEIGHT
        elif NAME.fullmatch(word):
            weights[index] = NAME_WEIGHT
        elif INTENT.fullmatch(word):
            weights[index] = INTENT_WEIGHT
    return weights


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
