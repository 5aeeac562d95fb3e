"""What a file is, by how it begins; its name and what the sender calls it mean nothing.

Example: ``picture_kind(b"GIF89a...")`` raises ``BadPicture`` 415, "a GIF; ...", and
``clip_kind(b"#EXTM3U...")`` one that names an HLS playlist.
"""

from __future__ import annotations

from .errors import INVALID, TOO_LARGE, UNSUPPORTED, BadPicture

MOST_PICTURE_BYTES = 10_000_000
MOST_CLIP_BYTES = 200_000_000
MOST_FRAMES = 16  # of a clip
_PICTURES = ((b"\xff\xd8\xff", "JPEG"), (b"\x89PNG\r\n\x1a\n", "PNG"))
_MATROSKA = b"\x1a\x45\xdf\xa3"
_FTYP = b"ftyp"
_STILL = (b"avif", b"avis", b"heic", b"heix", b"heif", b"mif1", b"msf1", b"crx ", b"jxl ")
_OLD_QUICKTIME = (b"moov", b"mdat", b"wide", b"free", b"skip")
_OTHERS = (  # beginnings and what they are called in the answer
    *((b"GIF8", "a GIF"), (b"BM", "a BMP picture"), (b"II*\x00", "a TIFF"), (b"MM\x00*", "a TIFF")),
    *((b"\x00\x00\x01\x00", "an icon"), (b"\x00\x00\x02\x00", "a cursor"), (b"8BPS", "a PSD")),
    *((b"%PDF", "a PDF"), (b"%!PS", "a PostScript file"), (b"\xc5\xd0\xd3\xc6", "an EPS file")),
    *((b"\x00\x00\x00\x0cjP", "a JPEG 2000 picture"), (b"\xff\x4f\xff\x51", "a JPEG 2000 stream")),
    *((b"\xff\x0a", "a JPEG XL picture"), (b"\x00\x00\x00\x0cJXL", "a JPEG XL picture")),
    *(
        (b"PK\x03\x04", "a ZIP archive"),
        (b"\x1f\x8b", "a gzip archive"),
        (b"7z\xbc\xaf", "an archive"),
    ),
    *(
        (b"#EXTM3U", "an HLS playlist"),
        (b"ffconcat", "a concat playlist"),
        (b"SIMPLE  =", "a FITS file"),
    ),
    *(
        (b"FLV\x01", "a Flash video"),
        (b"OggS", "an Ogg file"),
        (b"\x00\x00\x01\xba", "an MPEG file"),
    ),
    *((b"\x7fELF", "a program"), (b"MZ", "a program"), (b"qoif", "a QOI picture")),
    *((b"DDS ", "a DDS texture"), (b"v/1\x01", "an OpenEXR picture"), (b"\x89HDF", "an HDF5 file")),
)
_MARKUP = (
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
)
_LOOKED_AT = 512  # bytes


def picture_kind(data: bytes) -> str:
    """``JPEG``, ``PNG`` or ``WEBP``.

    Raises:
        BadPicture: 400 if there are no bytes, 413 if there are more than 10 MB, 415 if it is
            anything else.
    """
    _check_size(data, MOST_PICTURE_BYTES, "picture")
    for begin, kind in _PICTURES:
        if data.startswith(begin):
            return kind
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "WEBP"
    raise BadPicture(415, UNSUPPORTED, f"{describe(data)}; pictures are JPEG, PNG or WebP")


def clip_kind(data: bytes) -> str:
    """FFmpeg's demuxer: ``mov`` for MP4 and QuickTime, ``matroska`` for WebM and Matroska.

    Raises:
        BadPicture: 400 if there are no bytes, 413 if there are more than 200 MB, 415 if it is
            anything else.
    """
    _check_size(data, MOST_CLIP_BYTES, "clip")
    if data.startswith(_MATROSKA):
        return "matroska"
    box = data[4:8]
    if (box == _FTYP and data[8:12] not in _STILL) or box in _OLD_QUICKTIME:
        return "mov"
    raise BadPicture(415, UNSUPPORTED, f"{describe(data)}; clips are MP4, QuickTime, WebM or MKV")


def describe(data: bytes) -> str:
    """What the bytes are, in words."""
    start = data[:_LOOKED_AT]
    for begin, name in _OTHERS:
        if start.startswith(begin):
            return name
    if start[4:8] == _FTYP:
        return "an AVIF or HEIF picture" if start[8:12] in _STILL else "an MP4 or QuickTime clip"
    if start.startswith(_MATROSKA):
        return "a WebM or Matroska clip"
    if start[:4] == b"RIFF":
        return "an AVI clip" if start[8:12] == b"AVI " else "a RIFF file of another kind"
    if any(start.startswith(begin) for begin, _ in _PICTURES):
        return "a picture"
    lower = start.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    for mark, name in _MARKUP:
        if mark in lower and lower.startswith(b"<"):
            return name
    if start and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start):
        return "plain text"
    return "not a kind of file that is known"


def _check_size(data: bytes, most: int, what: str) -> None:
    if not data:
        raise BadPicture(400, INVALID, f"the {what} is empty (0 bytes)")
    if len(data) > most:
        size = f"{len(data):,} bytes, at most {most:,}"
        raise BadPicture(413, TOO_LARGE, f"the {what} has {size}")
