"""The toy of the region claim: pictures with cues, a hundredth-size model and its training.

Legend: N pictures, P patches, Q questions (brow, eye).
"""

from __future__ import annotations

import copy
import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import LlamaConfig

from facellm.config import ConvHybridConfig, FaceLLMConfig
from facellm.errors import FaceLLMError
from facellm.face import MIRROR_68
from facellm.model import FaceLLMForConditionalGeneration
from facellm.prepared import PreparedSet

from .region_cues import CROP, MOST_YAW, OPEN_EYE, Cue, cue_sample

START, IMAGE, LABELS = 3, 4, torch.tensor([7, 8])  # token ids of the toy: left, right
QUERY_IDS = [5, 6]
TURNS = (0.25, 0.5, 1.0)  # largest turns training pictures are drawn at, parts of ``degrees``


@dataclass(frozen=True)
class ClaimRun:
    """Settings.

    Attributes:
        train: Training pictures, several of one render allowed.
        held_out: Validation pictures, and as many again for the test.
        epochs: Most passes over the training pictures.
        patience: Validations without a better loss before the rate is halved; twice that ends it.
        batch: Pictures a step.
        lr: Peak learning rate.
        degrees: Largest turn of a face.
        growth: Epochs at each smaller turn of training pictures (``TURNS``) before ``degrees``:
            the cues are learned on nearly upright faces first, or a toy never leaves chance.
        seeds: Seeds 0 .. seeds - 1 of weights and order; the pictures stay the same.
    """

    train: int = 8000
    held_out: int = 2000
    epochs: int = 44
    patience: int = 3
    batch: int = 64
    lr: float = 1e-3
    degrees: float = 180.0
    growth: int = 12
    seeds: int = 3


@dataclass(frozen=True)
class CuePictures:
    """Pictures of one split.

    Attributes:
        crops: (N, 96, 96, 3) uint8.
        points: (N, 68, 2) float32 in [0, 1], of the unedited face.
        sides: (N, Q) int64, 0 left, 1 right.
    """

    crops: Tensor
    points: Tensor
    sides: Tensor


def cue_pictures(rig: PreparedSet, split: int, count: int, degrees: float) -> CuePictures:
    """``count`` pictures of a split (0 train, 1 valid, 2 test) of faces with both eyes open."""
    rows = rig.rows(split)
    rows = rows[rig.labels["eye_open"][rows].min(axis=1) > OPEN_EYE]
    rows = rows[np.abs(rig.labels["pose"][rows, 0]) < MOST_YAW]
    if not len(rows) or rig.exact is None:
        raise FaceLLMError(f"no open-eyed renders with landmarks in split {split}")
    cues: list[Cue] = []
    for index in range(count):
        rng = np.random.default_rng((split, index))
        row = rows[index % len(rows)]
        cues.append(cue_sample(np.asarray(rig.images[row]), rig.exact[row], rng, degrees))
    return CuePictures(
        torch.from_numpy(np.stack([cue.crop for cue in cues])),
        torch.from_numpy(np.stack([cue.points for cue in cues])),
        torch.tensor([[cue.brow, cue.eye] for cue in cues]),
    )


def new_toy(seed: int) -> FaceLLMForConditionalGeneration:
    """The product's class at a hundredth of its size: 36 patches, widths 48 and 64."""
    torch.manual_seed(seed)
    vision = ConvHybridConfig(
        image_size=CROP, fold=4, widths=(16, 32, 48), depths=(1, 1, 1), layers=1, heads=2
    )
    text = LlamaConfig(
        vocab_size=16,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=64,
        tie_word_embeddings=True,
        attn_implementation="eager",  # type: ignore[call-arg]
    )
    config = FaceLLMConfig(vision_config=vision, text_config=text, image_token_id=IMAGE)
    return FaceLLMForConditionalGeneration(config)


def landmarks_of(data: CuePictures, rows: Tensor, kind: str) -> Tensor:
    """Landmarks an arm or a probe is given for pictures ``rows``, (N, 68, 2)."""
    points = data.points[rows]
    if kind == "none":
        return torch.full_like(points, torch.nan)
    if kind == "other":  # the same wrong face every time, so nothing is averaged away
        return data.points[(rows * 7919 + 13) % len(data.points)]
    return points[:, MIRROR_68] if kind == "mirrored" else points


def answer_logprobs(
    model: FaceLLMForConditionalGeneration, crops: Tensor, points: Tensor
) -> Tensor:
    """Log-probabilities of left and right for both questions, (N, Q, 2)."""
    patches = model.vision_tower.n_patches
    ids = torch.tensor([START, *[IMAGE] * patches, *QUERY_IDS]).expand(len(crops), -1)
    pixels = (crops.permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.25
    embeds = model.embed(ids, pixels, points)
    places = torch.tensor([patches + 1, patches + 2])
    return torch.stack(model.readouts(embeds, None, places, [LABELS, LABELS]), dim=1)


@torch.inference_mode()
def read_sides(
    model: FaceLLMForConditionalGeneration, data: CuePictures, kind: str
) -> tuple[np.ndarray, float]:
    """Whether each answer is right (N, Q), and the mean loss."""
    model.eval()
    parts = [
        answer_logprobs(model, data.crops[rows], landmarks_of(data, rows, kind))
        for rows in torch.arange(len(data.crops)).split(250)
    ]
    said = torch.cat(parts)
    loss = -said.gather(2, data.sides[..., None]).mean()
    return (said.argmax(-1) == data.sides).numpy(), float(loss)


def stage_of_epoch(epoch: int, run: ClaimRun) -> int:
    """Which of ``TURNS`` the pictures of an epoch are drawn at."""
    return min(epoch // run.growth, len(TURNS) - 1) if run.growth else len(TURNS) - 1


def train_arm(
    stages: list[CuePictures], valid: CuePictures, kind: str, seed: int, run: ClaimRun
) -> tuple[FaceLLMForConditionalGeneration, dict[str, Any]]:
    """Train one model until its validation loss stops falling; its best state and how it went.

    Args:
        stages: Training pictures at each of ``TURNS``.
        valid: Validation pictures, at the full turn.
        kind: Which landmarks the model is given (``landmarks_of``).
        seed: Of weights and order.
        run: Settings.
    """
    model, start = new_toy(seed), time.monotonic()
    optimizer = torch.optim.AdamW(model.parameters(), run.lr, weight_decay=0.05)
    generator = torch.Generator().manual_seed(seed)
    best, state, waited, epoch = float("inf"), model.state_dict(), 0, 0
    while epoch < run.epochs and waited < 2 * run.patience:
        model.train()
        train = stages[stage_of_epoch(epoch, run)]
        order = torch.randperm(len(train.crops), generator=generator)
        for step, rows in enumerate(order.split(run.batch)):
            if epoch == 0:
                optimizer.param_groups[0]["lr"] = run.lr * min(1.0, (step + 1) / 60)
            points = landmarks_of(train, rows, kind)
            said = answer_logprobs(model, train.crops[rows], points)
            loss = -said.gather(2, train.sides[rows][..., None]).mean()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
        epoch += 1
        found = read_sides(model, valid, kind)[1]
        growing = epoch <= run.growth * (len(TURNS) - 1)
        waited = 0 if found < best - 1e-3 or growing else waited + 1
        if found < best:
            best, state = found, copy.deepcopy(model.state_dict())
        if waited == run.patience:
            optimizer.param_groups[0]["lr"] /= 2
    model.load_state_dict(state)
    return model, {
        "epochs": epoch,
        "plateau": waited >= 2 * run.patience,
        "validation_loss": round(best, 4),
        "gate": round(float(model.region_attention.gate.detach()), 6),
        "seconds": round(time.monotonic() - start),
    }
