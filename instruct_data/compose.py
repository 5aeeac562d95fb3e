"""Forgeries and masks made from training faces: the label and the pixels it lies in are exact.

``self_blend`` follows the self-blended-images idea (arXiv 2204.08376): a face blended with a
slightly changed copy of itself leaves exactly the traces a swap leaves. ``warp_swap`` pastes
another person's warped face. ``paint_mask`` draws a face mask over the lower face. Landmarks are
(68, 2) float in pixels of the picture; pictures are (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np

Rng = np.random.Generator


def face_matte(landmarks: np.ndarray, shape: tuple[int, int], rng: Rng) -> np.ndarray:
    """Soft matte of the face, (H, W, 1) float32 in [0, 1], randomly shrunk and feathered."""
    hull = cv2.convexHull(landmarks.astype(np.float32)).reshape(-1, 2)
    centre = hull.mean(0)
    hull = centre + (hull - centre) * rng.uniform(0.75, 1.02)
    matte = np.zeros(shape, np.float32)
    cv2.fillConvexPoly(matte, hull.astype(np.int32), 1.0)
    radius = np.ptp(landmarks[:, 0]) * rng.uniform(0.01, 0.08)
    return cv2.GaussianBlur(matte, (0, 0), max(radius, 0.5))[..., None]


def change_slightly(picture: np.ndarray, rng: Rng) -> np.ndarray:
    """Shift colour, sharpness and geometry of a picture a little, as a swap's source would be."""
    height, width = picture.shape[:2]
    out = picture.astype(np.float32) * rng.uniform(0.85, 1.15, 3) + rng.uniform(-12, 12, 3)
    if rng.random() < 0.6:
        scale = rng.uniform(0.35, 0.8)
        small = cv2.resize(out, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        out = cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)
    else:
        out = out + (out - cv2.GaussianBlur(out, (0, 0), 1.5)) * rng.uniform(0.4, 1.2)
    angle, zoom = rng.uniform(-2, 2), rng.uniform(0.97, 1.04)
    warp = cv2.getRotationMatrix2D((width / 2, height / 2), angle, zoom)
    warp[:, 2] += rng.uniform(-0.015, 0.015, 2) * width
    moved = cv2.warpAffine(out, warp, (width, height), borderMode=cv2.BORDER_REPLICATE)
    return np.clip(moved, 0, 255)


def self_blend(picture: np.ndarray, landmarks: np.ndarray, rng: Rng) -> np.ndarray:
    """Blend a face with a changed copy of itself: (H, W, 3) uint8."""
    matte = face_matte(landmarks, picture.shape[:2], rng) * rng.uniform(0.6, 1.0)
    blended = change_slightly(picture, rng) * matte + picture * (1 - matte)
    return np.clip(blended, 0, 255).astype(np.uint8)


def warp_swap(
    target: np.ndarray, target_points: np.ndarray, source: np.ndarray, source_points: np.ndarray,
    rng: Rng,
) -> np.ndarray:  # fmt: skip
    """Paste ``source``'s face, warped to ``target``'s points, colour matched: (H, W, 3) uint8."""
    warp, _ = cv2.estimateAffinePartial2D(
        source_points.astype(np.float32), target_points.astype(np.float32)
    )
    if warp is None:  # degenerate points: fall back to the swap that needs none
        return self_blend(target, target_points, rng)
    height, width = target.shape[:2]
    face = cv2.warpAffine(
        source, warp, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    ).astype(np.float32)
    matte = face_matte(target_points, (height, width), rng)
    weight = matte / max(float(matte.sum()), 1.0)
    face += (target * weight).sum((0, 1)) - (face * weight).sum((0, 1))
    return np.clip(face * matte + target * (1 - matte), 0, 255).astype(np.uint8)


def paint_mask(picture: np.ndarray, landmarks: np.ndarray, rng: Rng) -> np.ndarray:
    """Draw a cloth or surgical mask over nose, mouth and chin: (H, W, 3) uint8."""
    bridge = landmarks[27] + (landmarks[30] - landmarks[27]) * rng.uniform(0.25, 0.8)
    start = int(rng.integers(1, 4))
    outline = np.concatenate((landmarks[start : 17 - start], bridge[None]))
    if rng.random() < 0.5:  # surgical masks stand off the cheeks a little
        outline = outline.mean(0) + (outline - outline.mean(0)) * rng.uniform(1.0, 1.08)
    matte = np.zeros(picture.shape[:2], np.float32)
    cv2.fillPoly(matte, [outline.astype(np.int32)], 1.0)
    matte = cv2.GaussianBlur(matte, (0, 0), max(0.6, np.ptp(landmarks[:, 0]) * 0.008))[..., None]
    base = np.array(
        ((225, 235, 240), (150, 190, 215), (40, 40, 45), (200, 60, 70), (90, 120, 90))[
            int(rng.integers(5))
        ]
    ) + rng.uniform(-25, 25, 3)
    height, width = picture.shape[:2]
    low = cv2.resize(rng.normal(0, 1, (6, 6)).astype(np.float32), (width, height))
    folds = np.sin(np.linspace(0, rng.uniform(8, 30), height))[:, None] * rng.uniform(0, 6)
    light = 0.75 + 0.5 * cv2.GaussianBlur(picture, (0, 0), width * 0.15).mean(-1) / 255.0
    cloth = (base + (low * 8 + folds)[..., None]) * light[..., None]
    return np.clip(cloth * matte + picture * (1 - matte), 0, 255).astype(np.uint8)
