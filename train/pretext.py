"""Pretraining beside the labels: hidden blocks of pixels, and captions by open_clip's loss.

Both are off by default, both are thrown away with the heads. ``masked``: blocks of the crop are
replaced by one learned colour and a linear map per patch says what they looked like (SimMIM, arXiv
2111.09886). ``contrast``: a small text tower reads what the corpus says of a picture, and pictures
and captions of a batch must find each other (CLIP, arXiv 2103.00020; ``open_clip``'s loss).

Legend: N pictures, S side of a crop, P patches, D tower width, T tokens of a caption, E width that
both are compared in.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from facellm.errors import FaceLLMError

from .encoder_config import PretextConfig
from .norm_statistics import still_statistics
from .open_clip_bridge import clip_loss

SHOWN = 8  # side in pixels of what a patch must say of its block
CAPTION_TOKENS = 64
TEXT_WIDTH, TEXT_LAYERS, TEXT_HEADS = 192, 2, 4
CAPTION_TASKS = ("description", "expression", "age")


class MaskedPixels(nn.Module):
    """Predict hidden blocks of a crop from the tower's patches.

    Args:
        width: D.
        n_patches: P; a square number, each patch answers for one block.
        share: Of the blocks that are hidden, in (0, 1).
    """

    def __init__(self, width: int, n_patches: int, share: float = 0.5) -> None:
        super().__init__()
        self.grid, self.share = round(n_patches**0.5), share
        if self.grid**2 != n_patches:
            raise ValueError(f"{n_patches} patches are no square grid")
        self.colour = nn.Parameter(torch.zeros(3))
        self.show = nn.Linear(width, 3 * SHOWN * SHOWN)

    def hide(self, pixels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Pixels (N, 3, S, S) with hidden blocks, and which they are, (N, P) bool."""
        count, _, side, _ = pixels.shape
        order = torch.rand(count, self.grid**2, generator=generator).argsort(1)
        hidden = order < round(self.share * self.grid**2)
        scale = side // self.grid
        blocks = hidden.view(count, 1, self.grid, self.grid)
        mask = blocks.repeat_interleave(scale, 2).repeat_interleave(scale, 3)
        return torch.where(mask, self.colour[:, None, None], pixels), hidden

    def loss(self, patches: Tensor, pixels: Tensor, hidden: Tensor) -> Tensor:
        """Mean absolute error on the hidden blocks, seen at ``SHOWN`` pixels a side.

        Args:
            patches: (N, P, D) of the hidden picture.
            pixels: (N, 3, S, S), the whole one.
            hidden: (N, P) bool.
        """
        small = F.interpolate(pixels, size=self.grid * SHOWN, mode="area")
        blocks = small.unfold(2, SHOWN, SHOWN).unfold(3, SHOWN, SHOWN)  # (N, 3, g, g, 8, 8)
        wanted = blocks.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(1, 2)
        return (self.show(patches[hidden]) - wanted[hidden]).abs().mean()


class CaptionContrast(nn.Module):
    """Pictures and captions of a batch must find each other.

    Args:
        width: D.
        vocabulary: Tokens of the captions' tokenizer.
    """

    def __init__(self, width: int, vocabulary: int) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, TEXT_WIDTH)
        self.places = nn.Parameter(torch.randn(CAPTION_TOKENS, TEXT_WIDTH) * 0.02)
        layer = nn.TransformerEncoderLayer(
            TEXT_WIDTH, TEXT_HEADS, 4 * TEXT_WIDTH, dropout=0.0, batch_first=True, norm_first=True
        )
        self.text = nn.TransformerEncoder(layer, TEXT_LAYERS, enable_nested_tensor=False)
        self.picture = nn.Linear(width, TEXT_WIDTH, bias=False)
        self.log_scale = nn.Parameter(torch.tensor(np.log(1 / 0.07), dtype=torch.float32))
        self.clip_loss = clip_loss()

    def read(self, captions: Tensor) -> Tensor:
        """(N, T) ids, -1 beyond the end -> (N, E) unit vectors."""
        known = captions >= 0
        embedded = self.words(captions.clamp(min=0)) + self.places[: captions.shape[1]]
        hidden = self.text(embedded, src_key_padding_mask=~known)
        pooled = (hidden * known[..., None]).sum(1) / known.sum(1, keepdim=True)
        return F.normalize(pooled, dim=-1)

    def loss(self, patches: Tensor, captions: Tensor) -> Tensor | None:
        """open_clip's loss over the pictures that have a caption; None for fewer than two."""
        told = (captions >= 0).any(1)
        if told.sum() < 2:
            return None
        seen = F.normalize(self.picture(patches[told].mean(1)), dim=-1)
        return self.clip_loss(seen, self.read(captions[told]), self.log_scale.exp().clamp(max=100))


class Pretext(nn.Module):
    """The losses that are on, with weights and parameters of their own.

    Args:
        config: Weights; a loss of weight 0 is not built.
        width: D.
        n_patches: P.
        vocabulary: Tokens of the captions' tokenizer; 0 without captions.
    """

    def __init__(self, config: PretextConfig, width: int, n_patches: int, vocabulary: int) -> None:
        super().__init__()
        self.config = config
        self.masked = MaskedPixels(width, n_patches) if config.masked else None
        self.contrast = CaptionContrast(width, vocabulary) if config.contrast else None

    def losses(
        self, tower: nn.Module, batch: dict[str, Tensor], patches: Tensor, seed: int
    ) -> dict[str, Tensor]:
        """Weighted losses by name.

        Args:
            tower: Pixels -> patches.
            batch: Of the step, ``pixel_values`` and, where it has captions, ``captions``.
            patches: (N, P, D) of the whole pictures.
            seed: Of which blocks are hidden.
        """
        found: dict[str, Tensor] = {}
        if self.masked is not None:
            pixels = batch["pixel_values"]
            hidden_pixels, hidden = self.masked.hide(pixels, torch.Generator().manual_seed(seed))
            with still_statistics(tower):  # the product sees no picture with holes
                seen = tower(hidden_pixels)
            loss = self.masked.loss(seen, pixels, hidden)
            found["masked"] = self.config.masked * loss
        if self.contrast is not None and "captions" in batch:
            loss = self.contrast.loss(patches, batch["captions"])
            if loss is not None:
                found["contrast"] = self.config.contrast * loss
        return found


class Captions:
    """What a corpus says of its pictures, tokenised, by ``source/key``.

    Args:
        told: ``source/key`` -> sentences.
        tokenizer: Any of ``transformers``.
    """

    def __init__(self, told: Mapping[str, list[str]], tokenizer: Any) -> None:
        self.told, self.tokenizer = told, tokenizer

    @classmethod
    def of(cls, records: Iterable[tuple[str, str, str]], tokenizer: Any) -> Captions:
        """From (record id, task, first answer) of the records of a corpus."""
        told: dict[str, list[str]] = {}
        for name, task, answer in records:
            if task in CAPTION_TASKS:
                told.setdefault(name.rpartition("/")[0], []).append(answer)
        return cls(told, tokenizer)

    def draw(self, key: str, rng: np.random.Generator) -> list[int]:
        """Token ids of one of a picture's captions; empty where it has none."""
        told = self.told.get(key)
        if not told:
            return []
        text = told[int(rng.integers(len(told)))]
        return self.tokenizer(text, add_special_tokens=False)["input_ids"][:CAPTION_TOKENS]


def read_captions(corpus: Path, tokenizer: Any) -> Captions:
    """The captions of a built corpus's training split.

    Raises:
        FaceLLMError: If the folder holds no shards.
    """
    import pyarrow.parquet as pq

    shards = sorted(corpus.glob("shard-*-train.parquet"))
    if not shards:
        raise FaceLLMError(f"{corpus}: no shard-*-train.parquet; build the corpus first")

    def records() -> Iterable[tuple[str, str, str]]:
        for shard in shards:
            for line in pq.read_table(shard, columns=["id", "task", "messages"]).to_pylist():
                told = [m["content"] for m in line["messages"] if m["role"] == "assistant"]
                if told:
                    yield line["id"], line["task"], told[0]

    return Captions.of(records(), tokenizer)


def pad_captions(captions: list[list[int]]) -> Tensor:
    """(N, T) int64, -1 beyond each end."""
    longest = max(1, *map(len, captions))
    rows = [ids + [-1] * (longest - len(ids)) for ids in captions]
    return torch.tensor(rows, dtype=torch.int64)
