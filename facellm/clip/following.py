"""Sampled frames -> faces with numbers: detection, following, and knowing when the scene was cut.

Searching a whole frame takes most of the time a frame costs, so it is done at least every half
second of the clip, after a cut, and whenever a followed face is lost; in between the landmark
network looks at the places where the followed faces must be now. At two samples a second, the
default, every frame is searched.

Example: ``for seen in Follower(assistant, 0.5).follow(sampled(clip.frames(), 2.0), clip.losses):``
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.assistant import FaceAssistant
from facellm.clip.frames import ClipFrame, Losses, Rgb
from facellm.clip.tracking import Track, Tracker, look_of
from facellm.crops import TILT_BOUND, upright_crop
from facellm.detection import CascadeDetector
from facellm.errors import FaceLLMError
from facellm.face import Face
from facellm.refine import Proposal, suppress, verify
from facellm.results import ReadFace

SEARCH_EVERY = 0.5  # seconds between searches of the whole frame
SAME_BOX = 0.3  # overlap from which two boxes are one face
BINS = 6  # of a colour channel in a frame's histogram
CUT = 0.5  # share of a frame's colours that must have changed for a cut


@dataclass(frozen=True)
class SeenFace:
    """A face of a frame before it is read.

    Attributes:
        number: Of its track.
        face: Box and landmarks, pixels of the frame.
        crop: (S, S, 3) uint8, upright.
    """

    number: int
    face: Face
    crop: Rgb


@dataclass(frozen=True)
class SeenFrame:
    """A sampled frame and its faces, by number."""

    index: int
    time: float
    faces: tuple[SeenFace, ...]


@dataclass(frozen=True)
class ReadFrame:
    """A sampled frame and what was read off its faces, by number.

    Attributes:
        index: Number of the frame in the clip.
        time: Seconds.
        faces: Their ``id`` is the number of the track.
        crops: What the model saw, one a face.
    """

    index: int
    time: float
    faces: tuple[ReadFace, ...]
    crops: tuple[Rgb, ...] = ()


class Follower:
    """Finds the faces of one frame after another and keeps their numbers.

    Args:
        assistant: Its detector and landmark network are used.
        interval: Seconds between samples, 0 for every frame.
    """

    def __init__(self, assistant: FaceAssistant, interval: float) -> None:
        self.assistant, self.tracker = assistant, Tracker(interval)
        self.searched = -np.inf  # when the whole frame was searched last, seconds
        self.colours: NDArray[np.float32] | None = None

    def follow(self, frames: Iterable[ClipFrame], losses: Losses) -> Iterator[SeenFrame]:
        """Frames with their faces; one without pixels is counted in ``losses`` and left out."""
        for frame in frames:
            try:
                pixels = frame.pixels()
            except FaceLLMError as error:
                losses.add(str(error), frame.time)
                continue
            yield self.look(frame.index, frame.time, pixels)

    def look(self, index: int, time: float, pixels: Rgb) -> SeenFrame:
        """The faces of the next frame (H, W, 3)."""
        colours = histogram(pixels)
        cut = self.colours is not None and changed(self.colours, colours) > CUT
        self.colours = colours
        found = self.find(pixels, time, cut)
        size = self.assistant.checkpoint.processor.crop_size
        crops = [upright_crop(pixels, face, size) for face in found]
        numbers = self.tracker.update(found, [look_of(crop) for crop in crops], time, cut=cut)
        faces = [SeenFace(n, f, c) for n, f, c in zip(numbers, found, crops, strict=True)]
        return SeenFrame(index, time, tuple(sorted(faces, key=lambda face: face.number)))

    def find(self, pixels: Rgb, time: float, cut: bool) -> list[Face]:
        """Faces of a frame, left to right."""
        detector = self.assistant.detector
        if not isinstance(detector, CascadeDetector):
            return detector.detect(pixels)
        followed = [] if cut else [t for t in self.tracker.tracks if time > t.time]
        near = self.find_near(pixels, followed, time)
        fresh = [t for t in followed if t.time >= self.searched]  # not lost before the last search
        all_found = bool(fresh) and len(near) >= len(fresh)
        if all_found and time - self.searched < SEARCH_EVERY - 1e-6:
            return near
        self.searched = time
        full = detector.detect(pixels)
        boxes = [face.box_xyxy for face in full]
        missed = [f for f in near if all(f.box_xyxy.iou(box) < SAME_BOX for box in boxes)]
        return suppress([*full, *missed]) if missed else full

    def find_near(self, pixels: Rgb, tracks: list[Track], time: float) -> list[Face]:
        """Faces where followed ones must be by now, judged as the detector's proposals are."""
        proposals = [
            Proposal(t.square(time), -t.tilt if abs(t.tilt) > TILT_BOUND else 0.0) for t in tracks
        ]
        net = self.assistant.checkpoint.landmark_net
        return suppress(verify(pixels, proposals, net)) if proposals else []

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``restore`` goes on exactly from here."""
        return {
            "tracker": self.tracker.to_dict(),
            "searched": None if np.isinf(self.searched) else float(self.searched),
            "colours": None if self.colours is None else [float(v) for v in self.colours],
        }

    def restore(self, record: dict[str, Any]) -> None:
        """Inverse of ``to_dict``."""
        self.tracker.restore(record["tracker"])
        self.searched = -np.inf if record["searched"] is None else record["searched"]
        held = record["colours"]
        self.colours = None if held is None else np.array(held, np.float32)


def histogram(pixels: Rgb) -> NDArray[np.float32]:
    """Colours of a frame (H, W, 3) as shares of 216 bins that sum to 1."""
    small = cv2.resize(pixels, (64, 64), interpolation=cv2.INTER_AREA)
    counts = cv2.calcHist([small], [0, 1, 2], None, [BINS] * 3, [0, 256] * 3).ravel()
    return (counts / counts.sum()).astype(np.float32)


def changed(before: NDArray[np.float32], now: NDArray[np.float32]) -> float:
    """Share of a frame's colours that are others than before, in [0, 1]."""
    return float(np.abs(before - now).sum()) / 2


def read_seen(
    assistant: FaceAssistant, frames: Iterable[SeenFrame], batch: int
) -> Iterator[ReadFrame]:
    """Read the faces of frames, several frames' together; what is held is bounded by ``batch``.

    Args:
        assistant: Loaded weights.
        frames: In order; all of them come back, in order.
        batch: Faces read at once.
    """
    held: list[SeenFrame] = []
    for frame in frames:
        held.append(frame)
        if sum(len(f.faces) for f in held) >= batch or len(held) >= 4 * batch:
            yield from _read_together(assistant, held, batch)
            held = []
    yield from _read_together(assistant, held, batch)


def _read_together(
    assistant: FaceAssistant, frames: list[SeenFrame], batch: int
) -> Iterator[ReadFrame]:
    crops = [seen.crop for frame in frames for seen in frame.faces]
    readings = iter(
        [
            reading
            for start in range(0, len(crops), batch)
            for reading in assistant.read_crops(crops[start : start + batch])
        ]
    )
    for frame in frames:
        faces = tuple(ReadFace(seen.number, seen.face, next(readings)) for seen in frame.faces)
        yield ReadFrame(frame.index, frame.time, faces, tuple(seen.crop for seen in frame.faces))
