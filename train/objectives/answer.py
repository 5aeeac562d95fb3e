"""Cross-entropy of the answer tokens (LLaVA, arXiv 2304.08485, section 4.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facellm.processor import IGNORE_INDEX

from ..sample import Forwarded, Setting, TrainBatch


class AnswerLoss:
    """Mean over the answer tokens of a batch, each predicted from the place before it."""

    name = "answer"

    def __init__(self, setting: Setting) -> None:
        del setting  # needs nothing

    def __call__(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Scalar, or None where the batch holds no answer."""
        wanted = batch.labels[:, 1:] != IGNORE_INDEX
        if not wanted.any():
            return None
        logits = out.hidden[:, :-1][wanted] @ out.output_weight.T.to(out.hidden.dtype)
        summed = F.cross_entropy(logits.float(), batch.labels[:, 1:][wanted], reduction="sum")
        return summed / batch.amount(self.name, self.amounts(batch).to(summed.device))[0]

    def amounts(self, batch: TrainBatch) -> Tensor:
        """(1,): answer tokens."""
        return torch.stack([(batch.labels[:, 1:] != IGNORE_INDEX).sum()]).float()
