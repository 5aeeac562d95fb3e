"""Bytes of a picture -> pixels, strictly; runs in a worker.

The pixels are those that ``facellm.images.load_image`` gives for the same file, so that a served
answer is a local one; what is refused here and read there is told by ``BadPicture``.
"""

from __future__ import annotations

import io
import struct
import warnings
import zlib

from PIL import Image, UnidentifiedImageError

from facellm.errors import FaceLLMError
from facellm.images import Rgb, load_image

from .errors import INVALID, TOO_LARGE, UNSUPPORTED, BadPicture
from .kinds import picture_kind

MOST_PIXELS = 25_000_000
SMALLEST_SIDE = 28  # pixels; smaller ones upset image processors of served models
MOST_SCANS = 200  # of a progressive JPEG; honest ones have about ten
_SCAN = b"\xff\xda"
_DAMAGE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, IndexError)
_MOVING = {"PNG": "an animated PNG", "WEBP": "an animated WebP"}


def decode_picture(data: bytes) -> Rgb:
    """Decode one still picture.

    Args:
        data: A whole file.

    Returns:
        (H, W, 3) uint8 RGB, upright, transparency on white, longer side at most 4,096 pixels.

    Raises:
        BadPicture: 400 empty, cut off, damaged or below 28 pixels a side; 413 more than 10 MB or
            25 megapixels, by its header; 415 not a JPEG, PNG or WebP, or more than one picture.
    """
    kind = picture_kind(data)
    if kind == "JPEG" and data.count(_SCAN) > MOST_SCANS:
        raise BadPicture(400, INVALID, f"a JPEG of more than {MOST_SCANS} scans")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[kind]) as picture:
                _check(picture)
                return load_image(picture)
    except BadPicture:
        raise
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise BadPicture(413, TOO_LARGE, f"more than {MOST_PIXELS:,} pixels") from error
    except MemoryError as error:
        raise BadPicture(
            413, TOO_LARGE, "the picture needs more memory than it may have"
        ) from error
    except UnidentifiedImageError as error:
        raise BadPicture(400, INVALID, f"begins as a {kind} but is none") from error
    except FaceLLMError as error:
        raise BadPicture(400, INVALID, str(error)) from error
    except _DAMAGE as error:
        raise BadPicture(400, INVALID, f"damaged {kind} ({error})") from error


def _check(picture: Image.Image) -> None:
    """Refuse by the header, before a pixel is decoded."""
    width, height = picture.size
    size = f"{width} x {height} pixels"
    if width * height > MOST_PIXELS:
        raise BadPicture(413, TOO_LARGE, f"the picture has {size}, at most {MOST_PIXELS:,}")
    if min(width, height) < SMALLEST_SIDE:
        raise BadPicture(400, INVALID, f"the picture has {size}, at least {SMALLEST_SIDE} a side")
    if picture.format == "MPO":
        raise BadPicture(415, UNSUPPORTED, "several pictures in one JPEG (MPO); send one of them")
    if getattr(picture, "is_animated", False):
        found = _MOVING.get(str(picture.format), "an animated picture")
        raise BadPicture(415, UNSUPPORTED, f"{found}; send one still picture, or a clip")
