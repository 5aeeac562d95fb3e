"""What a person typed -> a clip, or the knowledge that it is a photograph.

Example: ``is_clip(Path("party.gif"))`` is True for an animated GIF and False for one picture;
``open_clip(Path("shots"), rate=25.0)`` takes the pictures of a folder for frames.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from facellm.clip.picture_frames import AnimatedPicture, PictureFolder
from facellm.errors import FaceLLMError
from facellm.picture_files import VIDEO_ENDINGS

if TYPE_CHECKING:
    from facellm.clip.frames import Clip

# Kinds of pictures that may move; more than one frame makes them a clip.
MAY_MOVE = {".gif", ".webp", ".png", ".apng", ".avif"}
# How video files begin, for those with another name: offset and bytes.
_BEGINNINGS = ((0, b"\x1a\x45\xdf\xa3"), (0, b"FLV\x01"), (0, b"\x00\x00\x01\xba"), (8, b"AVI "))
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"jp2 ", b"crx ")


def is_clip(path: Path) -> bool:
    """Whether a file is one with frames over time: by its ending, else by how it begins."""
    ending = path.suffix.lower()
    if not path.is_file():
        return ending in VIDEO_ENDINGS and not path.is_dir()  # a missing clip is told as a clip
    if ending in VIDEO_ENDINGS:
        return True
    if ending in MAY_MOVE:
        return moves(path)
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError:  # who opens it as a picture says why
        return False
    if start[4:8] == b"ftyp":
        return start[8:12] not in _STILL_BRANDS
    return (start[:6] in {b"GIF87a", b"GIF89a"} and moves(path)) or any(
        start[at : at + len(mark)] == mark for at, mark in _BEGINNINGS
    )


def moves(path: Path) -> bool:
    """Whether a picture file has more than one frame; a damaged one is left to who reads it."""
    try:
        with Image.open(path) as picture:
            return bool(getattr(picture, "is_animated", False))
    except (OSError, SyntaxError, ValueError, EOFError, Image.DecompressionBombError):
        return False


def open_clip(path: str | Path, rate: float | None = None) -> Clip:
    """A clip whose frames can be taken.

    Args:
        path: A video file or an animated picture; with ``rate`` a folder of frames.
        rate: Pictures a second of a folder of frames.

    Raises:
        FaceLLMError: If there is no such file, it is empty, cut off before its first frame or no
            clip, if PyAV is needed and missing, or if a folder comes without ``rate``.
    """
    path = Path(path)
    if not path.exists():
        raise FaceLLMError(f"{path}: no such file")
    if path.is_dir():
        if rate is None:
            raise FaceLLMError(
                f"{path}: is a folder, not a clip; --frames RATE takes its pictures for frames"
            )
        return PictureFolder(path, rate)
    if path.stat().st_size == 0:
        raise FaceLLMError(f"{path}: the file is empty")
    with path.open("rb") as file:
        is_gif = file.read(4) == b"GIF8"
    if is_gif or path.suffix.lower() in MAY_MOVE:
        return AnimatedPicture(path)
    from facellm.clip.video_file import VideoFile

    return VideoFile(path)
