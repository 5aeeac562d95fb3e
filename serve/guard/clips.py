"""Bytes of a clip -> at most 16 frames, spread evenly; runs in a worker.

The demuxer is chosen by the first bytes and forced, so that a playlist named ``.mp4`` is never
followed; no protocol that could open another file or an address is allowed, and only usual codecs
are decoded.

Legend: F frames.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import numpy as np

from facellm.clip.turning import turn_of
from facellm.clip.video_file import pyav, upright
from facellm.errors import FaceLLMError
from facellm.images import AS_STORED, Rgb

from .errors import INVALID, TOO_LARGE, UNSUPPORTED, BadPicture
from .kinds import MOST_FRAMES, clip_kind
from .pictures import MOST_PIXELS, SMALLEST_SIDE

LONGEST = 60.0  # seconds
LONGEST_SIDE = 1280  # pixels; larger frames are averaged down
MOST_DECODED = 15_000  # frames looked at to find those wanted: 60 s at 240 a second, and some
_SEEK_FROM = 1.5  # seconds between wanted frames from which the file is searched, not read through
_SLACK = 0.5  # seconds by which a clip may run over
_CODECS = frozenset({"h264", "hevc", "vp8", "vp9", "av1", "libdav1d", "mpeg4", "mjpeg", "libvpx"})
_OPTIONS = {"protocol_whitelist": "file,pipe", "enable_drefs": "0", "use_absolute_path": "0"}


def decode_clip(data: bytes) -> tuple[list[Rgb], list[float]]:
    """Frames of a clip.

    Args:
        data: A whole file.

    Returns:
        F frames, (H, W, 3) uint8 RGB, all of one size, upright, longer side at most 1,280 pixels;
        and their times in seconds from the first frame, rising.

    Raises:
        BadPicture: 400 empty, damaged or without a frame; 413 more than 200 MB, 60 s or 25
            megapixels; 415 not MP4, QuickTime, WebM or Matroska, or of an unusual codec.
    """
    kind = clip_kind(data)
    av = pyav()
    try:
        with av.open(io.BytesIO(data), format=kind, options=dict(_options(kind))) as container:
            stream = _stream(container)
            return _sampled(container, stream)
    except av.error.FFmpegError as error:
        raise BadPicture(400, INVALID, f"damaged clip ({error.strerror})") from error
    except MemoryError as error:
        raise BadPicture(413, TOO_LARGE, "the clip needs more memory than it may have") from error
    except (FaceLLMError, ValueError) as error:
        if isinstance(error, BadPicture):
            raise
        raise BadPicture(400, INVALID, f"damaged clip ({error})") from error


def _options(kind: str) -> dict[str, str]:
    return _OPTIONS if kind == "mov" else {"protocol_whitelist": _OPTIONS["protocol_whitelist"]}


def _stream(container: Any) -> Any:
    """The first stream of pictures, of a codec and size that are taken."""
    if not container.streams.video:
        raise BadPicture(400, INVALID, "the clip holds no pictures")
    stream = container.streams.video[0]
    context = stream.codec_context
    name = context.name if context is not None else "unknown"
    if context is None or name not in _CODECS:
        raise BadPicture(415, UNSUPPORTED, f"a clip coded as {name}; usual are H.264, VP9 and AV1")
    size = f"{context.width} x {context.height} pixels"
    if context.width * context.height > MOST_PIXELS:
        raise BadPicture(413, TOO_LARGE, f"the clip has {size}, at most {MOST_PIXELS:,}")
    if min(context.width, context.height) < SMALLEST_SIDE:
        raise BadPicture(400, INVALID, f"the clip has {size}, at least {SMALLEST_SIDE} a side")
    context.thread_count = 1
    context.options = {"max_pixels": str(MOST_PIXELS)}
    return stream


def _promised(container: Any, stream: Any) -> float | None:
    """Seconds by the file's own word, None where it says nothing."""
    if stream.duration and stream.time_base:
        return float(stream.duration * stream.time_base)
    return container.duration / pyav().time_base if container.duration else None


def _sampled(container: Any, stream: Any) -> tuple[list[Rgb], list[float]]:
    seconds = _promised(container, stream)
    if seconds is not None and seconds > LONGEST + _SLACK:
        raise BadPicture(413, TOO_LARGE, f"the clip lasts {seconds:.1f} s, at most {LONGEST:.0f}")
    if seconds is None or seconds <= 0:
        chosen = _thinned(_decoded(container, stream))
    elif seconds / MOST_FRAMES >= _SEEK_FROM:
        chosen = _searched(container, stream, seconds)
    else:
        chosen = _read_through(_decoded(container, stream), seconds)
    if not chosen:
        raise BadPicture(400, INVALID, "no frame of the clip can be decoded")
    turn, aspect = turn_of(chosen[0][1]), float(stream.sample_aspect_ratio or 1)
    frames = [_small(upright(frame, turn or AS_STORED, aspect)) for _, frame in chosen]
    if len({frame.shape for frame in frames}) > 1:
        raise BadPicture(400, INVALID, "the clip changes its size on the way")
    return frames, [time - chosen[0][0] for time, _ in chosen]


Timed = tuple[float, Any]  # seconds of the stream, frame of PyAV


def _decoded(container: Any, stream: Any) -> Iterator[Timed]:
    """Frames that can be decoded, in order; what is too long or endless is refused on the way."""
    first = None
    last = -1.0
    for number, frame in enumerate(container.decode(stream)):
        if number >= MOST_DECODED:
            raise BadPicture(413, TOO_LARGE, f"the clip has more than {MOST_DECODED:,} frames")
        if frame.pts is None or frame.is_corrupt:
            continue
        time = float(frame.pts * (frame.time_base or stream.time_base))
        first = time if first is None else first
        if time - first > LONGEST + _SLACK:
            raise BadPicture(413, TOO_LARGE, f"the clip lasts more than {LONGEST:.0f} s")
        if time > last:
            last = time
            yield time, frame


def _read_through(frames: Iterator[Timed], seconds: float) -> list[Timed]:
    """The first frame at or after each of 16 even times."""
    chosen: list[Timed] = []
    step = seconds / MOST_FRAMES
    for time, frame in frames:
        start = chosen[0][0] if chosen else time
        if time - start >= len(chosen) * step - 1e-6:
            chosen.append((time, frame))
        if len(chosen) == MOST_FRAMES:
            break
    return chosen


def _searched(container: Any, stream: Any, seconds: float) -> list[Timed]:
    """The same for a long clip, from the key frame before each time on."""
    chosen: list[Timed] = []
    start = float((stream.start_time or 0) * stream.time_base)
    for number in range(MOST_FRAMES):
        wanted = start + number * seconds / MOST_FRAMES
        container.seek(int(wanted / stream.time_base), stream=stream)
        found = next(
            (pair for pair in _decoded(container, stream) if pair[0] >= wanted - 1e-3), None
        )
        if found is not None and (not chosen or found[0] > chosen[-1][0]):
            chosen.append(found)
    return chosen


def _thinned(frames: Iterator[Timed]) -> list[Timed]:
    """16 even ones of a clip of unknown length: when full, every second one is dropped."""
    chosen: list[Timed] = []
    every = 1
    for number, pair in enumerate(frames):
        if number % every:
            continue
        if len(chosen) == MOST_FRAMES:
            chosen, every = chosen[::2], every * 2
            if number % every:
                continue
        chosen.append(pair)
    return chosen


def _small(frame: Rgb) -> Rgb:
    import cv2

    height, width = frame.shape[:2]
    scale = LONGEST_SIDE / max(height, width)
    if scale >= 1:
        return np.ascontiguousarray(frame)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    return np.asarray(cv2.resize(frame, size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
