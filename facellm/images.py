"""Any picture a person may hand over -> upright RGB pixels, or a plain-words error.

The camera's orientation note (EXIF) is applied first; transparency is laid on white; 16-bit values
are scaled, never clipped. Pictures longer than ``MAX_SIDE`` are averaged down while they are read,
so the pixels returned here are what "pixels of the original picture" means for everything after.

Example: ``load_image("holiday.jpg")`` of a 4,032 x 3,024 photograph taken upright with a sideways
sensor -> (4032, 3024, 3) uint8. ``load_image("notes.txt")`` -> ``FaceLLMError: notes.txt: not a
picture``.

Shapes: (H, W, 3) uint8 RGB, contiguous.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError, features

from facellm.errors import FaceLLMError

MAX_PIXELS = 150_000_000  # 12,000 x 12,000 fits; decoding it needs 0.45 GB
MAX_SIDE = 4096  # pixels; longer pictures are averaged down to it
Rgb = NDArray[np.uint8]

# How to turn stored pixels: transpose, then flip rows, flip columns.
Turn = tuple[bool, bool, bool]
AS_STORED: Turn = (False, False, False)
_ORIENTATION: dict[int, Turn] = {  # EXIF's number
    2: (False, False, True),
    3: (False, True, True),
    4: (False, True, False),
    5: (True, False, False),
    6: (True, False, True),
    7: (True, True, True),
    8: (True, True, False),
}
_EXIF_ORIENTATION = 0x0112
# What damaged files were seen to raise inside of Pillow.
_DECODE_ERRORS = (
    OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error,
    NotImplementedError, IndexError, TypeError, KeyError, OverflowError,
)  # fmt: skip
# Kinds that people keep photographs in. Pillow knows forty more, which nobody hardens; one of them
# (EPS) starts another program.
FORMATS = (
    *("JPEG", "PNG", "WEBP", "GIF", "BMP", "DIB", "TIFF", "PPM", "TGA", "ICO", "JPEG2000"),
    *(("AVIF",) if features.check("avif") else ()),
)


def load_image(source: str | Path | bytes | Image.Image | NDArray[Any]) -> Rgb:
    """Read a picture.

    Args:
        source: Path of a file, the bytes of one, an open PIL image, or an array (H, W), (H, W, 1),
            (H, W, 3) RGB or (H, W, 4) RGBA of uint8, uint16, bool, or float in [0, 1].

    Returns:
        (H, W, 3) uint8 RGB, upright, longer side at most 4,096 pixels.

    Raises:
        FaceLLMError: If there is no such file, or it is a folder, empty, cut off, not a picture, or
            larger than 150 megapixels; if an array has another shape, type or range.
    """
    if isinstance(source, np.ndarray):
        return _shrink(_array_to_rgb(source))
    if isinstance(source, Image.Image):
        return _decode(source, "picture")
    if isinstance(source, bytes):
        return _open(io.BytesIO(source), "picture", len(source))
    path = Path(source)
    if not path.exists():
        raise FaceLLMError(f"{path}: no such file")
    if path.is_dir():
        raise FaceLLMError(f"{path}: is a folder, not a picture")
    try:
        return _open(path, str(path), path.stat().st_size)
    except OSError as error:
        raise FaceLLMError(f"{path}: cannot be read ({error})") from error


def _open(file: Path | io.BytesIO, name: str, size: int) -> Rgb:
    """Pixels of an encoded picture of ``size`` bytes."""
    if size == 0:
        raise FaceLLMError(f"{name}: the file is empty")
    try:
        # PIL warns from 89 megapixels on; our own bound is checked right after opening.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(file, formats=FORMATS) as picture:
                return _decode(picture, name)
    except Image.DecompressionBombError as error:
        raise FaceLLMError(f"{name}: more than {MAX_PIXELS:,} pixels ({error})") from error
    except UnidentifiedImageError as error:
        raise FaceLLMError(f"{name}: not a picture, or of a kind that is not known") from error
    except FaceLLMError:
        raise
    except _DECODE_ERRORS as error:
        raise FaceLLMError(f"{name}: cannot be read ({error})") from error


def _decode(picture: Image.Image, name: str) -> Rgb:
    """Pixels of an open picture, upright; ``name`` goes into the error."""
    width, height = picture.size
    if width * height > MAX_PIXELS:
        raise FaceLLMError(
            f"{name}: {width} x {height} = {width * height:,} pixels, at most {MAX_PIXELS:,}"
        )
    if width < 1 or height < 1:
        raise FaceLLMError(f"{name}: the picture has no pixels")
    try:
        orientation = picture.getexif().get(_EXIF_ORIENTATION, 1)
        if picture.format == "JPEG":  # decode at a half, quarter or eighth where that is enough
            picture.draft(None, (MAX_SIDE, MAX_SIDE))
        pixels = _shrink(_to_rgb(picture))
    except _DECODE_ERRORS as error:
        raise FaceLLMError(f"{name}: cut off or damaged ({error})") from error
    return turned(pixels, _ORIENTATION.get(orientation, AS_STORED))


def turned(pixels: Rgb, turn: Turn) -> Rgb:
    """Stored pixels (H, W, 3) as they are to be seen: (H, W, 3), or (W, H, 3) transposed."""
    transpose, rows, columns = turn
    if transpose:
        pixels = pixels.transpose(1, 0, 2)
    return np.ascontiguousarray(pixels[:: -1 if rows else 1, :: -1 if columns else 1])


def _to_rgb(picture: Image.Image) -> Rgb:
    """Any PIL mode -> (H, W, 3) uint8."""
    if picture.mode.startswith(("I", "F")):
        return _array_to_rgb(_wide_to_unit(np.asarray(picture)))
    if picture.mode in {"RGBA", "LA", "PA", "La", "RGBa"} or "transparency" in picture.info:
        return _on_white(np.asarray(picture.convert("RGBA")))
    return np.asarray(picture.convert("RGB"))


def _wide_to_unit(values: NDArray[Any]) -> NDArray[np.float32]:
    """Grey values wider than 8 bits (H, W) -> [0, 1], by the range of their type."""
    if values.dtype.kind == "u" and values.dtype.itemsize == 2:
        return values.astype(np.float32) / np.float32(65535)
    values = np.nan_to_num(values.astype(np.float32))
    top = float(values.max(initial=0.0))
    # A 32-bit type says nothing about its range: take the smallest usual one that holds the values.
    scale = next((s for s in (1.0, 255.0, 65535.0) if top <= s), top)
    if scale == 1.0 and np.array_equal(values, values.round()):
        scale = 255.0  # whole numbers up to 1 are nearly black, not white
    return np.clip(values / scale, 0, 1).astype(np.float32)


def _on_white(rgba: NDArray[np.uint8]) -> Rgb:
    """Lay (H, W, 4) on a white ground."""
    alpha = rgba[..., 3:].astype(np.uint16)
    mixed = rgba[..., :3] * alpha + 255 * (255 - alpha)
    return ((mixed + 127) // 255).astype(np.uint8)


def _array_to_rgb(array: NDArray[Any]) -> Rgb:
    """Check and convert a caller's array."""
    if array.ndim == 2:
        array = array[:, :, None]
    if array.ndim != 3 or array.shape[2] not in {1, 3, 4} or 0 in array.shape:
        raise FaceLLMError(f"picture array has shape {array.shape}, expected (H, W[, 1 | 3 | 4])")
    if array.shape[0] * array.shape[1] > MAX_PIXELS:
        raise FaceLLMError(f"picture array {array.shape} has more than {MAX_PIXELS:,} pixels")
    if array.dtype == np.bool_:
        array = array.astype(np.uint8) * 255
    elif array.dtype == np.uint16:
        array = ((array.astype(np.uint32) + 128) // 257).astype(np.uint8)
    elif np.issubdtype(array.dtype, np.floating):
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise FaceLLMError("a picture array of floats must lie in [0, 1]")
        array = (array * 255 + 0.5).astype(np.uint8)
    elif array.dtype != np.uint8:
        raise FaceLLMError(f"picture array has type {array.dtype}, expected uint8")
    if array.shape[2] == 4:
        return _on_white(array)
    return np.ascontiguousarray(np.broadcast_to(array, (*array.shape[:2], 3)))


def _shrink(pixels: Rgb) -> Rgb:
    """Average (H, W, 3) down to ``MAX_SIDE``; at least one pixel is left of the shorter side."""
    height, width = pixels.shape[:2]
    scale = MAX_SIDE / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)  # type: ignore[return-value]
