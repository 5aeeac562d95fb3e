"""What is around a rendered face: background, long hair, glasses, and the camera's flaws.

Example: ``photograph(linear_image, rng)`` -> the uint8 picture after exposure, white balance,
blur, noise and JPEG.

Images are linear RGB float32 (H, W, 3) until ``photograph``.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from .rig_camera import Camera
from .rig_paint import Skin

Array = NDArray[Any]
Rng = np.random.Generator


def draw_backdrop(side: int, camera: Camera, skin: Skin, points: Array, rng: Rng) -> Array:
    """Paint everything behind the mesh.

    Args:
        side: Image width in pixels.
        camera: Where the head is.
        skin: Its hair colour and length.
        points: Landmarks in the head frame, (68, 3).
        rng: Source of randomness.

    Returns:
        (side, side, 3), float32, linear RGB.
    """
    base = rng.uniform(0.0, 1.0) ** 2 * (1 + rng.uniform(-0.25, 0.25, 3))
    canvas = np.empty((side, side, 3), dtype=np.float32)
    canvas[:] = base
    if rng.random() < 0.6:
        ramp = np.linspace(0, 1, side, dtype=np.float32)
        along = ramp[:, None] * rng.uniform(-1, 1) + ramp[None] * rng.uniform(-1, 1)
        canvas += along[:, :, None] * (
            rng.uniform(0, 0.4) * (1 + rng.uniform(-0.4, 0.4, 3))
        ).astype(np.float32)
    if rng.random() < 0.6:
        cells = int(rng.integers(3, 24))
        noise = rng.normal(0, 1, (cells, cells, 1)) + rng.normal(
            0, rng.uniform(0.1, 0.6), (cells, cells, 3)
        )
        noise = (noise * rng.uniform(0.02, 0.2)).astype(np.float32)
        canvas += cv2.resize(noise, (side, side), interpolation=cv2.INTER_CUBIC)
    if rng.random() < 0.6:
        _draw_shapes(canvas, rng)
    if skin.long_hair:
        _draw_long_hair(canvas, camera, skin, points, rng)
    _draw_mouth_floor(canvas, camera, points)
    return canvas.clip(0, 1.2)


def _draw_shapes(canvas: Array, rng: Rng) -> None:
    """Rectangles and ellipses out of focus."""
    side = len(canvas)
    for _ in range(int(rng.integers(2, 9))):
        grey = rng.uniform(0, 1)
        colour = ((grey + rng.uniform(0.05, 0.6) * (rng.uniform(0, 1, 3) - grey)) ** 2).tolist()
        centre = rng.integers(0, side, 2)
        half = rng.integers(side // 20, side // 3, 2)
        if rng.random() < 0.5:
            cv2.rectangle(canvas, (centre - half).tolist(), (centre + half).tolist(), colour, -1)
        else:
            cv2.ellipse(
                canvas, centre.tolist(), half.tolist(), rng.uniform(0, 180), 0, 360, colour, -1
            )
    sigma = side * rng.uniform(0.002, 0.04)
    # A wide blur costs less on a smaller picture.
    small = cv2.resize(canvas, (side // 4, side // 4), interpolation=cv2.INTER_AREA)
    small = cv2.GaussianBlur(small, (0, 0), max(sigma / 4, 0.3))
    canvas[:] = cv2.resize(small, (side, side), interpolation=cv2.INTER_LINEAR)


def _draw_long_hair(canvas: Array, camera: Camera, skin: Skin, points: Array, rng: Rng) -> None:
    """A curtain of hair from the crown to the shoulders, behind the mesh."""
    wide, low = rng.uniform(8.5, 11.5), rng.uniform(-16, -7)
    x = np.array([-0.9, -1, -1, -0.95, -0.6, 0, 0.6, 0.95, 1, 1, 0.9]) * wide
    y = np.array([low, low + 4, 3, 8, 12.5, 13.5, 12.5, 8, 3, low + 4, low]) + points[27, 1] - 3.7
    outline = np.stack([x, y, np.full(len(x), 0.5)], axis=1).astype(np.float32)
    drawn = camera.project(outline)[0] * len(canvas)
    shade = rng.uniform(0.3, 0.7)
    cv2.fillPoly(
        canvas, [drawn.round().astype(np.int32)], (skin.hair * shade).tolist(), cv2.LINE_AA
    )


def _draw_mouth_floor(canvas: Array, camera: Camera, points: Array) -> None:
    """Dark behind the lips: the mouth of the mesh has no back wall."""
    outline = camera.project(points[48:60])[0] * len(canvas)
    cv2.fillConvexPoly(
        canvas, cv2.convexHull(outline.round().astype(np.int32)), (0.012, 0.005, 0.005)
    )


def draw_glasses(canvas: Array, camera: Camera, points: Array, rng: Rng) -> None:
    """Frame of glasses in front of the eyes, in place; rigid, so it does not follow the lids."""
    side = len(canvas)
    colour = (rng.uniform(0.0, 0.35, 3) * rng.uniform(0.1, 1)).tolist()
    thick = max(1, round(side * camera.scale * rng.uniform(0.12, 0.4)))
    turn = np.linspace(0, 2 * np.pi, 40)
    wide, high, power = rng.uniform(2.1, 2.6), rng.uniform(1.5, 2.1), rng.uniform(0.45, 1.0)
    rings: list[Array] = []
    for first in (36, 42):
        centre = (points[first] + points[first + 3]) / 2 + (0, -0.1, 1.6)
        x = np.sign(np.cos(turn)) * np.abs(np.cos(turn)) ** power * wide
        y = np.sign(np.sin(turn)) * np.abs(np.sin(turn)) ** power * high
        rings.append(centre + np.stack([x, y, np.zeros(40)], axis=1))
    bridge = np.stack([rings[0][0], rings[1][20]])
    temples = [
        np.stack([ring, points[ear] + (0, 1, 0)])
        for ring, ear in ((rings[0][20], 0), (rings[1][0], 16))
    ]
    # The far temple of a turned head is hidden behind the face.
    hidden = 0 if camera.turn[0, 2] < -0.15 else 1 if camera.turn[0, 2] > 0.15 else None
    lines = [*rings, bridge, *(line for index, line in enumerate(temples) if index != hidden)]
    for line in lines:
        drawn = (camera.project(line.astype(np.float32))[0] * side * 8).round().astype(np.int32)
        cv2.polylines(canvas, [drawn], False, colour, thick, cv2.LINE_AA, 3)


def photograph(image: Array, rng: Rng) -> Array:
    """Expose and store a linear image as a small camera would.

    Args:
        image: Linear RGB, (H, W, 3), float32.
        rng: Source of randomness.

    Returns:
        uint8 sRGB of the same shape.
    """
    side = len(image)
    image = image * (rng.uniform(0.75, 1.35) * (1 + rng.uniform(-0.08, 0.08, 3))).astype(np.float32)
    if rng.random() < 0.3:
        # A face seen from afar: few pixels, enlarged.
        few = int(side * rng.uniform(0.3, 0.8))
        image = cv2.resize(image, (few, few), interpolation=cv2.INTER_AREA)
        image = cv2.resize(image, (side, side), interpolation=cv2.INTER_LINEAR)
    elif rng.random() < 0.6:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.3, 1.1))
    image = image.clip(0, 1)
    encoded = np.where(image <= 0.0031308, 12.92 * image, 1.055 * image ** (1 / 2.4) - 0.055)
    encoded = encoded + rng.normal(0, rng.uniform(0.0, 0.035), image.shape) * rng.choice([1.0, 0.5])
    picture = (encoded * 255).round().clip(0, 255).astype(np.uint8)
    if rng.random() < 0.6:
        stored = cv2.imencode(
            ".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(35, 96))]
        )[1]
        picture = np.asarray(cv2.imdecode(stored, cv2.IMREAD_COLOR))
    return picture
