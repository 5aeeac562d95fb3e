"""What was read off a clip, over time: a bounded number of frames, spread over the whole of it.

Example: ``read_timeline(assistant, open_clip("clip.mp4"), 48).tracks[0].sights[5].time`` -> 2.5.

Times: seconds from the first frame. A track's number is the ``id`` of its faces.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from facellm.assistant import FaceAssistant
from facellm.clip.following import Follower, ReadFrame, read_seen
from facellm.clip.frames import DEFAULT_FPS, Clip, ClipFacts, ClipFrame, Losses, Rgb, sampled
from facellm.errors import FaceLLMError
from facellm.results import ReadFace

LEAST_SAMPLES = 8  # of a short clip, where it has so many frames
BATCH = 16  # faces read at once


@dataclass(frozen=True)
class Sight:
    """A face of a track in one sampled frame.

    Attributes:
        order: Number of the frame among those that were used: one after the other means that the
            face was never out of sight in between.
        index: Number of the frame in the clip.
        time: Seconds.
        found: The face and its reading.
    """

    order: int
    index: int
    time: float
    found: ReadFace


@dataclass
class TrackLine:
    """A face over time.

    Attributes:
        number: Of the track, 1, 2 ... by first appearance.
        sights: In order of time, at least one.
        crop: Of its best framed sight, (S, S, 3) uint8.
    """

    number: int
    sights: list[Sight] = field(default_factory=list)
    crop: Rgb | None = None

    @property
    def first(self) -> float:
        """When it is first seen."""
        return self.sights[0].time

    @property
    def last(self) -> float:
        """When it is last seen."""
        return self.sights[-1].time


@dataclass(frozen=True)
class Timeline:
    """A clip as it was read.

    Attributes:
        facts: Of the clip.
        times: Of every sampled frame that could be used, with or without a face.
        indices: Their numbers in the clip.
        tracks: By number.
        spacing: Seconds between samples.
        lost: What could not be used, in words.
        units: Action units that hold up on real faces.
    """

    facts: ClipFacts
    times: tuple[float, ...]
    indices: tuple[int, ...]
    tracks: tuple[TrackLine, ...]
    spacing: float
    lost: tuple[str, ...]
    units: tuple[int, ...]

    @property
    def end(self) -> float:
        """Time of the last sampled frame."""
        return self.times[-1]

    def main_tracks(self) -> list[TrackLine]:
        """Tracks seen most often first; the earlier of two that were seen as often."""
        return sorted(self.tracks, key=lambda line: (-len(line.sights), line.number))

    def faceless(self) -> list[float]:
        """Times of sampled frames without a face."""
        seen = {sight.time for line in self.tracks for sight in line.sights}
        return [time for time in self.times if time not in seen]

    def frames(self) -> list[dict[str, Any]]:
        """Every sampled frame with its faces' readings, JSON-ready."""
        faces: dict[float, list[dict[str, Any]]] = {}
        for line in self.tracks:
            for sight in line.sights:
                faces.setdefault(sight.time, []).append(sight.found.to_dict())
        return [
            {"frame": index, "time": round(time, 3), "faces": faces.get(time, [])}
            for index, time in zip(self.indices, self.times, strict=True)
        ]


def spread_rate(seconds: float, samples: int) -> float:
    """Samples a second that spread at most ``samples`` over a clip; 0 takes every frame.

    Two a second where that is few enough, more where a short clip would give under eight.
    """
    if seconds <= 0:
        return 0.0
    return min(max(DEFAULT_FPS, (LEAST_SAMPLES - 1) / seconds), max(1, samples - 1) / seconds)


def read_timeline(assistant: FaceAssistant, clip: Clip, samples: int) -> Timeline:
    """Read a clip at about ``samples`` frames at most.

    Args:
        assistant: Loaded weights.
        clip: Opened.
        samples: Bound on the frames that are kept, at least 2.

    Raises:
        FaceLLMError: If no frame of the clip can be used.
    """
    rate = spread_rate(clip.seconds(), samples)
    spacing = 1 / rate if rate else 0.0
    unread = Losses()
    thinner = Thinner(2 * samples)
    chosen = thinner.every(sampled(clip.frames(spacing), rate))
    seen = Follower(assistant, spacing).follow(chosen, unread)
    for frame in read_seen(assistant, seen, BATCH):
        thinner.keep(frame)
    kept = thinner.kept
    lost = clip.losses.lines() + unread.lines()
    if not kept:
        reason = "; ".join(lost) or "the clip has no frame"
        raise FaceLLMError(f"{clip.facts.name}: no frame could be used: {reason}")
    times = tuple(frame.time for frame in kept)
    steps = sorted(b - a for a, b in pairwise(times))
    return Timeline(
        clip.facts,
        times,
        tuple(frame.index for frame in kept),
        tuple(lines_of(kept)),
        max(spacing * thinner.step, steps[len(steps) // 2] if steps else 0.0),
        tuple(lost),
        assistant.checkpoint.calibration.units_on_real_faces,
    )


class Thinner:
    """Keeps what is read bounded where a clip is longer than it promises.

    Whenever ``most`` frames are kept every other one is dropped, and from then on only every other
    one is taken, so those that stay are spread evenly.
    """

    def __init__(self, most: int) -> None:
        self.most, self.step, self.kept = most, 1, list[ReadFrame]()

    def every(self, frames: Iterable[ClipFrame]) -> Iterator[ClipFrame]:
        """Those of the sampled frames that are taken."""
        for number, frame in enumerate(frames):
            if number % self.step == 0:
                yield frame

    def keep(self, frame: ReadFrame) -> None:
        """Keep a read frame."""
        self.kept.append(frame)
        if len(self.kept) >= self.most:
            self.kept, self.step = self.kept[::2], 2 * self.step


def lines_of(frames: Iterable[ReadFrame]) -> list[TrackLine]:
    """Frames with faces -> tracks with sights, by number."""
    lines: dict[int, TrackLine] = {}
    best: dict[int, float] = {}
    for order, frame in enumerate(frames):
        for found, crop in zip(frame.faces, frame.crops, strict=True):
            line = lines.setdefault(found.id, TrackLine(found.id))
            line.sights.append(Sight(order, frame.index, frame.time, found))
            if found.face.score > best.get(found.id, -1.0):
                best[found.id], line.crop = found.face.score, crop
    return [lines[number] for number in sorted(lines)]
