"""Frames of a clip, one after the other, whatever holds them; what was lost is counted.

A clip is a video file, an animated picture or a folder of frames. Its frames come in the order they
are shown, each with the time at which it is shown, and are turned into pixels only when somebody
asks for them, so a clip is never in memory as a whole and nothing is ever written to disk.

Example: ``for frame in sampled(open_clip("clip.mp4").frames(), 2.0): frame.pixels()`` gives the
pictures at 0, 0.5, 1 ... seconds.

Times: seconds from the first frame, from presentation time stamps, not from number and rate, so a
variable frame rate is right. Pixels: (H, W, 3) uint8 RGB, turned as the clip says it is shown.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]
DEFAULT_FPS = 2.0  # sampled frames a second
EVERY_FRAME = 0.0  # as a rate: no frame is left out
_CLOSE = 1e-6  # seconds; time stamps are rounded to their stream's time base


@dataclass(frozen=True)
class ClipFrame:
    """One frame of a clip.

    Attributes:
        index: Its number in the clip, from 0, frames that are not sampled counted too.
        time: Seconds from the first frame.
        pixels: Gives (H, W, 3) uint8 RGB; raises ``FaceLLMError`` where this frame is unreadable.
    """

    index: int
    time: float
    pixels: Callable[[], Rgb]


@dataclass
class Losses:
    """What of a clip could not be used: reasons with how often, first and last time.

    Attributes:
        held: Reason -> [count, first time, last time]; the number of reasons is small.
    """

    held: dict[str, list[float]] = field(default_factory=dict)

    def add(self, reason: str, time: float) -> None:
        """Count one more frame, or stretch, that is lost."""
        count, first, _ = self.held.get(reason, [0, time, time])
        self.held[reason] = [count + 1, first, time]

    def lines(self) -> list[str]:
        """``["12 times: cannot be decoded (0:05.0 to 0:05.4)"]``."""
        return [
            f"{int(count)} {'times' if count > 1 else 'time'}: {reason} ({span(first, last)})"
            for reason, (count, first, last) in self.held.items()
        ]


@dataclass(frozen=True)
class ClipFacts:
    """What is known of a clip before its frames are looked at.

    Attributes:
        name: As typed.
        decoder: Who decodes it, with version.
        codec: Of its pictures.
        size: Width and height as shown, pixels; None where only the frames tell.
        rotation: Degrees clockwise that stored frames are turned by to be shown.
        duration: Seconds that the file promises, None where it says nothing.
        mirrored: Whether left and right are swapped after turning.
    """

    name: str
    decoder: str
    codec: str
    size: tuple[int, int] | None = None
    rotation: int = 0
    duration: float | None = None
    mirrored: bool = False

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return {
            "name": self.name,
            "decoder": self.decoder,
            "codec": self.codec,
            "size": None if self.size is None else list(self.size),
            "rotation": self.rotation,
            "mirrored": self.mirrored,
            "promised_seconds": None if self.duration is None else round(self.duration, 3),
        }


class Clip(Protocol):
    """Whatever holds frames.

    Attributes:
        facts: Known before the first frame.
        losses: Filled while frames are taken.
    """

    facts: ClipFacts
    losses: Losses

    def frames(self, spacing: float = EVERY_FRAME) -> Iterator[ClipFrame]:
        """Frames in the order shown; each call starts anew.

        Args:
            spacing: Seconds between the frames that will be used. Where it is wide, a clip may
                leave frames out that lie more than this before the next one that is used.
        """
        ...

    def seconds(self) -> float:
        """Time of the last frame: as promised, or else counted without decoding pictures."""
        ...


def sampled(frames: Iterator[ClipFrame], fps: float) -> Iterator[ClipFrame]:
    """The first frame at or after each tick of 1 / ``fps`` seconds, and the end of the clip.

    A frame that is shown over several ticks comes once. The last frame comes too where the clip
    goes on for more than half a tick after the last sample, or where it would else be judged by its
    first frame alone.

    Args:
        frames: In the order shown.
        fps: Samples a second; 0 takes every frame.
    """
    taken, tick, last = 0, 0, None
    held: ClipFrame | None = None
    for frame in frames:
        if fps and frame.time + _CLOSE < tick / fps:
            held = frame
            continue
        yield frame
        taken, last, held = taken + 1, frame.time, None
        tick = int(np.floor((frame.time + _CLOSE) * fps)) + 1
    if held is not None and last is not None and (taken == 1 or held.time > last + 0.5 / fps):
        yield held


def clock(seconds: float) -> str:
    """``0:03.5``, ``12:00.0``, ``1:02:03.4``: minutes, seconds, tenths."""
    tenths = round(max(0.0, seconds) * 10)
    minutes, rest = divmod(tenths, 600)
    hours, minutes = divmod(minutes, 60)
    start = f"{hours}:{minutes:02d}" if hours else str(minutes)
    return f"{start}:{rest // 10:02d}.{rest % 10}"


def span(first: float, last: float) -> str:
    """``0:01.0 to 0:02.5``, or ``at 0:01.0`` where both are the same to a tenth."""
    start, end = clock(first), clock(last)
    return f"at {start}" if start == end else f"{start} to {end}"


def short(seconds: float) -> str:
    """``0.067``, ``0.5``, ``153``: two digits, whole seconds from ten on."""
    return f"{seconds:.0f}" if seconds >= 10 else f"{seconds:.2g}"
