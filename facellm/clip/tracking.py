"""Faces of one frame after another -> tracks: the same number for the same face over time.

Every face found in a frame is held against the faces followed so far: how far it lies from where
that face, moving on steadily, would be by now; how much its size differs; and how alike the two
look as tiny pictures. The cheapest pairing over all faces is taken. A face that is not seen for a
while keeps its number for about two seconds, so gaps and two people walking past each other do not
swap numbers. At a cut place says nothing any more and only looks count.

Numbers hold within one clip only and are not identities: the tiny picture a track is followed by is
forgotten with its track, and nothing is kept that would recognise a person in another clip.

Example: ``Tracker(0.5).update(faces, looks, 1.5)`` -> ``[2, 1]``: the left face is track 2.

Shapes: a look is (432,) float32 (``look_of``). Units: pixels, seconds; distances in face sizes.

Source: SORT, arXiv 1602.00763 (prediction, overlap, assignment); what differs stands in PAPERS.md.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from facellm.face import BoundingBox, Face, Square, square_around

Look = NDArray[np.float32]
LOOK_SIDE = 12  # pixels of the tiny picture
COLOUR = 2.0  # weight of colour against light and dark
# Likeness of two looks of crops, from video frames of 120 people: pairs of consecutive frames of
# one person have a median of 0.76, of different people 0.58 at the 99th percentile.
ALIKE, UNLIKE = 0.6, -0.1
GAP = 2.0  # seconds a face may be out of sight
GAP_SAMPLES = 2.5  # ... or so many samples where these are far apart
# How far from the predicted place a face may be, in face sizes: at once, and more each second.
REACH, REACH_A_SECOND = 0.7, 1.5
FAR = 2.0  # seconds after which the reach grows no more
STEADY = 0.6  # seconds for which a face is taken to move on as it did
SIZE_WEIGHT, LOOK_WEIGHT = 0.5, 1.0
LOST = 1.0  # cost of a track that was not seen in the frame before
FORGET = 0.2  # share of a new look in what a track is followed by
REFUSED = 1e3  # cost of a pairing that must not be


@dataclass
class Track:
    """A face followed so far.

    Attributes:
        number: 1, 2 ... by first appearance; in one frame left to right.
        x: Centre of its box, pixels.
        y: Centre of its box, pixels.
        size: Square root of the box's area, pixels.
        box: Left, top, right, bottom, pixels.
        look: (432,) float32.
        time: When it was last seen, seconds.
        vx: Pixels a second.
        vy: Pixels a second.
        tilt: Clockwise tilt of its eye line when last seen, degrees.
    """

    number: int
    x: float
    y: float
    size: float
    box: tuple[float, float, float, float]
    look: Look
    time: float
    vx: float = 0.0
    vy: float = 0.0
    tilt: float = 0.0

    def place(self, time: float) -> tuple[float, float]:
        """Where its centre would be at ``time``, pixels."""
        ahead = min(time - self.time, STEADY)
        return self.x + self.vx * ahead, self.y + self.vy * ahead

    def square(self, time: float) -> Square:
        """The crop where it would be at ``time``."""
        (x, y), (left, top, right, bottom) = self.place(time), self.box
        square = square_around(BoundingBox(left, top, right, bottom))
        return Square(square.left + x - self.x, square.top + y - self.y, square.side)


class Tracker:
    """Gives faces their numbers, frame after frame.

    Args:
        interval: Seconds between the frames it will see, as far as known; 0 for every frame.
    """

    def __init__(self, interval: float = 0.0) -> None:
        self.longest_gap = max(GAP, GAP_SAMPLES * interval)
        self.tracks: list[Track] = []
        self.next_number = 1
        self.before = 0.0  # time of the frame before

    def update(
        self, faces: Sequence[Face], looks: Sequence[Look], time: float, *, cut: bool = False
    ) -> list[int]:
        """Numbers of the faces of the next frame.

        Args:
            faces: In pixels of the frame, left to right.
            looks: ``look_of`` each face's crop.
            time: Of the frame, later than the one before.
            cut: The picture has changed as a whole: only looks connect faces.

        Returns:
            A number a face, all different.
        """
        self.tracks = [t for t in self.tracks if time - t.time <= self.longest_gap]
        pairs = self._pair(faces, looks, time, cut)
        numbers = []
        for index, (face, look) in enumerate(zip(faces, looks, strict=True)):
            track = pairs.get(index)
            if track is None:
                track = self._begin(face, look, time)
            else:
                crowded = any(face.box_xyxy.iou(f.box_xyxy) > 0.05 for f in faces if f is not face)
                self._move(track, face, look, (time, cut, crowded))
            numbers.append(track.number)
        self.before = time
        return numbers

    def _pair(
        self, faces: Sequence[Face], looks: Sequence[Look], time: float, cut: bool
    ) -> dict[int, Track]:
        """Index of a face -> its track, where there is one."""
        if not faces or not self.tracks:
            return {}
        costs = np.array(
            [
                [cost(track, face, look, time, cut) for track in self.tracks]
                for face, look in zip(faces, looks, strict=True)
            ]
        )
        # Of two faces that meet the one behind is out of sight: who is seen is who was seen.
        costs += LOST * np.array([track.time < self.before for track in self.tracks])
        rows, columns = linear_sum_assignment(costs)
        return {
            int(row): self.tracks[column]
            for row, column in zip(rows, columns, strict=True)
            if costs[row, column] < REFUSED
        }

    def _begin(self, face: Face, look: Look, time: float) -> Track:
        x, y = face.box_xyxy.center
        box = face.box_xyxy
        track = Track(self.next_number, x, y, size_of(box), corners(box), look, time)
        track.tilt = tilt_of(face)
        self.next_number += 1
        self.tracks.append(track)
        return track

    @staticmethod
    def _move(track: Track, face: Face, look: Look, when: tuple[float, bool, bool]) -> None:
        """Take over a face's place; ``when``: time, whether at a cut, whether faces overlap."""
        time, cut, crowded = when
        (x, y), passed = face.box_xyxy.center, time - track.time
        if cut:
            track.vx = track.vy = 0.0
        elif passed > 0:
            known = 0.5 if track.vx or track.vy else 0.0
            track.vx = known * track.vx + (1 - known) * (x - track.x) / passed
            track.vy = known * track.vy + (1 - known) * (y - track.y) / passed
        track.x, track.y, track.time = x, y, time
        track.size, track.box = size_of(face.box_xyxy), corners(face.box_xyxy)
        track.tilt = tilt_of(face)
        if not crowded:  # where faces overlap a crop shows a part of the other one
            track.look = ((1 - FORGET) * track.look + FORGET * look).astype(np.float32)

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready; ``restore`` goes on exactly from here."""
        tracks = [
            asdict(track) | {"look": base64.b64encode(track.look.tobytes()).decode()}
            for track in self.tracks
        ]
        return {"next": self.next_number, "before": self.before, "tracks": tracks}

    def restore(self, record: dict[str, Any]) -> None:
        """Inverse of ``to_dict``."""
        self.next_number, self.before = record["next"], record["before"]
        self.tracks = []
        for saved in record["tracks"]:
            look = np.frombuffer(base64.b64decode(saved["look"]), np.float32)
            self.tracks.append(Track(**{**saved, "look": look, "box": tuple(saved["box"])}))


def cost(track: Track, face: Face, look: Look, time: float, cut: bool) -> float:
    """How little a face looks like the next sight of a track; ``REFUSED`` where it cannot be."""
    alike = likeness(track.look, look)
    if cut:
        return REFUSED if alike < ALIKE else 1 - alike
    (x, y), (px, py) = face.box_xyxy.center, track.place(time)
    size = size_of(face.box_xyxy)
    far = float(np.hypot(x - px, y - py)) / max(size, track.size, 1.0)
    reach = REACH + REACH_A_SECOND * min(time - track.time, FAR)
    near = far <= reach and alike >= UNLIKE
    known = far <= 2 * reach and alike >= ALIKE
    still = far < REACH / 2 and time - track.time < GAP  # light or an expression changed it
    if not (near or known or still):
        return REFUSED
    grown = abs(float(np.log(max(size, 1.0) / max(track.size, 1.0))))
    return min(far / reach, 2.0) + SIZE_WEIGHT * grown + LOOK_WEIGHT * (1 - alike)


def look_of(crop: NDArray[np.uint8]) -> Look:
    """A tiny picture of a face crop (S, S, 3): light and dark of unit norm, then colour, (432,)."""
    small = cv2.resize(crop, (LOOK_SIDE, LOOK_SIDE), interpolation=cv2.INTER_AREA)
    shade, *colour = np.moveaxis(cv2.cvtColor(small, cv2.COLOR_RGB2YCrCb).astype(np.float32), 2, 0)
    shade = shade - shade.mean()
    shade = shade / (np.linalg.norm(shade) + 1e-6)
    rest = (np.stack(colour) - 128) / (40 * np.sqrt(2 * LOOK_SIDE**2))
    return np.concatenate([shade.ravel(), rest.ravel()]).astype(np.float32)


def likeness(a: Look, b: Look) -> float:
    """Correlation of light and dark of two looks less what their colours differ, at most 1."""
    cells = LOOK_SIDE**2
    norms = float(np.linalg.norm(a[:cells]) * np.linalg.norm(b[:cells])) + 1e-9
    apart = float(((a[cells:] - b[cells:]) ** 2).sum())
    return float(a[:cells] @ b[:cells]) / norms - COLOUR * apart


def size_of(box: BoundingBox) -> float:
    """Square root of a box's area, pixels."""
    return float(np.sqrt(box.area))


def corners(box: BoundingBox) -> tuple[float, float, float, float]:
    """Left, top, right, bottom."""
    return box.left, box.top, box.right, box.bottom


def tilt_of(face: Face) -> float:
    """Clockwise tilt of the line of the outer eye corners, degrees; 0 without landmarks."""
    if face.landmarks is None:
        return 0.0
    across = face.landmarks.points[45] - face.landmarks.points[36]
    return float(np.degrees(np.arctan2(across[1], across[0])))
