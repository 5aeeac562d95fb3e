"""One encoding for everything the forge writes, so that no file tells real from made by its codec.

Real, forged and rendered pictures are stored as JPEG with the same quality, the same chroma
sampling (4:2:0) and the standard Huffman tables, from decoded pixels of the same size: quantisation
tables are equal, and a forged picture has been decoded and encoded exactly as often as the real one
beside it. What a classifier may still learn is what the forgery did to the pixels. Grey pictures
are stored as three equal channels, real and forged alike.

Masks are PNG, 8 bits, 255 where a pixel was changed and 0 elsewhere: exact before this encoding,
which then spreads every change over blocks of 16 pixels at most.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

QUALITY = 92
_SAMPLING = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420


def to_jpeg(pixels: NDArray[np.uint8]) -> bytes:
    """(H, W, 3) uint8 RGB -> JPEG."""
    settings = [cv2.IMWRITE_JPEG_QUALITY, QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, _SAMPLING]
    return cv2.imencode(".jpg", np.ascontiguousarray(pixels[..., ::-1]), settings)[1].tobytes()


def to_mask(mask: NDArray[np.bool_]) -> bytes:
    """(H, W) bool -> PNG with 0 and 255."""
    return cv2.imencode(".png", mask.astype(np.uint8) * 255)[1].tobytes()
