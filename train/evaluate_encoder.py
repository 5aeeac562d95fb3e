"""Figures of the throw-away heads on a held-out split, to compare the readouts with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from facellm.labels import EXPRESSIONS, MAX_AGE
from facellm.prepared import PreparedSet, landmark_square
from facellm.votes import published_majority

from .augment import sample_crop
from .batches import (
    IMAGE_SIZE,
    PIXEL_MEAN,
    PIXEL_STD,
)

if TYPE_CHECKING:
    from .encoder import EncoderTrainee


def plain_crop(data: PreparedSet, row: int, whole: bool) -> tuple[np.ndarray, np.ndarray]:
    """Un-augmented crop (S, S, 3) uint8 and landmarks (68, 2) in [0, 1] or NaN."""
    points, half = data.points(row), data.side / 2
    square = (half, half, float(data.side))
    if not whole:
        square = (
            (half, half * 1.04, data.side * 0.78) if points is None else landmark_square(points)
        )
    crop, matrix = sample_crop(
        np.asarray(data.images[row]), square, IMAGE_SIZE, (1.0, 0.0, 0.0, 0.0, False)
    )
    crop = np.repeat(crop, 3, axis=2) if crop.shape[2] == 1 else crop
    if points is None:
        return crop, np.full((68, 2), np.nan)
    return crop, (points @ matrix[:, :2].T + matrix[:, 2]) / IMAGE_SIZE


def head_outputs(
    model: EncoderTrainee, data: PreparedSet, rows: np.ndarray, *, whole: bool
) -> dict[str, np.ndarray]:
    """Outputs of the heads for rows of a set, mirrored copies not averaged."""
    outputs: list[dict[str, np.ndarray]] = []
    for start in range(0, len(rows), 64):
        crops, points = zip(
            *(plain_crop(data, int(r), whole) for r in rows[start : start + 64]), strict=True
        )
        pixels = (np.stack(crops).astype(np.float32) / 255 - PIXEL_MEAN) / PIXEL_STD
        tensor = torch.from_numpy(pixels).permute(0, 3, 1, 2)
        with torch.inference_mode():
            out = model(
                tensor.contiguous(memory_format=torch.channels_last),
                torch.from_numpy(np.stack(points)).float(),
            )
        outputs.append({name: value.float().numpy() for name, value in out.items()})
    return {name: np.concatenate([out[name] for out in outputs]) for name in outputs[0]}


def evaluate(
    model: EncoderTrainee, sets: dict[str, PreparedSet], split: int, limit: int
) -> dict[str, float]:
    """Accuracy on FER+, age MAE and gender on UTKFace of ``split``, from the heads."""
    model.eval()
    fer = sets["ferplus"]
    rows = fer.rows(split)
    rows = rows[published_majority(fer.labels["votes"][rows]) >= 0][:limit]
    truth = published_majority(fer.labels["votes"][rows])
    said = head_outputs(model, fer, rows, whole=True)["expr"][:, : len(EXPRESSIONS)].argmax(1)
    utk = sets["utkface"]
    rows = utk.rows(split)[:limit]
    out = head_outputs(model, utk, rows, whole=False)
    weights = torch.from_numpy(out["age"]).softmax(-1).numpy()
    years = weights @ np.arange(MAX_AGE + 1)
    return {
        "ferplus_accuracy": round(float((said == truth).mean()), 4),
        "ferplus_n": len(truth),
        "utkface_mae": round(float(np.abs(years - utk.labels["age"][rows]).mean()), 3),
        "utkface_gender": round(
            float((out["male"].argmax(1) == utk.labels["male"][rows]).mean()), 4
        ),
        "utkface_n": len(rows),
    }
