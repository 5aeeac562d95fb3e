"""Clips that Pillow decodes: animated pictures, and folders whose pictures are frames.

Example: ``AnimatedPicture(Path("wave.gif")).frames()``; ``PictureFolder(Path("shots"), 25.0)``
takes ``f2.jpg`` before ``f10.jpg`` and puts a picture every 0.04 seconds.
"""

from __future__ import annotations

import re
import struct
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import PIL
from PIL import Image

from facellm.clip.frames import EVERY_FRAME, ClipFacts, ClipFrame, Losses, Rgb
from facellm.errors import FaceLLMError
from facellm.images import load_image
from facellm.picture_files import PICTURE_ENDINGS, shown_name

PILLOW = f"Pillow {PIL.__version__}"
UNSAID = 0.1  # seconds a frame is shown that says nothing, as browsers do
SHORTEST = 0.011  # a frame that asks for less is shown for UNSAID, as browsers do
_ERRORS = (OSError, SyntaxError, ValueError, struct.error, zlib.error)


class AnimatedPicture:
    """A GIF, WebP, PNG or AVIF with frames.

    Args:
        path: The file.

    Raises:
        FaceLLMError: If it is not a picture.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.losses = path, Losses()
        try:
            with Image.open(path) as picture:
                size, kind = picture.size, str(picture.format)
        except (*_ERRORS, EOFError, Image.DecompressionBombError) as error:
            raise FaceLLMError(f"{path}: not a clip, or of a kind that is not known") from error
        self.facts = ClipFacts(shown_name(path), PILLOW, kind, size)

    def frames(self, spacing: float = EVERY_FRAME) -> Iterator[ClipFrame]:
        """Frames with the time at which each is shown; damage ends the clip and is counted."""
        time, index = 0.0, 0
        with Image.open(self.path) as picture:
            while True:
                try:
                    picture.seek(index)
                    pixels = load_image(picture)
                    shown = picture.info.get("duration", 0) / 1000
                except EOFError:
                    return
                except (FaceLLMError, *_ERRORS):
                    self.losses.add("cut off or damaged from here on", time)
                    return
                # Bound now: the next frame replaces the picture's own pixels.
                yield ClipFrame(index, time, partial(_given, pixels))
                time += shown if shown >= SHORTEST else UNSAID
                index += 1

    def seconds(self) -> float:
        """Time of the last frame."""
        time = 0.0
        for frame in self.frames():
            time = frame.time
        self.losses = Losses()  # counted again when the frames are used
        return time


class PictureFolder:
    """The pictures of a folder as frames, in the order of the numbers in their names.

    Args:
        path: The folder; folders inside it are not searched.
        rate: Pictures a second, above 0.

    Raises:
        FaceLLMError: If it holds no picture, or if ``rate`` is not positive.
    """

    def __init__(self, path: Path, rate: float) -> None:
        if not rate > 0:
            raise FaceLLMError(f"--frames {rate:g}: must be above 0 pictures a second")
        self.path, self.rate, self.losses = path, rate, Losses()
        self.files = sorted(
            (file for file in path.iterdir() if file.suffix.lower() in PICTURE_ENDINGS),
            key=lambda file: natural(file.name),
        )
        if not self.files:
            raise FaceLLMError(f"{path}: no pictures in this folder")
        self.facts = ClipFacts(shown_name(path), PILLOW, "pictures", duration=self.seconds())

    def frames(self, spacing: float = EVERY_FRAME) -> Iterator[ClipFrame]:
        """One frame a picture; a picture is opened when its pixels are asked for."""
        for index, file in enumerate(self.files):
            yield ClipFrame(index, index / self.rate, partial(load_image, file))

    def seconds(self) -> float:
        """Time of the last picture."""
        return (len(self.files) - 1) / self.rate


def natural(name: str) -> tuple[tuple[int, int, str], ...]:
    """Sorting key of a name: runs of digits count as numbers, ``f2`` comes before ``f10``."""
    parts = re.split(r"(\d+)", name.casefold())
    return tuple((1, int(p), p) if p.isdecimal() else (0, 0, p) for p in parts if p)


def _given(pixels: Rgb) -> Rgb:
    return pixels
