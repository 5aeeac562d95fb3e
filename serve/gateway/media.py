"""Data URIs -> bytes. Nothing is ever fetched: an address that is not data is refused.

Example: ``picture_bytes("data:image/png;base64,iVBORw0...", settings, "messages.0.content.1")``
"""

from __future__ import annotations

import base64
import binascii
import re

from .failures import ApiError
from .settings import Settings

PICTURE_KINDS = frozenset({"image/jpeg", "image/jpg", "image/png", "image/webp"})
_HEAD = re.compile(r"data:([\w.+-]{1,40}/[\w.+-]{1,60})((?:;[\w=.-]{1,60}){0,4});base64,", re.ASCII)
_LONGEST_HEAD = 400


def picture_bytes(url: str, settings: Settings, param: str) -> bytes:
    """Bytes of a picture; ``ApiError`` 400, 413 or 415 where it is none that is taken."""
    kind, start = kind_of(url, param)
    if kind not in PICTURE_KINDS:
        message = f"{kind} is not taken; pictures are JPEG, PNG or WebP"
        raise ApiError(415, "unsupported_image", message, param)
    return payload(url, start, settings.picture_bytes, param)


def clip_bytes(url: str, settings: Settings, param: str) -> bytes:
    """Bytes of a clip; ``ApiError`` as ``picture_bytes``."""
    kind, start = kind_of(url, param)
    if not kind.startswith("video/"):
        raise ApiError(415, "unsupported_video", f"{kind} is not taken, expected video/...", param)
    return payload(url, start, settings.clip_bytes, param)


def kind_of(url: str, param: str) -> tuple[str, int]:
    """Media type of a data URI, and where its data begin."""
    found = _HEAD.match(url[:_LONGEST_HEAD])
    if found is None:
        if re.match(r"(?!data:)[A-Za-z][\w+.-]{0,20}:", url[:30]):
            message = "addresses are not fetched; send the data, as data:image/jpeg;base64,..."
            raise ApiError(400, "url_not_allowed", message, param)
        message = "not a data URI of the form data:image/jpeg;base64,..."
        raise ApiError(400, "invalid_data_uri", message, param)
    return found[1].lower(), found.end()


def payload(url: str, start: int, most: int, param: str) -> bytes:
    """What base64 holds, at most ``most`` bytes and at least one."""
    too_long = ApiError(413, "image_too_large", f"more than {most:,} bytes", param)
    if (len(url) - start) * 3 // 4 - 2 > most:  # told before anything is decoded
        raise too_long
    try:
        data = base64.b64decode(url[start:], validate=True)
    except (binascii.Error, ValueError) as error:
        raise ApiError(400, "invalid_base64", f"not base64: {error}", param) from None
    if len(data) > most:
        raise too_long
    if not data:
        raise ApiError(400, "empty_image", "the file is empty", param)
    return data
