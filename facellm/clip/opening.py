"""What a person typed -> a clip, or the knowledge that it is a photograph.

Example: ``is_clip(Path("party.gif"))`` is True for an animated GIF and False for one picture;
``open_clip(Path("shots"), rate=25.0)`` takes the pictures of a folder for frames.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from PIL import Image

from facellm.clip.picture_frames import AnimatedPicture, PictureFolder
from facellm.errors import FaceLLMError
from facellm.picture_files import VIDEO_ENDINGS

if TYPE_CHECKING:
    from facellm.clip.frames import Clip

# Kinds of pictures that may move; more than one frame makes them a clip.
MAY_MOVE = {".gif", ".webp", ".png", ".apng", ".avif"}
_PILLOW_KINDS = {"GIF", "WEBP", "PNG", "AVIF"}  # not those whose pictures are pages or a pair
_MOVING = (b"GIF8", b"\x89PNG", b"RIFF")  # how those begin that often lack their ending
# How video files begin, for those with another name or none: offset and bytes.
_BEGINNINGS = (
    *((0, b"\x1a\x45\xdf\xa3"), (0, b"FLV\x01"), (8, b"AVI "), (0, b"OggS")),
    *((0, b"\x00\x00\x01\xba"), (0, b"\x00\x00\x01\xb3"), (0, b"YUV4MPEG2 ")),
    (0, b"\x30\x26\xb2\x75\x8e\x66\xcf\x11"),  # Windows Media
    *((4, b"moov"), (4, b"mdat"), (4, b"wide"), (4, b"free")),  # QuickTime of old
)
_STILL_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1", b"jp2 ", b"crx ")
_PACKETS = ((0, 188), (4, 192))  # first mark and distance of the marks of MPEG transport streams
_MARK = 0x47
_ENOUGH = 512  # bytes that tell a video


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
            start = file.read(_ENOUGH)
    except OSError:  # who opens it as a picture says why
        return False
    return begins_as_video(start) or (start.startswith(_MOVING) and moves(path))


def refuse_clip(path: str | Path) -> None:
    """Refuse a clip where one picture is taken: its first frame alone would stand for all."""
    if is_clip(Path(path)):
        other = "`facellm ask`, `read` and `timeline` take clips"
        raise FaceLLMError(f"{path}: is a clip, not a picture; {other}")


def begins_as_video(start: bytes) -> bool:
    """Whether a file that begins like this is a video; animated pictures are none."""
    if start[:4] == b"GIF8":
        return False
    if start[4:8] == b"ftyp":
        return start[8:12] not in _STILL_BRANDS
    if any(start[at : at + len(mark)] == mark for at, mark in _BEGINNINGS):
        return True
    return any(start[at : at + 2 * step + 1 : step] == bytes([_MARK] * 3) for at, step in _PACKETS)


def moves(source: Path | BinaryIO) -> bool:
    """Whether a picture has more than one frame; a damaged one is left to who reads it."""
    try:
        with warnings.catch_warnings():  # the bound on its size is checked by who reads it
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(source) as picture:
                animated = bool(getattr(picture, "is_animated", False))
                return animated and picture.format in _PILLOW_KINDS
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
    if is_gif or path.suffix.lower() in MAY_MOVE or moves(path):
        return AnimatedPicture(path)
    from facellm.clip.video_file import VideoFile

    return VideoFile(path)
