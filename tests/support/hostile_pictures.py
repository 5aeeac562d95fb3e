"""Files that a stranger might send for a picture, made here: damaged, enormous, disguised, honest.

``honest()`` gives small pictures of every kind that is taken; ``odd()`` what must be refused, with
the status; ``strange()`` what may be read or refused, but in time; ``flipped`` and ``cut`` damage
any of them, seeded.
"""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from PIL import Image, PngImagePlugin

SIDE = 48


def picture(mode: str = "RGB", size: tuple[int, int] = (SIDE, SIDE)) -> Image.Image:
    """Smooth colours, the same each time."""
    y, x = np.mgrid[0 : size[1], 0 : size[0]] * 5 % 256
    return Image.fromarray(np.stack([x, y, (x + y) // 2], -1).astype(np.uint8)).convert(mode)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    """The file of a picture."""
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def honest() -> dict[str, bytes]:
    """Small pictures that must be read."""
    deep = Image.fromarray(np.arange(SIDE * SIDE, dtype=np.uint16).reshape(SIDE, SIDE) * 28)
    exif = Image.Exif()
    exif[0x0112] = 6
    return {
        "baseline.jpg": encoded(picture(), "JPEG"),
        "progressive.jpg": encoded(picture(), "JPEG", progressive=True),
        "grey.jpg": encoded(picture("L"), "JPEG"),
        "cmyk.jpg": encoded(picture("CMYK"), "JPEG"),
        "turned.jpg": encoded(picture(), "JPEG", exif=exif),
        "rgb.png": encoded(picture(), "PNG"),
        "rgba.png": encoded(picture("RGBA"), "PNG"),
        "palette.png": encoded(picture("P"), "PNG", transparency=3),
        "one_bit.png": encoded(picture("1"), "PNG"),
        "grey_alpha.png": encoded(picture("LA"), "PNG"),
        "deep.png": encoded(deep, "PNG"),
        "lossy.webp": encoded(picture(), "WEBP"),
        "lossless.webp": encoded(picture("RGBA"), "WEBP", lossless=True),
    }


def chunk(name: bytes, data: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width: int, height: int, pixels: bytes, extra: bytes = b"") -> bytes:
    """An 8-bit RGB PNG of any header, whatever its data."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + extra + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def odd() -> dict[str, tuple[int, bytes]]:
    """Files that must be refused: name -> (status, bytes)."""
    frames = [picture(), picture().rotate(90), picture().rotate(180)]
    moving = {"save_all": True, "append_images": frames[1:]}
    bomb = zlib.compress(b"\0" * 40_000_000, 9)
    scans = encoded(picture(), "JPEG", progressive=True)
    start = scans.rindex(b"\xff\xda")
    jpeg = encoded(picture(), "JPEG")
    html = b"<!doctype html><html><body onload=alert(1)></body></html>"
    return {
        "empty": (400, b""),
        "gif": (415, encoded(picture("P"), "GIF")),
        "animated.gif": (415, encoded(frames[0], "GIF", **moving)),
        "animated.png": (415, encoded(frames[0], "PNG", **moving)),
        "animated.webp": (415, encoded(frames[0], "WEBP", **moving)),
        "mpo": (415, encoded(frames[0], "MPO", **moving)),
        "tiff": (415, encoded(picture(), "TIFF")),
        "bmp": (415, encoded(picture(), "BMP")),
        "ico": (415, encoded(picture(), "ICO")),
        "pdf": (415, encoded(picture(), "PDF")),
        "eps": (415, encoded(picture(), "EPS")),
        "jpeg2000": (415, encoded(picture(), "JPEG2000")),
        "avif": (415, b"\0\0\0\x1cftypavif" + bytes(100)),
        "svg": (415, b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>'),
        "xml svg": (415, b'<?xml version="1.0"?><svg><image href="file:///etc/passwd"/></svg>'),
        "html": (415, html),
        "text": (415, b"just words"),
        "hls": (415, b"#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"),
        "zip": (415, b"PK\x03\x04" + bytes(60)),
        "noise": (415, random.Random(0).randbytes(500)),
        "50k x 50k header": (413, png(50_000, 50_000, zlib.compress(bytes(100)))),
        "26 MP header": (413, png(5_200, 5_000, zlib.compress(bytes(100)))),
        "huge sides": (413, png(2**31 - 1, 2**31 - 1, b"")),
        "no width": (400, png(0, 100, b"")),
        "one pixel": (400, encoded(picture(size=(1, 1)), "PNG")),
        "a line": (400, encoded(picture(size=(2000, 2)), "PNG")),
        "no data": (400, png(64, 64, b"")),
        "11 MB": (413, jpeg + bytes(11_000_000)),
        "too many scans": (400, scans[:-2] + scans[start:-2] * 5_000 + b"\xff\xd9"),
        "text bomb": (400, png(64, 64, b"", chunk(b"zTXt", b"a\0\0" + bomb))),
        "half a JPEG": (400, jpeg[: len(jpeg) // 2]),
        "begin of a JPEG": (400, b"\xff\xd8\xff\xe0"),
        "begin of a PNG": (400, b"\x89PNG\r\n\x1a\n"),
        "begin of a WebP": (400, b"RIFF\x10\0\0\0WEBPVP8 "),
    }


def strange() -> dict[str, bytes]:
    """Files that may be read or refused."""
    jpeg, good = encoded(picture(), "JPEG"), encoded(picture(), "PNG")
    text = PngImagePlugin.PngInfo()
    text.add_text("Comment", "x" * 900_000, zip=True)
    pixels = zlib.compress(b"".join(b"\0" + bytes(3 * SIDE) for _ in range(SIDE)))
    profile = chunk(b"iCCP", b"p\0\0" + zlib.compress(b"\0" * 30_000_000, 9))
    return {
        "page behind a JPEG": jpeg + b"<script>alert(1)</script>",
        "archive behind a PNG": good + b"PK\x03\x04" + bytes(100),
        "page in a comment": jpeg[:2] + b"\xff\xfe\x00\x16<svg onload=alert()>" + jpeg[2:],
        "a profile of 60 kB": encoded(picture(), "JPEG", icc_profile=b"x" * 60_000),
        "a profile bomb": png(SIDE, SIDE, pixels, profile),
        "a long text": encoded(picture(), "PNG", pnginfo=text),
        "too much data": png(SIDE, SIDE, zlib.compress(bytes(5_000_000))),
        "broken EXIF": jpeg[:2]
        + b"\xff\xe1\x00\x20Exif\0\0MM\0*\xff\xff\xff\xff"
        + bytes(14)
        + jpeg[2:],
        "huge by its header": jpeg.replace(struct.pack(">HH", SIDE, SIDE), b"\x13\x88\x13\x88", 1),
    }


def cut(data: bytes, step: int = 1) -> Iterator[bytes]:
    """The file cut off behind every ``step``-th byte."""
    return (data[:end] for end in range(0, len(data), step))


def flipped(data: bytes, count: int, seed: int) -> Iterator[bytes]:
    """The file with one to eight bits turned, ``count`` times."""
    rng = random.Random(seed)
    for _ in range(count):
        broken = bytearray(data)
        for _ in range(rng.choice((1, 1, 2, 4, 8))):
            broken[rng.randrange(len(broken))] ^= 1 << rng.randrange(8)
        yield bytes(broken)
