"""Labels of an adapter read off visual tokens: the reading prompt with the new queries at its end.

Example: ``LabelReader(adapted, processor, labels).logits(model.encode_faces(pixels, points))``

Legend: N faces, P patches, D language width, K classes of a label.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from facellm.adapter_labels import AdaptedLabel
from facellm.labels import QUERY_INDEX
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import FaceLLMProcessor


def shared_copy(model: FaceLLMForConditionalGeneration) -> FaceLLMForConditionalGeneration:
    """The model's modules again around the same weights.

    What is put between the copy's modules (adapters) never touches the model itself, and the
    weights take no memory twice.
    """
    held: dict[int, Any] = {id(weight): weight for weight in model.parameters()}
    held |= {id(buffer): buffer for buffer in model.buffers()}
    return copy.deepcopy(model, held)


class LabelReader:
    """Reads labels with a model that has adapters, or, without them, what the base says.

    Args:
        model: With or without adapters.
        processor: Its processor.
        labels: New ones stand behind all queries, in their order.
    """

    def __init__(
        self,
        model: FaceLLMForConditionalGeneration,
        processor: FaceLLMProcessor,
        labels: Sequence[AdaptedLabel],
    ) -> None:
        device = next(model.parameters()).device
        known = processor.query_positions().tolist()
        ids, places = processor.reading_ids(), []
        for label in labels:
            places.append(known[QUERY_INDEX[label.corrects]] if label.corrects else len(ids))
            ids += [] if label.corrects else [processor.token_id(label.query)]
        self.model, self.labels = model, tuple(labels)
        self.ids = torch.tensor(ids, device=device)
        self.faces = self.ids == processor.image_token_id
        self.places = torch.tensor(places, device=device)
        self.label_ids = [
            torch.tensor([processor.token_id(token) for token in label.tokens], device=device)
            for label in labels
        ]

    def logprobs(self, visual: Tensor) -> list[Tensor]:
        """Log-probabilities (N, K) of every label of faces given as visual tokens (N, P, D)."""
        with torch.no_grad():
            prompt = self.model.get_input_embeddings()(self.ids)
        embeds = prompt.expand(len(visual), -1, -1).clone()
        embeds[:, self.faces] = visual.to(embeds)
        return self.model.readouts(embeds, None, self.places, self.label_ids)
