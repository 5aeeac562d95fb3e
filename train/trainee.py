"""The model under its losses: batch in, one loss per objective out.

Logits are computed only where something is learned: at answer tokens and at query tokens.

Legend: as in ``sample``.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import cast

import torch
from torch import Tensor, nn

from facellm.model import FaceLLMForConditionalGeneration, merge_visual_tokens

from .norm_statistics import still_statistics
from .sample import Forwarded, Objective, TrainBatch


def packed_mask(segments: Tensor, dtype: torch.dtype) -> Tensor:
    """Additive causal mask that keeps every segment to itself.

    Args:
        segments: (B, T) int64, 0 for padding.
        dtype: Of the mask.

    Returns:
        (B, 1, T, T): 0 where a token may look, the dtype's lowest value elsewhere. Padding looks at
        itself, since a row without any place to look would be NaN.
    """
    length = segments.shape[1]
    causal = torch.ones(length, length, dtype=torch.bool, device=segments.device).tril()
    same = segments[:, :, None] == segments[:, None, :]
    real = (segments > 0)[:, None, :] | torch.eye(length, dtype=torch.bool, device=segments.device)
    allowed = causal & same & real
    mask = torch.zeros(allowed.shape, dtype=dtype, device=segments.device)
    return mask.masked_fill(~allowed, torch.finfo(dtype).min)[:, None]


class Trainee(nn.Module):
    """Model and objectives as one module, so that any engine can wrap both.

    Args:
        model: The model, or a PEFT wrapper's base after LoRA was injected into it.
        objectives: Objective -> weight.
    """

    def __init__(
        self,
        model: FaceLLMForConditionalGeneration,
        objectives: list[tuple[Objective, float]],
    ) -> None:
        super().__init__()
        self.model = model
        self.objectives = objectives
        modules = [objective for objective, _ in objectives if isinstance(objective, nn.Module)]
        self.objective_modules = nn.ModuleList(modules)

    def train(self, mode: bool = True) -> Trainee:
        """Training mode for what learns; frozen parts keep their norms' statistics."""
        super().train(mode)
        for part in self.model.children():
            if not any(parameter.requires_grad for parameter in part.parameters()):
                part.eval()
        return self

    def forward(self, batch: TrainBatch) -> dict[str, Tensor]:
        """Losses by name, unweighted, and ``total``, their weighted sum."""
        out = self.run(batch)
        losses: dict[str, Tensor] = {}
        total = out.hidden.sum() * 0  # every parameter keeps its place in the graph
        for objective, weight in self.objectives:
            loss = objective(batch, out)
            if loss is not None:
                losses[objective.name] = loss
                total = total + weight * loss
        if not losses:  # an output table of its own keeps its place too
            total = total + out.output_weight.sum() * 0
        return {**losses, "total": total}

    def amounts(self, batch: TrainBatch) -> dict[str, Tensor]:
        """What the means of a batch are over, of every objective that tells."""
        return {
            objective.name: objective.amounts(batch)  # type: ignore[attr-defined]
            for objective, _ in self.objectives
            if hasattr(objective, "amounts")
        }

    def run(self, batch: TrainBatch) -> Forwarded:
        """One forward pass without logits."""
        model = self.model
        embeds = model.get_input_embeddings()(batch.input_ids)
        patches, visual = self._faces(batch, embeds.dtype)
        if visual is not None and batch.blank:
            embeds, patches, visual = embeds + visual.sum() * 0, None, None
        if visual is not None:
            image = model.config.image_token_id
            embeds = merge_visual_tokens(embeds, batch.input_ids, visual, image_token_id=image)
        hidden = model.language_model.model(
            inputs_embeds=embeds,
            attention_mask=packed_mask(batch.segments, embeds.dtype),
            position_ids=batch.positions,
            use_cache=False,
        ).last_hidden_state
        weight = cast(Tensor, model.get_output_embeddings().weight)
        return Forwarded(hidden, weight, visual, patches)

    def _faces(
        self, batch: TrainBatch, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor] | tuple[None, None]:
        if batch.features is not None:
            patches = batch.features.to(dtype)
        elif batch.pixel_values is not None:
            tower = self.model.vision_tower
            with still_statistics(tower) if batch.blank else nullcontext():
                patches = tower(batch.pixel_values.to(dtype))
        else:
            return None, None
        return patches, self.model.visual_tokens(patches, batch.landmarks)
