"""Gradient reversal against telling people apart: labels must not be read off who it is.

A linear classifier says which person a face is; between it and the face's mean visual token the
gradient changes sign, so that the classifier learns people and the tokens unlearn them::

    loss = mean_i of -log softmax(W LN(GRL(mean visual token_i)) + b)[person_i]
    GRL: x forward, -strength * gradient backward

It asks which person of the training data, for the sake of forgetting it; nothing of it is kept in
the model that is exported.

Source: FMAE-IAT, arXiv 2407.11243; gradient reversal: Ganin and Lempitsky, arXiv 1409.7495, section
3. What differs: the classifier starts at 0 and the strength rises from 0 to 1 over the first
hundred passes, so that the reversed gradient of a classifier that knows nothing yet does no harm;
the paper's lambda is the weight of this loss; a layer norm without parameters, since visual tokens
have no fixed scale.

Legend: as in ``sample``; n faces with a known person.
"""

from __future__ import annotations

import logging
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..sample import Forwarded, Setting, TrainBatch
from .faces import first_faces, keys_of
from .ranks import over_ranks, ranks

PEOPLE = 2048  # more are not told apart and do not count
RAMP = 100  # passes until the reversed gradient has its full strength
FREE = -1

LOG = logging.getLogger(__name__)


class ReverseGradient(torch.autograd.Function):
    """Identity forward; minus ``strength`` times the gradient backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        """(...) -> the same values."""
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        """Gradient of the values; the strength has none."""
        return -ctx.strength * gradients[0], None


class IdentityAdversary(nn.Module):
    """See the module docstring. Samples without a subject, or with several faces, do not count.

    Classes are given to people as they are first seen while training; the table is a buffer, so it
    is saved with a checkpoint, and every rank keeps the same one.
    """

    name = "identity_adversary"
    people: Tensor
    passes: Tensor

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        width = setting.model.config.text_config.hidden_size
        # Not drawn at random first: the run's own draws stay what they were.
        self.classifier = cast(nn.Linear, nn.utils.skip_init(nn.Linear, width, PEOPLE))
        nn.init.zeros_(self.classifier.weight)
        nn.init.zeros_(self.classifier.bias)
        self.register_buffer("people", torch.full((PEOPLE,), FREE, dtype=torch.int64))
        self.register_buffer("passes", torch.zeros((), dtype=torch.int64))
        self._told_full = False

    @property
    def strength(self) -> float:
        """Of the reversed gradient, [0, 1]."""
        return min(1.0, int(self.passes) / RAMP)

    def forward(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Scalar, or None where no face of the batch has a known person."""
        faces, keys = self._named(batch)
        if self.training:
            self._meet(over_ranks([keys])[0])
        loss = self._no_loss() if self.training and ranks() > 1 else None
        same = keys[:, None] == self.people[None, :]
        known = same.any(1)
        if out.visual is not None and known.any():
            tokens = out.visual[faces[known]].mean(1).float()
            reversed_tokens = ReverseGradient.apply(tokens, self.strength)
            normed = F.layer_norm(reversed_tokens, tokens.shape[-1:])  # type: ignore[arg-type]
            logits = self.classifier(normed.to(self.classifier.weight.dtype)).float()
            logits = logits.masked_fill(self.people == FREE, -torch.inf)
            people = same[known].int().argmax(1)
            summed = F.cross_entropy(logits, people, reduction="sum")
            loss = summed / batch.amount(self.name, summed.new_tensor([len(faces)]))[0]
        if self.training:
            self.passes += 1
        return loss

    def amounts(self, batch: TrainBatch) -> Tensor:
        """(1,): faces of samples with one face and a subject."""
        return torch.tensor([float(len(self._named(batch)[0]))])

    def _no_loss(self) -> Tensor:
        """0 by way of the classifier: ranks must go through the same modules."""
        weight = self.classifier.weight
        nobody = torch.zeros(1, self.classifier.in_features, dtype=weight.dtype)
        return self.classifier(nobody.to(weight.device)).float().sum() * 0

    def _named(self, batch: TrainBatch) -> tuple[Tensor, Tensor]:
        """Faces (n,) of samples with one face and a subject, and the keys (n,) of the people."""
        named = [
            (face, f"{sample.source}/{sample.subject}")
            for face, sample in zip(first_faces(batch), batch.samples, strict=True)
            if sample.subject is not None and len(sample.images) == 1
        ]
        device = self.people.device
        faces = torch.tensor([face for face, _ in named], dtype=torch.int64, device=device)
        return faces, keys_of([name for _, name in named], device)

    def _meet(self, keys: Tensor) -> None:
        """Give new people the next free classes."""
        taken = int((self.people != FREE).sum())
        known = set(self.people[:taken].tolist())
        new = [key for key in dict.fromkeys(keys.tolist()) if key not in known]
        room = new[: PEOPLE - taken]
        if len(room) < len(new) and not self._told_full:
            LOG.warning("identity_adversary tells %d people apart; more do not count", PEOPLE)
            self._told_full = True
        self.people[taken : taken + len(room)] = torch.tensor(
            room, dtype=torch.int64, device=self.people.device
        )
