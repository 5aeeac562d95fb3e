"""A full batch of random tokens with one face a row, for models whose words are not known."""

from __future__ import annotations

import torch

from facellm.face import N_LANDMARKS
from facellm.model import FaceLLMForConditionalGeneration
from facellm.processor import IGNORE_INDEX

from ..sample import TrainBatch


def made_batch(model: FaceLLMForConditionalGeneration, rows: int, length: int) -> TrainBatch:
    """Rows without padding: a face, then random words, of which the second half is learned.

    Args:
        model: Whose tower and vocabulary are used; the batch is on its device.
        rows: Of the batch.
        length: Tokens of a row.

    Raises:
        ValueError: If a face leaves no place for words.
    """
    config, patches = model.config, model.vision_tower.n_patches
    if length < patches + 2:
        raise ValueError(f"{length} tokens a row, but a face takes {patches}: give 2 more at least")
    generator = torch.Generator().manual_seed(0)
    size, face = config.vision_config.image_size, config.image_token_id
    words = length - patches
    said = torch.randint(0, config.text_config.vocab_size - 1, (rows, words), generator=generator)
    ids = torch.cat([torch.full((rows, patches), face), said + (said >= face)], 1)
    labels = ids.clone()
    labels[:, : length - words // 2] = IGNORE_INDEX
    return TrainBatch(
        input_ids=ids,
        labels=labels,
        segments=torch.ones_like(ids),
        positions=torch.arange(length).repeat(rows, 1),
        pixel_values=torch.randn(rows, 3, size, size, generator=generator),
        landmarks=torch.rand(rows, N_LANDMARKS, 2, generator=generator),
    ).to(next(model.parameters()).device)
