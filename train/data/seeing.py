"""A face of a picture -> the crop the model sees and its landmarks, moved a little in training.

Runs in decoding processes, so it imports no torch.

Example: ``see(Look(Path("shared/data"), "ferplus.parquet#fer2013/12", box, points), 96)``
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.crops import upright_square
from facellm.errors import FaceLLMError
from facellm.face import MIRROR_68, BoundingBox, Face, Landmarks, Square, crop_image
from facellm.images import load_image
from facellm.parquet_pictures import ParquetPictures, split_reference
from facellm.processes import end_with_parent

MOMENT = "#t="  # between a clip and the seconds of its frame
Rgb = NDArray[np.uint8]


@dataclass(frozen=True)
class Jitter:
    """How a crop differs from the product's; the defaults change nothing.

    Attributes:
        zoom: Side of the square, in sides.
        shift: Move of its centre in x and y, in sides.
        mirror: Left and right change places.
    """

    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)
    mirror: bool = False


STILL = Jitter()


@dataclass(frozen=True)
class Look:
    """One face to be cut out.

    Attributes:
        pictures: Folder that relative paths start from.
        path: Of the picture, as a corpus writes it.
        box_xyxy: Face box, pixels.
        landmarks: (68, 2) pixels, or None.
        data: The encoded picture, where it is at hand.
        whole: The picture is the crop.
        jitter: See there.
    """

    pictures: Path
    path: str
    box_xyxy: tuple[float, float, float, float]
    landmarks: NDArray[np.float32] | None = None
    data: bytes | None = None
    whole: bool = False
    jitter: Jitter = STILL


def see(look: Look, size: int) -> tuple[Rgb, NDArray[np.float32] | None]:
    """The crop (S, S, 3) and the landmarks (68, 2) in [0, 1] of it, None where there are none.

    Raises:
        FaceLLMError: If the picture cannot be had; it is named.
    """
    points = None if look.landmarks is None else Landmarks(look.landmarks)
    face = Face(BoundingBox(*look.box_xyxy), points, 1.0)
    picture, square, moved = upright_square(picture_of(look), face, size, whole=look.whole)
    square = jittered(square, look.jitter)
    crop = crop_image(picture, square, size)
    unit = None if moved is None else square.to_unit(moved)
    if look.jitter.mirror:
        crop = np.ascontiguousarray(crop[:, ::-1])
        unit = None if unit is None else (unit[MIRROR_68] * [-1, 1] + [1, 0]).astype(np.float32)
    return crop, unit


def begin_seeing() -> None:
    """Initializer of a decoding process: one thread, and an end with its parent."""
    cv2.setNumThreads(1)
    end_with_parent()


def see_or_say(look: Look, size: int) -> tuple[Rgb, NDArray[np.float32] | None] | str:
    """The same, or in words why not: what a process hands back."""
    try:
        return see(look, size)
    except FaceLLMError as error:
        return str(error)


def jittered(square: Square, jitter: Jitter) -> Square:
    """The square moved and zoomed about its centre."""
    side = square.side * jitter.zoom
    x, y = (
        edge + square.side * (0.5 + move)
        for edge, move in zip((square.left, square.top), jitter.shift, strict=True)
    )
    return Square(x - side / 2, y - side / 2, side)


def picture_of(look: Look) -> Rgb:
    """(H, W, 3) uint8 of a picture in a file, in a Parquet file, in a clip, or at hand.

    Raises:
        FaceLLMError: If it is missing or unreadable; the message names it.
    """
    if look.data is not None:
        return _told(look.path, lambda: load_image(look.data or b""))
    inside = split_reference(look.path)
    if inside is not None:
        file, key = inside
        encoded = parquet_pictures(look.pictures / file).encoded(key)
        return _told(look.path, lambda: load_image(encoded))
    name, mark, moment = look.path.partition(MOMENT)
    if mark:
        return frame_at(look.pictures / name, float(moment))
    file = look.pictures / look.path
    if "#" in look.path and not file.exists():
        raise FaceLLMError(
            f"{file}: lies inside a file that is no Parquet file; build the corpus with embed: true"
        )
    return load_image(file)


@lru_cache(maxsize=64)
def parquet_pictures(path: Path) -> ParquetPictures:
    """The pictures of a Parquet file, opened once a process."""
    return ParquetPictures(path)


def frame_at(path: Path, seconds: float) -> Rgb:
    """The frame of a clip that a corpus named by its time, written with six digits."""
    from facellm.clip.opening import open_clip  # needs the extra ``clip``

    tolerance = max(seconds, 1.0) * 1e-5
    for frame in open_clip(path).frames(seconds - tolerance):
        if frame.time >= seconds - tolerance:
            return frame.pixels()
    raise FaceLLMError(f"{path}: no frame at {seconds} s")


def _told(path: str, load: Callable[[], Rgb]) -> Rgb:
    try:
        return load()
    except FaceLLMError as error:
        raise FaceLLMError(f"{path}: {str(error).removeprefix('picture: ')}") from error
