"""Made-up trees of face sets in their original layouts: a few pixels, the sets' own names."""

from pathlib import Path

from PIL import Image


def picture(path, shade=90):
    """A tiny picture at a path whose folders are made."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (8, 8), (shade, shade, shade)).save(path)
    return path


def touch(path, content=b"\0"):
    """A stand-in for a video: readers refer to clips, they do not open them."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def text(path, *lines, end="\n", mark=False):
    """A text file of lines, with the line ends and byte-order mark one asks for."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    content = end.join(lines) + end
    path.write_bytes(("\ufeff" if mark else "").encode() + content.encode())
    return path


def parted(rows):
    """Rows and rejections of a reader."""
    rows = list(rows)
    good = [row for row in rows if not hasattr(row, "reason")]
    return good, [row for row in rows if hasattr(row, "reason")]
