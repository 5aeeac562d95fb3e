"""Cross-entropy of the answer tokens (LLaVA, arXiv 2304.08485, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facellm.labels import INTENT_TOKENS
from facellm.processor import IGNORE_INDEX

from ..data.echo import NAME, VALUE
from ..sample import Forwarded, Setting, TrainBatch


class AnswerLoss:
    """Mean over the answer tokens of a batch, each predicted from the place before it.

    Kinds of tokens count as ``losses.tokens`` says.
    """

    name = "answer"

    def __init__(self, setting: Setting) -> None:
        self.weights = token_weights(setting)

    def __call__(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Scalar, or None where the batch holds no answer."""
        wanted = batch.labels[:, 1:] != IGNORE_INDEX
        if not wanted.any():
            return None
        logits = out.hidden[:, :-1][wanted] @ out.output_weight.T.to(out.hidden.dtype)
        labels = batch.labels[:, 1:][wanted]
        each = F.cross_entropy(logits.float(), labels, reduction="none")
        summed = (self.weights.to(each.device)[labels] * each).sum()
        return summed / batch.amount(self.name, self.amounts(batch).to(summed.device))[0]

    def amounts(self, batch: TrainBatch) -> Tensor:
        """(1,): answer tokens, each as often as it counts."""
        labels = batch.labels[:, 1:]
        weights = self.weights.to(labels.device)
        return weights[labels[labels != IGNORE_INDEX]].sum()[None]


def token_weights(setting: Setting) -> Tensor:
    """Float32, one for every id of the tokenizer: how often the token counts."""
    kinds, vocabulary = setting.run.losses.tokens, setting.processor.tokenizer.get_vocab()
    weights = torch.ones(max(vocabulary.values()) + 1)
    for word, index in vocabulary.items():
        if VALUE.fullmatch(word):
            weights[index] = kinds.values
        elif NAME.fullmatch(word):
            weights[index] = kinds.names
        elif word in INTENT_TOKENS:
            weights[index] = kinds.intents
    return weights
