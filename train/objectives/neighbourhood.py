"""Targets smoothed over neighbouring pictures: a slip of one rater is outvoted by faces alike.

For a face i with the expression target y_i::

    s_i = a y_i + (1 - a) mean over spaces of (1/K) sum over j in N(i) of y_j
    loss = mean_i of the cross-entropy of the readout with s_i

N(i) are the K faces nearest to i by cosine in a space, never the same picture again. Two spaces:
the mean visual token of a face, and its landmarks aligned by shift, scale and turn (faces without
landmarks have only the first). Candidates are the faces of this batch and of a queue of earlier
ones, each picture once, each space centred on their mean. a = .3, K = 8. With a ``data.teacher``
its distributions are the targets of faces without votes, as y_i and as y_j; validation scores of an
ablation know the labels alone.

Source: LA-Net, arXiv 2307.09023 (neighbours by expression and by landmarks, K = 8). What differs:
neighbours are also sought among earlier batches (one of ours may hold a handful of expression
targets, the paper's hold 128); they give their *given* targets, where the paper takes the model's
own predictions and so lets it vouch for itself; pairs weigh the same, where the paper learns
weights; the share a of the own label is fixed, where the paper's average moves a tenth from the
label to the neighbours at every visit (.3 is that average after eleven visits); landmarks are
given, not predicted; no contrastive loss.

Legend: as in ``sample``; n labelled faces of a batch, C candidates, E expressions, M queue places.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor, nn

from facellm.errors import FaceLLMError
from facellm.labels import EXPRESSIONS, QUERY_INDEX

from ..sample import Forwarded, Setting, TrainBatch
from .faces import first_faces, keys_of, sample_at
from .ranks import over_ranks
from .readout import soft_cross_entropy
from .shapes import aligned_shapes

NEIGHBOURS = 8
OWN_SHARE = 0.3
QUEUE = 4096  # faces; their features are 8 MB at width 512
EXPRESSION = QUERY_INDEX["expr"]


@dataclass(frozen=True)
class Neighbours:
    """Faces that may be one another's neighbours.

    Attributes:
        features: (n, D) float32, mean visual tokens.
        shapes: (n, 136) float32 aligned landmarks, NaN where missing.
        targets: (n, E) float32 as given.
        keys: (n,) int64, equal for the same picture.
    """

    features: Tensor
    shapes: Tensor
    targets: Tensor
    keys: Tensor

    def tensors(self) -> list[Tensor]:
        """The fields, in order."""
        return [getattr(self, field.name) for field in fields(self)]


def smoothed_targets(faces: Neighbours, candidates: Neighbours) -> Tensor:
    """Targets of faces, smoothed as the module docstring says.

    Args:
        faces: n faces.
        candidates: C faces; those with a face's own key are not its neighbours.

    Returns:
        (n, E), rows sum to 1 where the targets' do; a face with fewer than K candidates keeps its
        own target.
    """
    allowed = faces.keys[:, None] != candidates.keys[None, :]
    spaces = (faces.features, candidates.features), (faces.shapes, candidates.shapes)
    total = torch.zeros_like(faces.targets)
    count = faces.targets.new_zeros(len(faces.keys), 1)
    for mine, theirs in spaces:
        mean, found = _neighbour_mean(mine, theirs, allowed, candidates.targets)
        total = total + torch.where(found, mean, 0.0)
        count = count + found
    share = torch.where(count > 0, OWN_SHARE, 1.0)
    return share * faces.targets + (1 - share) * total / count.clamp(min=1)


def _neighbour_mean(
    mine: Tensor, theirs: Tensor, allowed: Tensor, targets: Tensor
) -> tuple[Tensor, Tensor]:
    """Mean target (n, E) of the nearest in one space, and (n, 1) whether there are enough."""
    known = torch.isfinite(theirs).all(1)
    allowed = allowed & known & torch.isfinite(mine).all(1)[:, None]
    if int(known.sum()) < NEIGHBOURS:
        return targets.new_zeros(len(mine), targets.shape[1]), allowed.new_zeros(len(mine), 1)
    centre = theirs[known].mean(0)
    directions = [
        nn.functional.normalize(torch.nan_to_num(x - centre), dim=1) for x in (mine, theirs)
    ]
    with torch.autocast(mine.device.type, enabled=False):  # near faces differ in late digits
        cosine = (directions[0] @ directions[1].T).masked_fill(~allowed, -torch.inf)
    nearest = cosine.topk(NEIGHBOURS, dim=1).indices
    return targets[nearest].mean(1), allowed.sum(1, keepdim=True) >= NEIGHBOURS


class NeighbourhoodLoss(nn.Module):
    """Cross-entropy of the expression readout with smoothed targets; see the module docstring.

    The queue consists of buffers, so it is saved with a checkpoint, and is filled while training
    only. Every rank keeps the same queue.

    Raises:
        FaceLLMError: If the run has no readout targets.
    """

    name = "neighbourhood"
    features: Tensor
    keys: Tensor
    seen: Tensor

    def __init__(self, setting: Setting) -> None:
        super().__init__()
        if not setting.run.data.readouts:
            raise FaceLLMError("losses.neighbourhood smooths readout targets: set data.readouts")
        self.label_ids: Tensor = setting.processor.label_ids[EXPRESSION]
        width = setting.model.config.text_config.hidden_size
        for name, size in {"features": width, "shapes": 136, "targets": len(EXPRESSIONS)}.items():
            self.register_buffer(name, torch.zeros(QUEUE, size))
        self.register_buffer("keys", torch.zeros(QUEUE, dtype=torch.int64))
        self.register_buffer("seen", torch.zeros((), dtype=torch.int64))  # pictures, ever

    def forward(self, batch: TrainBatch, out: Forwarded) -> Tensor | None:
        """Scalar, or None where the batch holds no expression target."""
        at, faces = self._labelled(batch, out)
        everyone = Neighbours(*over_ranks(faces.tensors())) if self.training else faces
        loss = None
        if len(at):
            target = smoothed_targets(faces, self._candidates(everyone))
            hidden = out.hidden[at[:, 0], at[:, 1]]
            each = soft_cross_entropy(hidden, out.output_weight, self.label_ids, target)
            loss = each.sum() / batch.amount(self.name, target.new_tensor([len(at)]))[0]
        if self.training:
            self._remember(everyone)
        return loss

    def amounts(self, batch: TrainBatch) -> Tensor:
        """(1,): faces labelled with an expression."""
        at = batch.readout_at
        return torch.zeros(1) if at is None else (at[:, 2] == EXPRESSION).sum().float()[None]

    def _labelled(self, batch: TrainBatch, out: Forwarded) -> tuple[Tensor, Neighbours]:
        """Where the expression targets stand, (n, 2) row and place, and their faces."""
        places, targets = batch.readout_at, batch.readout_targets
        if places is None or targets is None or out.visual is None:
            return self.keys.new_zeros(0, 2), Neighbours(*(rows[:0] for rows in self._queue()))
        chosen = places[:, 2] == EXPRESSION
        at = places[chosen, :2]
        samples, first = sample_at(batch, at[:, 0], at[:, 1]), first_faces(batch)
        keys = [batch.samples[sample].images[0].key for sample in samples]
        face = torch.tensor([first[sample] for sample in samples], dtype=torch.int64)
        visual = out.visual.detach()[face.to(out.visual.device)].float()
        points = visual.new_full((len(face), 68, 2), torch.nan)
        if batch.landmarks is not None:
            points = batch.landmarks[face.to(batch.landmarks.device)].float()
        given = targets[chosen, : len(EXPRESSIONS)].float()
        shapes = aligned_shapes(points)
        return at, Neighbours(visual.mean(1), shapes, given, keys_of(keys, visual.device))

    def _queue(self) -> list[Tensor]:
        return [getattr(self, field.name) for field in fields(Neighbours)]

    def _candidates(self, everyone: Neighbours) -> Neighbours:
        """Faces of the batch and of the queue, each picture once, as it was seen last."""
        filled = min(int(self.seen), QUEUE)
        older = ~torch.isin(self.keys[:filled], everyone.keys)
        rows = _first_of_each(everyone.keys)
        pairs = zip(everyone.tensors(), self._queue(), strict=True)
        return Neighbours(
            *(torch.cat((new[rows], old[:filled][older].to(new.dtype))) for new, old in pairs)
        )

    def _remember(self, everyone: Neighbours) -> None:
        """A picture that the queue holds is renewed in its place; a new one takes the oldest's."""
        rows = _first_of_each(everyone.keys)
        held = torch.arange(QUEUE, device=self.keys.device) < self.seen
        same = (everyone.keys[rows][:, None] == self.keys) & held
        known = same.any(1)
        next_places = (self.seen + (~known).cumsum(0) - 1) % QUEUE
        places = torch.where(known, same.int().argmax(1), next_places)
        for old, new in zip(self._queue(), everyone.tensors(), strict=True):
            for part in (known, ~known):  # a new picture may take the place of a renewed one
                old[places[part]] = new[rows[part]].to(old.dtype)
        self.seen += int((~known).sum())


def _first_of_each(keys: Tensor) -> Tensor:
    """Rows (n,) at which a key stands for the first time."""
    first = (keys[:, None] == keys[None, :]).int().argmax(1) if len(keys) else keys
    return torch.nonzero(first == torch.arange(len(keys), device=keys.device)).flatten()
