"""Greedy decoding as an iterator of token ids, with the key-value cache of ``transformers``.

``model.generate`` gives the same tokens (tested); this loop hands each one out as soon as it is
known and restricts the first one to the intents, which makes the question's meaning a readout too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from transformers import DynamicCache

from facellm.model import FaceLLMForConditionalGeneration


@torch.inference_mode()
def greedy_tokens(
    model: FaceLLMForConditionalGeneration,
    prompt: dict[str, Tensor],
    first_choices: Tensor,
    longest: int,
    absent_ids: Callable[[Tensor, int], Tensor] | None = None,
) -> Iterator[int]:
    """Write an answer token by token.

    Args:
        model: In evaluation mode.
        prompt: ``input_ids`` (1, T) and, with faces, ``pixel_values`` and ``landmarks``.
        first_choices: Ids the first token is chosen from (the intents).
        longest: Most tokens handed out.
        absent_ids: Prompt ids (T,) and first token -> (M,) ids that are never written after it
            (``processor.absent_ids``): an answer can choose a wrong value of the reading, but
            never invent one.

    Yields:
        Token ids up to, not including, the end token.
    """
    stop = model.config.text_config.eos_token_id
    cache = DynamicCache()
    embeds = model.embed(prompt["input_ids"], prompt.get("pixel_values"), prompt.get("landmarks"))
    banned: Tensor | None = None
    for index in range(longest):
        output = model.language_model(
            inputs_embeds=embeds, past_key_values=cache, use_cache=True, logits_to_keep=1
        )
        logits = output.logits[0, -1]
        if banned is not None:
            logits[banned] = -torch.inf
        if index == 0:
            token = int(first_choices[logits[first_choices].argmax()])
            if absent_ids is not None:
                banned = absent_ids(prompt["input_ids"][0], token)
        else:
            token = int(logits.argmax())
        if token == stop:
            return
        yield token
        embeds = model.get_input_embeddings()(torch.tensor([[token]]))
