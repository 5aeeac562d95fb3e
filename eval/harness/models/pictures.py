"""Pictures as models of others are sent them: encoded, as data URIs or PIL pictures."""

from __future__ import annotations

import base64
import io
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from facellm.crops import LEAST_QUALITY, upright_crop
from facellm.errors import FaceLLMError

from ..asking import Request
from ..media import CROP

LONGEST_SIDE = 1024  # pixels; larger pictures are averaged down
CROP_SIDE = 448  # pixels of a face crop that is sent
Rgb = NDArray[np.uint8]


def shown_pictures(request: Request, *, crops: bool) -> list[Rgb]:
    """The pictures of a request, or the face crop of each.

    Raises:
        FaceLLMError: If one cannot be decoded, or a crop is asked for and no face is found.
    """
    found: list[Rgb] = []
    for medium in request.sample.media:
        for picture in medium.frames(request.frames):
            wanted = crops and medium.face != CROP
            found.append(face_crop(picture) if wanted else picture)
    return found


def sent_pictures(request: Request, *, crops: bool) -> list[str]:
    """``shown_pictures`` as data URIs."""
    return [data_uri(picture) for picture in shown_pictures(request, crops=crops)]


@lru_cache(maxsize=1)
def _detector() -> object:
    from facellm.assistant import FaceAssistant
    from facellm.engine_names import TORCH

    return FaceAssistant.load(engine=TORCH).detector


def face_crop(picture: Rgb) -> Rgb:
    """The largest face of a picture, (448, 448, 3), found by the shipped detector.

    Raises:
        FaceLLMError: If there is none.
    """
    faces = _detector().detect(picture)  # type: ignore[attr-defined]
    good = [face for face in faces if face.score >= LEAST_QUALITY]
    if not good:
        raise FaceLLMError("no face is found in the picture")
    return upright_crop(picture, max(good, key=lambda face: face.box_xyxy.area), CROP_SIDE)


def pil_picture(picture: Rgb) -> Image.Image:
    """As PIL, its longer side at most 1,024 pixels."""
    image = Image.fromarray(picture)
    image.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return image


def data_uri(picture: Rgb) -> str:
    """As a data URI of a PNG: nothing is lost, and the bytes are the same every time.

    Packed lightly: a fifth of the time for a tenth more bytes.
    """
    out = io.BytesIO()
    pil_picture(picture).save(out, "PNG", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(out.getvalue()).decode()
