"""Mixed batches of the prepared sets for the encoder: every step can be rebuilt from its number.

A batch holds rows of every set in fixed shares; a label a row does not have is -1 (integers) or NaN
(floats) and its loss is masked. Landmarks of a set are read from ``landmarks.npy`` ((N, 68, 2),
[0, 1] of the stored picture, NaN where none were found) as our own landmark network gave them.

Legend: B batch, S side of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from facellm.atomic import read_json
from facellm.label_targets import (
    EYES_OPEN,
    EYES_SHUT,
    MOUTH_OPEN,
    MOUTH_SHUT,
    threshold_label,
)
from facellm.labels import ACTION_UNITS, EXPRESSIONS, intensity_to_level
from facellm.prepared import PreparedSet, landmark_square
from facellm.votes import vote_shares

from .augment import Jitter, augment_pixels, move_points, sample_crop
from .encoder_config import EncoderRun
from .pretext import Captions, pad_captions

IMAGE_SIZE = 192
PIXEL_MEAN, PIXEL_STD = 0.5, 0.25
JITTERS = {
    "ferplus": Jitter(),
    "utkface": Jitter(zoom=(0.85, 1.45), degrees=12.0),
    "rig": Jitter(zoom=(0.85, 1.3), degrees=10.0, erase=0.1, shrink=0.5),
    # Traces of a forgery are fine texture: turning, noise and shrinking would wipe them out.
    "fake": Jitter((0.93, 1.08), 0.03, 3.0, 0.1, 0.1, erase=0.0, grain=0.1, jpeg=0.15),
    "mask": Jitter(zoom=(0.85, 1.4), shrink=0.5),
}


@dataclass
class Target:
    """Labels of one training picture; the defaults say "not labelled"."""

    votes: np.ndarray | None = None  # (9,) shares over 8 expressions + unknown
    age: int = -1
    male: int = -1
    mask: int = -1
    fake: int = -1
    mouth_open: int = -1
    eyes_closed: int = -1
    au: np.ndarray | None = None  # (21,) levels 0-5
    gaze: np.ndarray | None = None  # (2,) degrees
    caption: list[int] | None = None  # token ids


def held_out_twins(corpus: Path) -> frozenset[str]:
    """``source/key`` of the rows that a corpus left out as near duplicates of held-out rows."""
    drops = read_json(corpus / "index" / "drops.json")
    return frozenset(key for key, told in drops.items() if told.endswith(("(test)", "(valid)")))


def without(data: PreparedSet, name: str, twins: frozenset[str]) -> np.ndarray:
    """Training rows that are none of ``twins``, nor made from one.

    The key of a made row is ``forged/utkface/12``: the row it was made from stands in it.
    """
    rows = data.rows(0)
    if "key" not in data.labels:
        return rows
    keys = [str(key) for key in data.labels["key"][rows]]
    made = [f"utkface/{key.partition('/')[2]}" for key in keys]
    kept = [
        f"{name}/{key}" not in twins and not (key.startswith(name) and origin in twins)
        for key, origin in zip(keys, made, strict=True)
    ]
    return rows[np.array(kept, bool)]


class EncoderBatches:
    """Deterministic training batches.

    Args:
        cache: Folder of prepared sets.
        run: Says which shares, which rows, which seed: with the step number all the randomness.
        captions: Drawn for faces of FER+ and UTKFace, where an objective needs them.
    """

    def __init__(self, cache: Path, run: EncoderRun, captions: Captions | None = None) -> None:
        self.run, self.captions = run, captions
        names = ("ferplus", "utkface", "real_vs_stylegan2", "forged", "face_mask", "painted", "rig")
        self.sets = {name: PreparedSet(cache / name) for name in names}
        twins = held_out_twins(Path(run.corpus)) if run.corpus else frozenset()
        self.train = {name: without(data, name, twins) for name, data in self.sets.items()}
        shown = self.sets["ferplus"].labels["votes"][self.train["ferplus"]]
        keep = (shown[:, 9] < 3) & (shown[:, :9].sum(1) > 0)  # "no face" votes
        self.train["ferplus"] = self.train["ferplus"][keep]

    def batch(self, step: int) -> dict[str, Tensor]:
        """Tensors of one step: pixel_values (B, 3, S, S), landmarks (B, 68, 2) and the labels."""
        rng = np.random.default_rng((self.run.seed, step))
        shares = self.run.shares_at(step)
        missing = self.run.stretch_at(step)[0].landmarks_missing
        kinds = [
            kind for kind, share in shares.items() for _ in range(round(share * self.run.batch))
        ]
        return collate([self._sample(kind, missing, rng) for kind in kinds])

    def _sample(self, name: str, missing: float, rng: np.random.Generator):
        draw = getattr(self, f"_draw_{name}")
        picture, points, square, target = draw(rng)
        jitter = JITTERS[name]
        mirror = bool(rng.random() < 0.5)
        transform = (
            rng.uniform(*jitter.zoom),
            rng.uniform(-jitter.shift, jitter.shift),
            rng.uniform(-jitter.shift, jitter.shift),
            rng.uniform(-jitter.degrees, jitter.degrees),
            mirror,
        )
        crop, matrix = sample_crop(picture, square, IMAGE_SIZE, transform)
        if points is not None:
            points = move_points(points, matrix, mirror) / IMAGE_SIZE
            points = points + rng.normal(0, 0.004, points.shape)
        if rng.random() < missing:  # as they may be at run time
            points = None
        if mirror and target.gaze is not None:
            target.gaze = target.gaze * np.array([-1.0, 1.0])
        return augment_pixels(crop, jitter, rng), points, target

    def _framed(self, name: str, row: int):
        data = self.sets[name]
        points = data.points(row)
        half = data.side / 2
        guess = (half, half * 1.04, data.side * 0.78)
        square = guess if points is None else landmark_square(points)
        return np.asarray(data.images[row]), points, square

    def _caption(self, name: str, row: int, rng: np.random.Generator) -> list[int] | None:
        if self.captions is None:
            return None
        return self.captions.draw(f"{name}/{self.sets[name].labels['key'][row]}", rng)

    def _draw_ferplus(self, rng: np.random.Generator):
        row = int(rng.choice(self.train["ferplus"]))
        picture, points, _ = self._framed("ferplus", row)
        votes = vote_shares(self.sets["ferplus"].labels["votes"][row])
        target = Target(votes=votes, caption=self._caption("ferplus", row, rng))
        return picture, points, (24.0, 24.0, 48.0), target

    def _draw_utkface(self, rng: np.random.Generator):
        row = int(rng.choice(self.train["utkface"]))
        labels = self.sets["utkface"].labels
        target = Target(age=int(labels["age"][row]), male=int(labels["male"][row]))
        target.caption = self._caption("utkface", row, rng)
        return *self._framed("utkface", row), target

    def _draw_rig(self, rng: np.random.Generator):
        row = int(rng.choice(self.train["rig"]))
        labels = self.sets["rig"].labels
        target = Target(
            au=np.array([intensity_to_level(value) for value in labels["au"][row]]),
            gaze=labels["gaze"][row],
            mouth_open=threshold_label(labels["mouth_open"][row], MOUTH_SHUT, MOUTH_OPEN),
            eyes_closed=threshold_label(-labels["eye_open"][row].mean(), -EYES_OPEN, -EYES_SHUT),
        )
        return *self._framed("rig", row), target

    def _draw_fake(self, rng: np.random.Generator):
        name, row, fake = self._balanced(("real_vs_stylegan2", "forged"), "fake", rng)
        return *self._framed(name, row), Target(fake=fake)

    def _draw_mask(self, rng: np.random.Generator):
        name, row, worn = self._balanced(("face_mask", "painted"), "mask", rng)
        return *self._framed(name, row), Target(mask=worn)

    def _balanced(self, names: tuple[str, str], label: str, rng: np.random.Generator):
        """A row of one of two sets, both sets and both labels equally often."""
        name = names[int(rng.integers(2))]
        labels, train = self.sets[name].labels[label], self.train[name]
        value = int(rng.integers(2))
        return name, int(rng.choice(train[labels[train] == value])), value


def standardise(pixels: Tensor) -> Tensor:
    """(N, S, S, 3) uint8 -> (N, 3, S, S) float32, channels last in memory."""
    scaled = pixels.float().sub_(255 * PIXEL_MEAN).div_(255 * PIXEL_STD)
    return scaled.permute(0, 3, 1, 2)


def collate(samples: list) -> dict[str, Tensor]:
    """Stack (crop, points or None, Target) triples into tensors, missing labels marked."""
    count = len(samples)
    pixels = torch.from_numpy(np.stack([crop for crop, _, _ in samples]))
    points = np.full((count, 68, 2), np.nan, np.float32)
    votes = np.full((count, len(EXPRESSIONS) + 1), np.nan, np.float32)
    au = np.full((count, len(ACTION_UNITS)), -1, np.int64)
    gaze = np.full((count, 2), np.nan, np.float32)
    for index, (_, moved, target) in enumerate(samples):
        for array, value in ((points, moved), (votes, target.votes), (gaze, target.gaze)):
            if value is not None:
                array[index] = value
        if target.au is not None:
            au[index] = target.au
    batch = {
        "pixel_values": standardise(pixels),
        "landmarks": torch.from_numpy(points),
        "expr": torch.from_numpy(votes),
        "au": torch.from_numpy(au),
        "gaze": torch.from_numpy(gaze),
    }
    for name in ("age", "male", "mask", "fake", "mouth_open", "eyes_closed"):
        values = [getattr(target, name) for _, _, target in samples]
        batch[name] = torch.tensor(values, dtype=torch.int64)
    captions = [target.caption or [] for _, _, target in samples]
    if any(captions):
        batch["captions"] = pad_captions(captions)
    return batch
