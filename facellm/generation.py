"""Decoding as an iterator of token ids, with the key-value cache of ``transformers``.

``model.generate`` gives the same greedy tokens (tested); this loop hands each one out as soon as
it is known and restricts the first one to the intents, so a question's meaning is a readout too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import DynamicCache

from facellm.model import FaceLLMForConditionalGeneration

Pick = Callable[[Tensor], int]  # logits (V,) -> the token that is written


def likeliest(logits: Tensor) -> int:
    """The token with the largest of the logits (V,)."""
    return int(logits.argmax())


def nucleus(temperature: float, top_p: float, seed: int | None) -> Pick:
    """Sampling from the likeliest tokens that hold a share ``top_p`` together.

    Args:
        temperature: Above 0; logits are divided by it.
        top_p: In (0, 1].
        seed: Of the draws; None takes any.

    Source: Holtzman et al., arXiv 1904.09751, section 3.1.
    """
    draws = torch.Generator()
    if seed is None:
        draws.seed()
    else:
        draws.manual_seed(seed)

    def pick(logits: Tensor) -> int:
        shares, order = (logits.float() / temperature).softmax(-1).sort(descending=True)
        before = shares.cumsum(-1) - shares
        shares[before >= top_p] = 0  # the first token always stays
        return int(order[torch.multinomial(shares, 1, generator=draws)])

    return pick


@dataclass(frozen=True)
class Choice:
    """How tokens are chosen.

    Attributes:
        longest: Most tokens handed out.
        pick: Takes one; the first token of an answer is always the likeliest intent.
    """

    longest: int
    pick: Pick = likeliest


@torch.inference_mode()
def chosen_tokens(
    model: FaceLLMForConditionalGeneration,
    prompt: dict[str, Tensor],
    first_choices: Tensor,
    choice: Choice,
    absent_ids: Callable[[Tensor, int], Tensor] | None = None,
) -> Iterator[int]:
    """Write an answer token by token.

    Args:
        model: In evaluation mode.
        prompt: ``input_ids`` (1, T) and, with faces, ``pixel_values`` and ``landmarks``.
        first_choices: Ids the first token is chosen from (the intents).
        choice: How tokens are chosen, and how many.
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
    for index in range(choice.longest):
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
            token = choice.pick(logits)
        if token == stop:
            return
        yield token
        embeds = model.get_input_embeddings()(torch.tensor([[token]]))


def greedy_tokens(
    model: FaceLLMForConditionalGeneration,
    prompt: dict[str, Tensor],
    first_choices: Tensor,
    longest: int,
    absent_ids: Callable[[Tensor, int], Tensor] | None = None,
) -> Iterator[int]:
    """``chosen_tokens`` that takes the likeliest token every time, ``longest`` at most."""
    return chosen_tokens(model, prompt, first_choices, Choice(longest), absent_ids)
