"""Augmentation that keeps landmarks and pixels together, against the confounds of the data.

Expression sets are grey and 48 px, age sets are colour and 200 px: without random grey and random
down-and-up sampling a model learns the task from the camera. All randomness comes from the
generator passed in, so a step can be repeated exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from facellm.face import MIRROR_68

Rng = np.random.Generator


@dataclass(frozen=True)
class Jitter:
    """How far an augmentation may go.

    Attributes:
        zoom: Range of the crop side, in units of the square given.
        shift: Largest shift, in units of the square.
        degrees: Largest rotation.
        grey: Probability of losing colour.
        shrink: Probability of down-and-up sampling.
        erase: Probability of a random rectangle.
        grain: Probability of noise.
        jpeg: Probability of another JPEG compression.
    """

    zoom: tuple[float, float] = (0.88, 1.15)
    shift: float = 0.05
    degrees: float = 12.0
    grey: float = 0.5
    shrink: float = 0.2
    erase: float = 0.08
    grain: float = 0.25
    jpeg: float = 0.0


def sample_crop(
    picture: np.ndarray,
    square: tuple[float, float, float],
    size: int,
    transform: tuple[float, float, float, float, bool],
) -> tuple[np.ndarray, np.ndarray]:
    """Cut a rotated, zoomed, perhaps mirrored square.

    Args:
        picture: (H, W, C) uint8.
        square: Centre x, centre y, side, in pixels.
        size: Side of the output.
        transform: Zoom, shift x, shift y (units of the square), degrees, mirror.

    Returns:
        (size, size, C) uint8 and the 2x3 matrix from picture pixels to output pixels.
    """
    zoom, shift_x, shift_y, degrees, mirror = transform
    centre_x, centre_y, side = square
    scale = size / (side * zoom)
    angle = np.deg2rad(degrees)
    cos, sin = np.cos(angle) * scale, np.sin(angle) * scale
    matrix = np.array([[cos, -sin, 0.0], [sin, cos, 0.0]])
    if mirror:
        matrix[0] *= -1
    centre = np.array([centre_x + shift_x * side, centre_y + shift_y * side])
    matrix[:, 2] = size / 2 - matrix[:, :2] @ centre
    if scale < 0.6:  # shrinking a lot: blur first, or thin lines alias
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / scale)
        picture = picture if picture.ndim == 3 else picture[..., None]
    crop = cv2.warpAffine(
        picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return crop.reshape(size, size, -1), matrix


def move_points(points: np.ndarray, matrix: np.ndarray, mirror: bool) -> np.ndarray:
    """Apply a 2x3 matrix to (68, 2) points and renumber them if the picture was mirrored."""
    moved = points @ matrix[:, :2].T + matrix[:, 2]
    return moved[MIRROR_68] if mirror else moved


def augment_pixels(crop: np.ndarray, jitter: Jitter, rng: Rng) -> np.ndarray:
    """Colour, resolution, noise and occlusion: (S, S, C) uint8 -> (S, S, 3) uint8.

    A grey picture stays one channel until the end and tone is a table look-up: this runs beside
    training on the same cores.
    """
    size = crop.shape[0]
    if crop.shape[2] == 3 and rng.random() < jitter.grey:
        crop = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    if rng.random() < jitter.shrink:
        small = int(size * rng.uniform(0.2, 0.6))
        crop = cv2.resize(crop, (small, small), interpolation=cv2.INTER_AREA)
        crop = cv2.resize(crop, (size, size), interpolation=cv2.INTER_LINEAR)
    crop = crop.reshape(size, size, -1)
    gain, offset = rng.uniform(0.8, 1.2), rng.uniform(-20, 20)
    tint = rng.uniform(0.85, 1.15, 3) if rng.random() < 0.3 else np.ones(3)
    level = (np.arange(256)[:, None] - 128) * gain * tint + 128 + offset
    table = np.clip(level[:, : crop.shape[2]], 0, 255).astype(np.uint8)[None]
    out = np.ascontiguousarray(cv2.LUT(crop, table)).reshape(size, size, -1)
    if rng.random() < jitter.grain:
        grain = rng.standard_normal((64, 64), np.float32) * rng.uniform(2, 8)
        grain = np.tile(grain, (size // 64 + 1, size // 64 + 1))[:size, :size, None]
        out = np.clip(out + grain, 0, 255).astype(np.uint8)
    if rng.random() < jitter.erase:
        height, width = (rng.uniform(0.1, 0.35, 2) * size).astype(int)
        top, left = int(rng.integers(0, size - height)), int(rng.integers(0, size - width))
        out[top : top + height, left : left + width] = rng.integers(0, 256)
    if rng.random() < jitter.jpeg:
        quality = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(60, 96))]
        coded = cv2.imencode(".jpg", out, quality)[1]
        out = np.asarray(cv2.imdecode(coded, cv2.IMREAD_UNCHANGED)).reshape(size, size, -1)
    return np.broadcast_to(out, (size, size, 3)) if out.shape[2] == 1 else out
