"""One picture with 68 points -> one 96 x 96 training crop, bad light and bad cameras included.

Positives are faces framed about as ``facellm.face.square_crop`` frames them, tilted up to 45
degrees; negatives are everything a cascade may propose by mistake: background, scenes, badly framed
faces and faces turned on their side or head (so that a rotated retry can decide which way up a face
is).

Example: a 224 x 198 frame -> crop (96, 96) uint8 and points (68, 2) in [0, 1] of the crop.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from facellm.face import CROP_MARGIN, MIRROR_68, BoundingBox, Landmarks
from facellm.landmarks import INPUT_SIZE

Image = NDArray[np.uint8]
Points = NDArray[np.float32]


@dataclass(frozen=True)
class Faceless:
    """Pictures without a face.

    Attributes:
        scenes: Whole pictures, grey (h, w).
        mined: (M, 128, 128) patches the network doubts (``facellm.train.landmark_mining``); may be
            empty.
    """

    scenes: list[Image]
    mined: NDArray[np.uint8]


def warp(
    image: Image, center: NDArray[np.floating], side: float, degrees: float, mirror: bool
) -> tuple[Image, NDArray[np.float64]]:
    """Cut a turned square out of ``image``: crop (96, 96) and the (2, 3) matrix to its pixels."""
    scale = INPUT_SIZE / side
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if mirror:
        turn = np.diag([-1.0, 1.0]) @ turn
    matrix = np.column_stack([turn, INPUT_SIZE / 2 - turn @ center])
    if scale < 0.6:  # a plain linear sample would skip pixels
        image = cv2.GaussianBlur(image, (0, 0), 0.4 / scale)  # type: ignore[assignment]
    shifted = matrix.copy()
    shifted[:, 2] += turn @ (0.5, 0.5) - 0.5  # cv2 puts pixel centres on whole numbers
    size = (INPUT_SIZE, INPUT_SIZE)
    crop = cv2.warpAffine(
        image, shifted, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return crop, matrix  # type: ignore[return-value]


def make_face(rng: Generator, image: Image, points: Points) -> tuple[Image, Points]:
    """A positive: crop (96, 96) and its points (68, 2) in [0, 1] of the crop."""
    center, side = frame_of(points)
    side *= float(np.exp(rng.uniform(np.log(0.75), np.log(1.5))))
    center = center + rng.uniform(-0.15, 0.15, 2) * side
    degrees = rng.normal(0, 12) if rng.random() < 0.6 else rng.uniform(-45, 45)
    mirror = bool(rng.random() < 0.5)
    crop, matrix = warp(image, center, side, degrees, mirror)
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    if mirror:
        moved = moved[MIRROR_68]
    if rng.random() < 0.08:
        crop = paint_mask(rng, crop, moved)
    elif rng.random() < 0.3:
        crop = erase(rng, crop)
    return degrade(rng, crop), (moved / INPUT_SIZE).astype(np.float32)


def frame_of(points: Points) -> tuple[NDArray[np.float64], float]:
    """Centre (2,) and side of the square that frames the points, pixels."""
    box = Landmarks(points).box
    return np.array(box.center), CROP_MARGIN * max(box.width, box.height, 4.0)


def make_negative(rng: Generator, image: Image, points: Points, scenes: Faceless) -> Image:
    """A negative: a (96, 96) crop that is no upright, well framed face."""
    kind = rng.random()
    if kind < 0.25:
        crop = background(rng, image, points)
    elif kind < 0.4:
        center, side = frame_of(points)
        zoom = rng.uniform(2.1, 4.5) if rng.random() < 0.5 else rng.uniform(0.2, 0.47)
        center = center + rng.uniform(-0.3, 0.3, 2) * side
        crop, _ = warp(image, center, side * zoom, rng.normal(0, 15), False)
    elif kind < 0.55:
        center, side = frame_of(points)
        side *= float(np.exp(rng.uniform(-0.25, 0.35)))
        crop, _ = warp(image, center, side, rng.uniform(75, 285), bool(rng.random() < 0.5))
    elif kind < 0.67 or (kind > 0.72 and not len(scenes.mined)):
        crop = scene_patch(rng, scenes.scenes[rng.integers(len(scenes.scenes))])
    elif kind < 0.72:
        crop = texture(rng)
    else:
        crop = mined_patch(rng, scenes.mined[rng.integers(len(scenes.mined))])
    return degrade(rng, crop)


def background(rng: Generator, image: Image, points: Points) -> Image:
    """A patch of the picture that overlaps the face's frame by IoU < 0.35."""
    center, side = frame_of(points)
    face = _box(center, side)
    height, width = image.shape
    for _ in range(8):
        patch = float(np.exp(rng.uniform(np.log(0.3), np.log(1.6)))) * side
        where = rng.uniform(0, 1, 2) * (width, height)
        if face.iou(_box(where, patch)) < 0.35:
            degrees = rng.uniform(-180, 180) if rng.random() < 0.3 else 0.0
            return warp(image, where, patch, degrees, False)[0]
    return warp(image, center + 0.6 * side, side, 0.0, False)[0]


def _box(center: NDArray[np.floating], side: float) -> BoundingBox:
    left, top = center - side / 2
    return BoundingBox(float(left), float(top), float(left + side), float(top + side))


def scene_patch(rng: Generator, scene: Image) -> Image:
    """A random turned square of a faceless scene."""
    height, width = scene.shape
    side = float(np.exp(rng.uniform(np.log(24), np.log(min(height, width)))))
    where = rng.uniform(0, 1, 2) * (width, height)
    return warp(scene, where, side, rng.uniform(-180, 180), bool(rng.random() < 0.5))[0]


def mined_patch(rng: Generator, patch: Image) -> Image:
    """A proposed square, shifted, scaled, turned a little and mirrored."""
    side = INPUT_SIZE * rng.uniform(0.85, 1.25)
    center = np.array(patch.shape[::-1]) / 2 + rng.uniform(-8, 8, 2)
    return warp(patch, center, side, rng.normal(0, 12), bool(rng.random() < 0.5))[0]


def texture(rng: Generator) -> Image:
    """Smooth noise with a gradient: blobs that look like eyes and mouths often enough."""
    cells = int(rng.integers(2, 25))
    noise = rng.uniform(0, 255, (cells, cells)).astype(np.float32)
    size = (INPUT_SIZE, INPUT_SIZE)
    image = cv2.resize(noise, size, interpolation=int(rng.choice([0, 1, 2])))
    slope = np.linspace(-1, 1, INPUT_SIZE) * rng.uniform(-90, 90)
    image = image * rng.uniform(0.05, 1) + (slope if rng.random() < 0.5 else slope[:, None])
    return np.clip(image + rng.uniform(0, 120), 0, 255).astype(np.uint8)


def paint_mask(rng: Generator, crop: Image, points: NDArray[np.floating]) -> Image:
    """Cover mouth and nose with a flat mask: between the jaw points and the bridge of the nose."""
    outline = np.concatenate([points[2:15], points[[29]] + rng.normal(0, 2, 2)])
    layer = crop.copy()
    cv2.fillPoly(layer, [np.rint(outline).astype(np.int32)], int(rng.integers(0, 256)))
    if rng.random() < 0.5:
        layer = cv2.addWeighted(layer, 0.88, crop, 0.12, 0)
    return layer  # type: ignore[return-value]


def erase(rng: Generator, crop: Image) -> Image:
    """Cover an ellipse or a rectangle, as hair, hands and microphones do."""
    crop = crop.copy()
    center = tuple(int(v) for v in rng.integers(0, INPUT_SIZE, 2))
    axes = tuple(int(v) for v in rng.integers(6, 30, 2))
    shade = int(rng.integers(0, 256))
    if rng.random() < 0.5:
        cv2.ellipse(crop, center, axes, float(rng.uniform(0, 180)), 0, 360, shade, -1)
    else:
        corner = (center[0] + axes[0], center[1] + axes[1])
        cv2.rectangle(crop, center, corner, shade, -1)
    return crop


def degrade(rng: Generator, crop: Image) -> Image:
    """Light, blur, few pixels, noise and JPEG, each at random."""
    if rng.random() < 0.35:
        low = int(np.exp(rng.uniform(np.log(22), np.log(72))))
        small = cv2.resize(crop, (low, low), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(small, crop.shape[::-1], interpolation=int(rng.choice([1, 2])))  # type: ignore[assignment]
    elif rng.random() < 0.2:
        crop = cv2.GaussianBlur(crop, (0, 0), float(rng.uniform(0.4, 2.2)))  # type: ignore[assignment]
    if rng.random() < 0.6:
        ramp = np.linspace(0, 1, 256) ** float(np.exp(rng.normal(0, 0.4)))
        span = rng.uniform(0.25, 1.1)
        table = np.clip((ramp * span + rng.uniform(-0.1, 1 - span * 0.9)) * 255, 0, 255)
        crop = cv2.LUT(crop, table.astype(np.uint8))  # type: ignore[assignment]
    if rng.random() < 0.25:
        spread = float(rng.uniform(2, 18))
        noise = rng.standard_normal(crop.shape, dtype=np.float32) * spread
        crop = np.clip(crop + noise, 0, 255).astype(np.uint8)
    if rng.random() < 0.2:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(15, 80))]
        crop = cv2.imdecode(cv2.imencode(".jpg", crop, quality)[1], 0)  # type: ignore[assignment]
    return crop
