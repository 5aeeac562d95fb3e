"""Video files, decoded by PyAV (FFmpeg), frame by frame.

Example: ``VideoFile(Path("phone.mp4")).facts`` -> ``ClipFacts("phone.mp4", "PyAV 18.1.0 ...",
"h264", (1080, 1920), 90, 12.4)`` for a phone held upright.

Damage is counted, never passed over: packets that cannot be decoded, frames the decoder marks as
damaged, a file that ends before the time it promises. Decoding takes one thread: where faces are
read on the same cores more threads only get in the way.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from facellm.clip.frames import EVERY_FRAME, ClipFacts, ClipFrame, Losses, Rgb, clock
from facellm.clip.turning import clockwise, turn_of
from facellm.errors import FaceLLMError
from facellm.images import MAX_PIXELS, MAX_SIDE, Turn, turned
from facellm.picture_files import shown_name

MISSING = "clips need PyAV: pip install 'facellm[clip]'"
THREADS = 1
UNKNOWN_RATE = 25.0  # frames a second where neither stamps nor the file say anything
LATE = 0.5  # seconds without pictures at the end that are worth telling
WIDE = 4.0  # seconds between used frames from which whole groups of frames are left undecoded
MOST_HELD = 64 * 2**20  # bytes of compressed frames held back undecoded


def pyav() -> Any:
    """The package ``av``; ``FaceLLMError`` naming the extra where it is missing."""
    try:
        import av
        import av.error
    except ImportError as error:
        raise FaceLLMError(MISSING) from error
    return av


def decoder_name() -> str:
    """``PyAV 18.1.0 (libavcodec 62.28.102)``."""
    av = pyav()
    from av import library_versions

    codecs = ".".join(map(str, library_versions["libavcodec"]))
    return f"PyAV {av.__version__} (libavcodec {codecs})"


class VideoFile:
    """A file with a stream of pictures.

    Args:
        path: The file.

    Raises:
        FaceLLMError: If PyAV is missing, or the file is no video or holds no pictures.
    """

    def __init__(self, path: Path) -> None:
        self.path, self.losses, self.left_out = path, Losses(), 0
        self.av = pyav()
        with self._open() as container:
            stream = self._stream(container)
            context = stream.codec_context
            if context.width * context.height > MAX_PIXELS:
                size = f"{context.width} x {context.height}"
                raise FaceLLMError(f"{path}: {size} pixels, at most {MAX_PIXELS:,}")
            self.rate = float(stream.average_rate or stream.guessed_rate or UNKNOWN_RATE)
            self.aspect = float(stream.sample_aspect_ratio or 1)
            promised = self._promised(container, stream)
            first = next(self._decoded(self._packets(container, stream), stream), None)
            if first is None:
                raise FaceLLMError(f"{path}: no frame of this clip can be decoded")
            # Asked of one frame only: PyAV keeps a frame whose side data was asked for until
            # Python looks for circles, and a clip has one matrix for all of its frames.
            self.turn = turn_of(first)
            name, (rotation, mirrored) = context.name, clockwise(self.turn)
            height, width = upright(first, self.turn, self.aspect).shape[:2]
        self.losses = Losses()  # counted again when the frames are used
        size, file = (width, height), shown_name(path)
        self.facts = ClipFacts(file, decoder_name(), name, size, rotation, promised, mirrored)

    def frames(self, spacing: float = EVERY_FRAME) -> Iterator[ClipFrame]:
        """Frames in the order shown (``facellm.clip.frames.Clip``)."""
        first: float | None = None
        last, end = -1.0, 0.0
        with self._open() as container:
            stream = self._stream(container)
            packets = self._packets(container, stream)
            chosen = packets if spacing < WIDE else self._needed(packets, spacing)
            self.left_out = 0
            for number, frame in enumerate(self._decoded(chosen, stream)):
                index = number + self.left_out
                step = 1 / self.rate
                base = frame.time_base or stream.time_base  # frames that come out last lack it
                time = None if frame.pts is None else float(frame.pts * base)
                if time is not None:
                    first = time if first is None else first
                    time -= first
                if time is None or time <= last:
                    self.losses.add("no usable time stamp; placed by the frame rate", last)
                    time = last + step if last >= 0 else 0.0
                last, end = time, time + step
                if frame.is_corrupt:
                    self.losses.add("damaged, left out", time)
                    continue
                yield ClipFrame(index, time, partial(upright, frame, self.turn, self.aspect))
        self._tell_missing_end(end)

    def seconds(self) -> float:
        """Time of the last frame; counted over the packets where the file does not promise one."""
        if self.facts.duration is not None:
            return max(0.0, self.facts.duration - 1 / self.rate)
        first, last, count = None, 0.0, 0
        with self._open() as container:
            stream = self._stream(container)
            for packet in self._packets(container, stream):
                count += packet.size > 0
                if packet.pts is not None:
                    time = float(packet.pts * packet.time_base)
                    first = time if first is None else min(first, time)
                    last = max(last, time)
        self.losses = Losses()  # counted again when the frames are used
        return last - first if first is not None else max(0, count - 1) / self.rate

    def _open(self) -> Any:
        try:
            return self.av.open(str(self.path), metadata_errors="replace")
        except self.av.error.FFmpegError as error:
            reason = f"not a video, or cut off before its first frame ({error.strerror})"
            raise FaceLLMError(f"{self.path}: {reason}") from error

    def _stream(self, container: Any) -> Any:
        """The first stream of pictures that is not a cover."""
        attached = self.av.stream.Disposition.attached_pic
        streams = [s for s in container.streams.video if not s.disposition & attached]
        if not streams:
            raise FaceLLMError(f"{self.path}: holds no pictures, only sound or a cover")
        stream = streams[0]
        if stream.codec_context is None:
            raise FaceLLMError(f"{self.path}: its pictures are of a kind PyAV cannot decode")
        stream.codec_context.thread_count = THREADS
        return stream

    def _promised(self, container: Any, stream: Any) -> float | None:
        """Seconds the pictures last by the file's own word."""
        if stream.duration is not None and stream.duration > 0:
            return float(stream.duration * stream.time_base)
        noted = {name.upper(): value for name, value in stream.metadata.items()}.get("DURATION", "")
        with suppress(ValueError):  # Matroska: 00:00:12.480000000
            hours, minutes, seconds = noted.split(":")
            return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
        if container.duration and len(container.streams) == 1:
            return container.duration / self.av.time_base
        return None

    def _packets(self, container: Any, stream: Any) -> Iterator[Any]:
        """Compressed frames; a file that cannot be read any further ends here."""
        packets = container.demux(stream)
        at = 0.0
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except self.av.error.FFmpegError as error:
                self.losses.add(f"the file cannot be read from here on ({error.strerror})", at)
                return
            if packet.pts is not None:
                at = max(at, float(packet.pts * packet.time_base))
            yield packet

    def _needed(self, packets: Iterator[Any], spacing: float) -> Iterator[Any]:
        """Leave out groups of frames that end before the next frame that is used.

        A group starts with a key frame and can be decoded by itself. Packets are held back until it
        is known whether a frame of their group is wanted; what is dropped was never needed.
        """
        held: list[Any] = []
        size, tick, first, sent = 0, 0.0, None, -np.inf
        for packet in packets:
            first = _time(packet) if first is None and packet.pts is not None else first
            time = None if packet.pts is None else _time(packet) - (first or 0.0)
            if packet.is_keyframe and held and time is not None and time <= tick:
                yield None  # what the decoder holds back comes out first
                self.left_out += len(held)
                held, size = [], 0
            held.append(packet)
            size += packet.size
            # One that is shown before what was sent lies between frames that are used.
            if time is None or time >= tick or time < sent or size > MOST_HELD:
                yield from held
                sent = max([sent, *(_time(p) - (first or 0.0) for p in held if p.pts is not None)])
                held, size = [], 0
            if time is not None and time >= tick:
                tick = (np.floor(time / spacing) + 1) * spacing
        yield from held

    def _decoded(self, packets: Iterator[Any], stream: Any) -> Iterator[Any]:
        sent, came = 0, 0
        for packet in packets:
            if packet is None:  # a group follows that has nothing to do with what came before
                for frame in stream.codec_context.decode(None):
                    came += 1
                    yield frame
                stream.codec_context.flush_buffers()
                self.left_out += max(0, sent - came)  # frames whose group broke off under them
                sent, came = 0, 0
                continue
            try:
                frames = stream.codec_context.decode(packet if packet.size else None)
            except self.av.error.FFmpegError as error:
                if isinstance(error, EOFError):
                    continue
                self.losses.add(f"cannot be decoded ({error.strerror})", _time(packet))
                continue
            sent, came = sent + (packet.size > 0), came + len(frames)
            yield from frames

    def _tell_missing_end(self, end: float) -> None:
        promised = self.facts.duration
        if promised is not None and promised - end > max(LATE, 3 / self.rate):
            self.losses.add(
                f"no pictures from here on, though the file promises {clock(promised)}: "
                "its end is missing",
                end,
            )


def _time(packet: Any) -> float:
    """When a packet's frame is shown, seconds of its stream; 0 where it does not say."""
    return 0.0 if packet.pts is None else float(packet.pts * packet.time_base)


def upright(frame: Any, turn: Turn, aspect: float = 1.0) -> Rgb:
    """Pixels of a decoded frame as players show it: turned, un-mirrored, at most 4,096 wide.

    Args:
        frame: Of PyAV.
        turn: Of the clip.
        aspect: Width of a stored pixel / its height; pixels are made square.
    """
    width, height = frame.width * aspect, float(frame.height)
    scale = min(1.0, MAX_SIDE / max(width, height))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    try:
        pixels = frame.reformat(*size, format="rgb24", threads=THREADS).to_ndarray()
    except (ValueError, pyav().error.FFmpegError) as error:
        raise FaceLLMError(f"cannot be turned into pixels ({error})") from error
    return turned(pixels, turn)
