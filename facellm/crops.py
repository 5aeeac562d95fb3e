"""The crop the model sees of a face, turned upright when tilted, and the landmarks found in it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.face import Face, Landmarks, Square, crop_image, square_around, square_crop

if TYPE_CHECKING:  # decoding processes cut crops and do without torch
    from facellm.landmarks import LandmarkNet

LEAST_QUALITY = 0.3  # face probability below which landmarks count as missing
TILT_BOUND = 20.0  # degrees of roll the encoder was trained to take as it comes


def eye_line_tilt(landmarks: Landmarks) -> float:
    """Angle of the line of the outer eye corners, degrees, clockwise positive, in (-180, 180]."""
    across = landmarks.points[45] - landmarks.points[36]
    return float(np.degrees(np.arctan2(across[1], across[0])))


def upright_crop(
    image: NDArray[np.uint8], face: Face, size: int, *, whole: bool = False
) -> NDArray[np.uint8]:
    """Cut a face out of a picture.

    Args:
        image: (H, W, 3) uint8 RGB.
        face: In pixels of ``image``.
        size: Side of the result.
        whole: The picture already is a face crop: its centre square is taken as it is.

    Returns:
        (size, size, 3) uint8; a face tilted by more than 20 degrees is turned upright.
    """
    turned, square, _ = upright_square(image, face, size, whole=whole)
    return crop_image(turned, square, size)


def upright_square(
    image: NDArray[np.uint8], face: Face, size: int, *, whole: bool = False
) -> tuple[NDArray[np.uint8], Square, NDArray[np.float32] | None]:
    """Where ``upright_crop`` cuts; its arguments.

    Returns:
        The picture, or the turned part of it around a tilted face; the square of it that becomes
        the crop; the face's landmarks (68, 2) in its pixels, or None.
    """
    height, width = image.shape[:2]
    points = None if face.landmarks is None else face.landmarks.points
    if whole:
        side = min(height, width)
        return image, Square((width - side) / 2, (height - side) / 2, float(side)), points
    square = square_crop(face)
    if face.landmarks is None or abs(tilt := eye_line_tilt(face.landmarks)) <= TILT_BOUND:
        return image, square, points
    # Cut a wider square first, so that a 20 MP photograph is not turned for one face.
    wide = Square(square.left - square.side / 4, square.top - square.side / 4, square.side * 1.5)
    patch = crop_image(image, wide, 2 * size)
    centre = (size - 0.5, size - 0.5)
    turned = cv2.warpAffine(
        patch,
        cv2.getRotationMatrix2D(centre, tilt, 1.0),
        (2 * size, 2 * size),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    matrix = cv2.getRotationMatrix2D((size, size), tilt, 1.0)
    unit = wide.to_unit(face.landmarks.points) * 2 * size
    moved = (unit @ matrix[:, :2].T + matrix[:, 2]).astype(np.float32)
    return turned, square_around(Landmarks(moved).box), moved  # type: ignore[return-value]


def crop_landmarks(
    net: LandmarkNet, crops: Sequence[NDArray[np.uint8]]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Landmarks of face crops, missing where the network sees no face.

    Args:
        net: The landmark network.
        crops: N pictures (S, S, 3) uint8.

    Returns:
        (N, 68, 2) in [0, 1] of each crop, NaN where quality is under 0.3; quality (N,) in [0, 1].
    """
    points, quality = net.predict(crops)
    points[quality < LEAST_QUALITY] = np.nan
    return points, quality


def landmarker(net: LandmarkNet) -> Callable[[Sequence[NDArray[np.uint8]]], NDArray[np.float32]]:
    """The landmark function a processor holds."""
    return lambda crops: crop_landmarks(net, crops)[0]
