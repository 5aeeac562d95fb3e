"""Clips that tests make for themselves: video files, animated pictures, and what damages them."""

import struct
from fractions import Fraction

import numpy as np
from PIL import Image

MILLISECONDS = Fraction(1, 1000)
CODECS = {".mp4": "libx264", ".webm": "libvpx", ".mkv": "libx264", ".avi": "mpeg4"}


def write_video(path, frames, times=None, rate=25, options=None, every_key=None):
    """Encode frames (H, W, 3) with sides that are even; ``times`` are seconds, else by ``rate``."""
    import av

    frames = list(frames)
    times = [i / rate for i in range(len(frames))] if times is None else times
    with av.open(str(path), "w", options=options or {}) as container:
        stream = container.add_stream(CODECS[path.suffix], rate=rate)
        stream.height, stream.width = frames[0].shape[:2] if frames else (64, 64)
        stream.pix_fmt = "yuv420p"
        stream.codec_context.time_base = MILLISECONDS
        if every_key:
            stream.codec_context.gop_size = every_key
            stream.options = {"sc_threshold": "0"}  # no key frames of the encoder's own
        container.start_encoding()  # a file without a frame has a header too
        for pixels, time in zip(frames, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), format="rgb24")
            frame.pts, frame.time_base = round(1000 * time), MILLISECONDS
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def write_gif(path, frames, milliseconds=100):
    """An animated picture; the ending says of which kind."""
    first, *rest = [Image.fromarray(pixels) for pixels in frames]
    first.save(path, save_all=True, append_images=rest, duration=milliseconds, loop=0)
    return path


def turn_clip(path, matrix):
    """Write into an MP4's track header how it is shown: (a, b, c, d), quarter turns and mirrors.

    A stored point (x, y) is shown at (a x + c y, b x + d y), shifted into the picture.
    """
    data = bytearray(path.read_bytes())
    at = data.index(b"tkhd")
    start = at + 4 + 4 + 20 + 8 + 4 + 4  # version and flags, times and id, reserved, layer, volume
    one = 1 << 16
    assert struct.unpack(">9i", data[start : start + 36]) == (one, 0, 0, 0, one, 0, 0, 0, one << 14)
    width, height = struct.unpack(">2I", data[start + 36 : start + 44])
    a, b, c, d = matrix
    shift = [max(0, -x) * width + max(0, -y) * height for x, y in ((a, c), (b, d))]
    turned = (a * one, b * one, 0, c * one, d * one, 0, *shift, one << 14)
    data[start : start + 36] = struct.pack(">9i", *turned)
    path.write_bytes(data)
    return path, (width, height)


def turn_phone(path):
    """Write into an MP4's track header that it is shown turned clockwise by a quarter."""
    return turn_clip(path, (0, 1, -1, 0))


def flat(value, size=(48, 64)):
    """A frame of one grey."""
    return np.full((*size, 3), value, np.uint8)
