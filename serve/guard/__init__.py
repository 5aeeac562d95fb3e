"""Pictures and clips of strangers -> pixels, decoded in processes that can do no harm."""

from __future__ import annotations

from .errors import BadPicture
from .guard import ClipFrames, PictureGuard

__all__ = ["BadPicture", "ClipFrames", "PictureGuard"]
