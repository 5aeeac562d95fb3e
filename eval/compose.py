"""Composed pictures with known face boxes: held-out faces pasted softly into faceless scenes.

No set here has whole photographs with every face marked, so detection is measured on pictures we
compose, and every report says so. A paste has soft elliptical edges and the scene's mean light, so
that its border is no cue; sizes run from 5 to 60 % of the picture's width, a third are turned.

Example: ``compose(rng, scene, [face])`` -> picture (600, 800, 3) uint8 RGB and one
``Truth(BoundingBox(120, 80, 260, 235), 0.175, 12.0)``.

Boxes: tight around the 68 points, pixels. Where a set has no published points the box is the same
part of every crop (UTKFace and FER2013 pictures are aligned), read off FULL_FACE below.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
from numpy.random import Generator
from numpy.typing import NDArray
from PIL import Image

from facellm.face import BoundingBox
from facellm.labels import split_of

Rgb = NDArray[np.uint8]

WIDTH = 800  # pixels of every composed picture
SMALLEST, LARGEST = 0.05, 0.6  # width of the face's box / width of the picture
TILT = 30.0  # degrees; a third of the faces is turned by up to this
# Median box of a teacher's points over training faces, in [0, 1] of the aligned crop: left, top,
# right, bottom.
FULL_FACE = {"utkface": (0.07, 0.15, 0.92, 0.975), "ferplus": (0.10, 0.23, 0.90, 0.99)}
MOST_WIDTH = {"ferplus": 0.25, "utkface": 0.6, "ytf": 0.6}  # 48 px are not blown up to 480


@dataclass(frozen=True)
class CutFace:
    """A face to paste.

    Attributes:
        source: Its data set.
        pixels: (h, w, 3) uint8 RGB.
        box: Its tight box in those pixels.
    """

    source: str
    pixels: Rgb
    box: BoundingBox


@dataclass(frozen=True)
class Truth:
    """A pasted face.

    Attributes:
        box: Tight box in the composed picture, pixels.
        share: Width of the unturned box / width of the picture.
        degrees: Clockwise turn.
        source: Its data set.
    """

    box: BoundingBox
    share: float
    degrees: float
    source: str


def _decode(data: bytes) -> Rgb:
    with Image.open(io.BytesIO(data)) as picture:
        return np.asarray(picture.convert("RGB"))


def held_out_faces(data: Path, part: str, each: int, seed: int) -> list[CutFace]:
    """Up to ``each`` faces per set of split ``part`` (``test``, or ``valid`` for calibration)."""
    faces = []
    for name in ("utkface", "ferplus", "ytf"):
        file = "ytf_landmarks" if name == "ytf" else name
        frame: Any = pd.read_parquet(data / f"{file}.parquet")
        frame = frame[_rows(name, frame, part)]
        if name == "ferplus":  # taggers say whether there is a face at all
            frame = frame[frame["votes_NF"] == 0]
        frame = frame.sample(min(each, len(frame)), random_state=seed)
        for row in frame.itertuples():
            pixels = _decode(row.image["bytes"])
            height, width = pixels.shape[:2]
            if name == "ytf":
                points = np.array(row.landmarks_68_xy, float).reshape(68, 2)
                edges = (*points.min(axis=0), *points.max(axis=0))
            else:
                edges = np.array(FULL_FACE[name]) * (width, height, width, height)
            faces.append(CutFace(name, pixels, BoundingBox(*map(float, edges))))
    return faces


def _rows(name: str, frame: pd.DataFrame, part: str) -> NDArray[np.bool_]:
    """Rows of ``part``; sets without a validation split lend a tenth of their training rows."""
    split = frame["split"].to_numpy()
    if part == "test" or name == "ferplus":
        return split == part
    keys = frame["subject"] if name == "ytf" else frame.index
    return (split == "train") & np.array([split_of(f"{name}/{key}") == "valid" for key in keys])


def paste(
    picture: Rgb, face: CutFace, where: tuple[float, float], share: float, degrees: float
) -> tuple[Rgb, Truth]:
    """Paste ``face`` with its box centred at ``where`` (pixels): the new picture and the truth."""
    height, width = picture.shape[:2]
    scale = share * width / face.box.width
    pixels: Any = face.pixels
    if scale < 0.7:  # average first, or a small paste aliases
        size = tuple(max(2, round(n * scale)) for n in pixels.shape[1::-1])
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
    factor = pixels.shape[1] / face.pixels.shape[1]
    left, top, right, bottom = (factor * v for v in face.box.to_list())
    center = np.array([(left + right) / 2, (top + bottom) / 2])
    angle = np.deg2rad(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    turn = turn * scale / factor
    matrix = np.column_stack([turn, np.array(where) - turn @ center])
    moved = cv2.warpAffine(pixels, matrix, (width, height), flags=cv2.INTER_LINEAR)
    alpha = cv2.warpAffine(_ellipse(pixels, (left, top, right, bottom)), matrix, (width, height))
    mixed = picture + (moved.astype(np.float32) - picture) * alpha[..., None]
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]])
    corners = corners @ matrix[:, :2].T + matrix[:, 2]
    # A turned face's tight box is that of the oval, not of the turned rectangle.
    half = np.array([right - left, bottom - top]) / 2 * scale / factor
    reach_x = np.hypot(half[0] * np.cos(angle), half[1] * np.sin(angle))
    reach_y = np.hypot(half[0] * np.sin(angle), half[1] * np.cos(angle))
    x, y = where
    box = BoundingBox(x - reach_x, y - reach_y, x + reach_x, y + reach_y)
    return mixed.clip(0, 255).astype(np.uint8), Truth(box, share, degrees, face.source)


def _ellipse(pixels: Rgb, box: tuple[float, float, float, float]) -> NDArray[np.float32]:
    """Soft oval (h, w) around the head that lies inside the crop: hair in, corners out."""
    height, width = pixels.shape[:2]
    left, top, right, bottom = box
    x, y = (left + right) / 2, (top + bottom) / 2 - 0.12 * (bottom - top)
    reach_x = min(0.85 * (right - left), x, width - x)
    reach_y = min(0.95 * (bottom - top), y, height - y + 0.1 * height)
    rows, columns = np.mgrid[0:height, 0:width] + 0.5
    distance = np.hypot((columns - x) / reach_x, (rows - y) / reach_y)
    return np.clip((1.0 - distance) / 0.12, 0, 1).astype(np.float32)


def fit_width(scene: Rgb, width: int = WIDTH) -> Rgb:
    """Scale a scene to ``width`` pixels and at most 1.25 times that height."""
    height = round(scene.shape[0] * width / scene.shape[1])
    how = cv2.INTER_AREA if width < scene.shape[1] else cv2.INTER_CUBIC
    resized = cv2.resize(scene, (width, height), interpolation=how)
    return resized[: round(1.25 * width)]  # type: ignore[return-value]


def compose(rng: Generator, scene: Rgb, faces: list[CutFace]) -> tuple[Rgb, list[Truth]]:
    """Paste faces at random sizes, places and tilts where they fit without touching."""
    picture, truths = fit_width(scene), []
    height, width = picture.shape[:2]
    for face in faces:
        most = min(LARGEST, MOST_WIDTH[face.source], 0.8 * height / width)
        share = float(np.exp(rng.uniform(np.log(SMALLEST), np.log(most))))
        degrees = float(rng.uniform(-TILT, TILT)) if rng.random() < 1 / 3 else 0.0
        reach = 0.75 * share * width
        for _ in range(20):
            x = float(rng.uniform(min(reach, width / 2), max(width - reach, width / 2)))
            y = float(rng.uniform(min(reach, height / 2), max(height - reach, height / 2)))
            near = BoundingBox(x - 2 * reach, y - 2 * reach, x + 2 * reach, y + 2 * reach)
            if all(near.iou(truth.box) == 0 for truth in truths):
                picture, truth = paste(picture, face, (x, y), share, degrees)
                truths.append(truth)
                break
    return picture, truths
