"""Requests to vLLM's token endpoint and what comes back: pure functions, no network.

``POST /inference/v1/generate`` takes token ids and pictures and gives token ids, so the prompt is
the one the core's processor writes, whatever a user typed. A picture goes as PNG, which loses
nothing; its landmarks are found on the other side, by the same network from the same crop.

Example of a body::

    {"model": "facellm", "token_ids": [9, 4, 14, ...], "stream": false,
     "content_parts": [{"type": "image_url", "url": "data:image/png;base64,..."}],
     "sampling_params": {"max_tokens": 1, "temperature": 0, "logprobs": 295, ...}}

Legend: Q queries, K labels of all queries.
"""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from facellm.conversation import FacePart, Turn
from facellm.labels import QUERIES
from facellm.processor import FaceLLMProcessor

from .engines import Bounds, EngineDown

PATH = "/inference/v1/generate"
N_LABELS = sum(len(query.labels) for query in QUERIES)  # K
MASS_ERROR = 1e-3  # of a query's labels, whose probabilities sum to 1
Body = dict[str, Any]


def body(model: str, ids: Sequence[int], faces: Sequence[FacePart], sampling: Body) -> Body:
    """A request.

    Args:
        model: Name of the weights or of an adapter.
        ids: Prompt with one ``<face>`` per face.
        faces: In reading order.
        sampling: How tokens are chosen.
    """
    parts = [{"type": "image_url", "url": png_uri(face.crop)} for face in faces]
    sampling = {"detokenize": False, "n": 1, **sampling}
    return {
        "model": model,
        "token_ids": list(ids),
        "content_parts": parts or None,
        "sampling_params": sampling,
    }


def png_uri(crop: NDArray[np.uint8]) -> str:
    """A crop (S, S, 3) uint8 as a data URI, lossless."""
    buffer = io.BytesIO()
    Image.fromarray(crop).save(buffer, "PNG", compress_level=1)
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


def reading_body(processor: FaceLLMProcessor, model: str, face: FacePart) -> Body:
    """The request whose one token's log-probabilities are a face's reading.

    The prefix cache is left alone: a cached token has no hidden state to read from.
    """
    start = [processor.token_id("<|user|>"), processor.image_token_id]
    sampling = {
        "max_tokens": 1,
        "temperature": 0.0,
        "logprobs": N_LABELS,
        "skip_reading_prefix_cache": True,
        "ignore_eos": True,
    }
    return body(model, [*start, *processor.query_ids], [face], sampling)


def reading_tables(answer: Body) -> list[NDArray[np.float32]]:
    """Q arrays (n_labels,) of log-probabilities from the answer to ``reading_body``.

    Raises:
        EngineDown: If a label is missing or a query's probabilities do not sum to 1: what answered
            is not this plugin, or it saw the prompt in pieces.
    """
    try:
        entries = answer["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
        found = {int(entry["token_id"]): float(entry["logprob"]) for entry in entries}
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise EngineDown(f"vLLM answered without log-probabilities ({error!r})") from error
    missing = [index for index in range(N_LABELS) if index not in found]
    if missing:
        raise EngineDown(f"vLLM's reading lacks {len(missing)} of {N_LABELS} labels")
    # The table is one distribution over all queries' labels: each query has 1 / Q of it.
    whole = np.array([found[index] for index in range(N_LABELS)]) + math.log(len(QUERIES))
    ends = np.cumsum([len(query.labels) for query in QUERIES])[:-1]
    tables = np.split(whole, ends)
    for query, table in zip(QUERIES, tables, strict=True):
        mass = float(np.exp(table).sum())
        if not abs(mass - 1) <= MASS_ERROR:
            raise EngineDown(f"vLLM's reading of {query.name} sums to {mass:.4f}, expected 1")
    return [table.astype(np.float32) for table in tables]


def answer_ids(processor: FaceLLMProcessor, turns: Sequence[Turn]) -> tuple[list[int], list[int]]:
    """Prompt of an answer, once with one ``<face>`` per face and once with P."""
    text = processor.prompt_text(turns)
    return processor.text_ids(text), processor.encode(text)


def answer_sampling(processor: FaceLLMProcessor, ids: Sequence[int], bounds: Bounds) -> Body:
    """How an answer's tokens are chosen: an intent first, then nothing the readings do not hold.

    Args:
        processor: Of the weights.
        ids: The whole prompt.
        bounds: The caller's.
    """
    prompt = torch.tensor(ids)
    intents = processor.intent_choices(bounds.intent).tolist()
    absent = {intent: set(processor.absent_ids(prompt, intent).tolist()) for intent in intents}
    always = set.intersection(*absent.values())
    asked = {
        "first": intents,
        "absent": sorted(always),
        "after": {str(intent): sorted(held - always) for intent, held in absent.items()},
    }
    sampling = {
        "max_tokens": bounds.longest,
        "temperature": bounds.temperature,
        "top_p": bounds.top_p,
        "stop_token_ids": [processor.token_id("<|end|>")],
        "extra_args": {"facellm": asked},
    }
    return sampling if bounds.seed is None else {**sampling, "seed": bounds.seed}


def canary_body(processor: FaceLLMProcessor, model: str) -> Body:
    """One token of a fixed prompt without a face, computed anew each time."""
    ids = processor.text_ids("<|user|>No face.\nHello<|end|><|assistant|><q_intent>")
    sampling = {"max_tokens": 1, "temperature": 0.0, "skip_reading_prefix_cache": True}
    return body(model, ids, [], sampling)


def stream_tokens(line: str) -> tuple[list[int], str | None] | None:
    """New tokens and reason of the end from one line of a stream; None for a line without.

    Raises:
        EngineDown: If the line tells of an error, or is none of vLLM's.
    """
    if not line.startswith("data:") or line == "data: [DONE]":
        return None
    try:
        record = json.loads(line[len("data:") :])
        failed = record.get("error")
        choices = () if failed else record["choices"]
        found = [(list(one["token_ids"] or ()), one["finish_reason"]) for one in choices]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EngineDown(f"vLLM sent a line that cannot be read ({error!r})") from error
    if failed:
        raise EngineDown(f"vLLM: {failed.get('message') if isinstance(failed, dict) else failed}")
    if not found:
        return None
    tokens, finish = found[0]
    if finish not in (None, "stop", "length"):
        raise EngineDown(f"vLLM ended the answer: {finish}")
    return tokens, finish
