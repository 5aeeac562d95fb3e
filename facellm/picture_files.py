"""What a person typed -> pictures and clips: files, folders (searched to the bottom), patterns.

Example: ``find_pictures(["holiday", "extra.jpg"])`` -> ``([holiday/a.jpg, holiday/b/c.png,
extra.jpg], 1)`` where one file under ``holiday`` does not look like a picture.
"""

from __future__ import annotations

import glob
import os
from collections.abc import Sequence
from pathlib import Path

from facellm.errors import FaceLLMError

# Apple's HEIC cannot be decoded here; it is on the list so that it is told, not passed over.
PICTURE_ENDINGS = {
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif", ".bmp", ".gif", ".tif", ".tiff",
    ".tga", ".ppm", ".pgm", ".pnm", ".jp2", ".ico", ".heic", ".heif",
}  # fmt: skip
VIDEO_ENDINGS = {
    ".mp4", ".m4v", ".mov", ".qt", ".webm", ".mkv", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts",
    ".wmv", ".asf", ".flv", ".3gp", ".3g2", ".ogv", ".mjpeg", ".mjpg", ".y4m", ".vob",
}  # fmt: skip


def find_pictures(paths: Sequence[str], *, as_clips: bool = False) -> tuple[list[Path], int]:
    """Files to read, in the order typed, each once; inside a folder sorted by name.

    A file that was typed is taken whatever it is called; inside a folder only names with the ending
    of a picture or a video are, hidden ones left out.

    Args:
        paths: As typed.
        as_clips: A folder is one clip, whose pictures are its frames, and is not searched.

    Returns:
        The files, and how many others the folders hold.

    Raises:
        FaceLLMError: If there is no file at all; the message says why.
    """
    found: dict[Path, None] = {}
    left_out = 0
    for typed in paths:
        for path in expand(typed):
            if path.is_dir() and not as_clips:
                pictures, others = pictures_in(path)
                left_out += others
                found |= dict.fromkeys(pictures)
            else:
                found[path] = None  # a missing file is told like every other bad file
    if not found:
        raise FaceLLMError(f"{paths[0]}: no pictures in this folder")
    return list(found), left_out


def expand(typed: str) -> list[Path]:
    """One path, or what a pattern matches; shells hand on a pattern in quotes as it is."""
    if Path(typed).exists() or not glob.has_magic(typed):
        return [Path(typed)]
    matches = sorted(glob.glob(typed, recursive=True))
    if not matches:
        raise FaceLLMError(f"{typed}: no file matches this pattern")
    return [Path(match) for match in matches]


def pictures_in(folder: Path) -> tuple[list[Path], int]:
    """Pictures and videos below a folder by their endings, and the number of other files."""
    endings = PICTURE_ENDINGS | VIDEO_ENDINGS
    pictures, others = [], 0
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        visible = sorted(name for name in names if not name.startswith("."))
        taken = [name for name in visible if Path(name).suffix.lower() in endings]
        pictures += [Path(root) / name for name in taken]
        others += len(visible) - len(taken)
    return pictures, others


def shown_name(path: Path) -> str:
    """A path as text that every table can hold: bytes that are not UTF-8 are replaced."""
    return os.fsencode(path).decode("utf-8", errors="replace")
