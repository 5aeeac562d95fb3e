"""Cross-entropy at the query tokens: readouts learn distributions, votes and all."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from facellm.labels import ACTION_UNITS, QUERIES

from ..sample import Forwarded, Setting, TrainBatch

# Twenty-one units of one face would outweigh its expression; gaze and age have many labels.
QUERY_WEIGHTS = {
    **{f"au{number}": 0.3 for number in ACTION_UNITS},
    "expr": 1.5, "age": 0.4, "gender": 0.4, "mask": 0.15, "fake": 0.3, "mouth_open": 0.1,
    "eyes_closed": 0.1, "gaze_yaw": 0.3, "gaze_pitch": 0.3,
}  # fmt: skip


class ReadoutLoss:
    """Sum over the queries of weight times mean cross-entropy of the faces labelled for each.

    With ``losses.soft_targets`` false a target is its most likely label alone (of two that tie,
    the first).

    Source: the soft target is that of FER+, arXiv 1608.01041 (cross-entropy with the
    taggers' distribution against majority voting).
    """

    name = "readout"

    def __init__(self, setting: Setting) -> None:
        self.label_ids: list[Tensor] = setting.processor.label_ids
        self.soft = setting.run.losses.soft_targets

    def __call__(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Scalar, or None where the batch holds no target."""
        if batch.readout_at is None or batch.readout_targets is None or not len(batch.readout_at):
            return None
        rows, places, queries = batch.readout_at.unbind(1)
        hidden = out.hidden[rows, places]
        faces = batch.amount(self.name, self.amounts(batch))
        terms = []
        for index in queries.unique().tolist():
            labelled = queries == index
            ids = self.label_ids[index]
            target = batch.readout_targets[labelled, : len(ids)]
            if not self.soft:
                target = F.one_hot(target.argmax(-1), len(ids)).to(target.dtype)
            each = soft_cross_entropy(hidden[labelled], out.output_weight, ids, target)
            terms.append(QUERY_WEIGHTS[QUERIES[index].name] * each.sum() / faces[index])
        return torch.stack(terms).sum()

    def amounts(self, batch: TrainBatch) -> Tensor:
        """(Q,): faces labelled for each query."""
        if batch.readout_at is None:
            return torch.zeros(len(QUERIES))
        return torch.bincount(batch.readout_at[:, 2], minlength=len(QUERIES)).float()


def soft_cross_entropy(
    hidden: Tensor, output_weight: Tensor, ids: Tensor, target: Tensor
) -> Tensor:
    """Cross-entropy of one query's labels with target distributions, in nats.

    Args:
        hidden: (n, D) last hidden states at the query's tokens.
        output_weight: (V, D).
        ids: (M,) token ids of the query's labels.
        target: (n, M), rows sum to 1.

    Returns:
        (n,) float32.
    """
    weight = output_weight[ids.to(hidden.device)].to(hidden.dtype)
    return -(target * (hidden @ weight.T).float().log_softmax(-1)).sum(-1)
