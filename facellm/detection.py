"""Picture -> faces, left to right: a cascade proposes, the landmark network verifies and refines.

OpenCV's cascades are quick but miss turned and tilted faces and see faces in textures. So they run
with a low bar, every proposal is judged and re-framed twice by the landmark network, and only where
nothing upright was found are turned copies of the picture searched. A picture without a face gives
an empty list: no face is a value.

Example: ``CascadeDetector(LandmarkNet.load(path)).detect(skimage.data.astronaut())`` -> one
``Face``
with box about [172, 73, 266, 190] and score 0.9.

Coordinates: pixels of the picture given to ``detect`` (``facellm.face``). Angles: degrees the
picture is turned by before it is searched, clockwise positive.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.errors import FaceLLMError
from facellm.face import Face, Square
from facellm.landmarks import LandmarkNet
from facellm.refine import BAR, Proposal, Turn, suppress, turn_around, verify, whole_picture

Rgb = NDArray[np.uint8]
Grey = NDArray[np.uint8]

FRONTAL, SIDEWAYS = "haarcascade_frontalface_alt2.xml", "haarcascade_profileface.xml"


@dataclass(frozen=True)
class Reach:
    """How a cascade searches, in pixels of the searched copy.

    Attributes:
        longest: Its longer side.
        smallest: Edge of the smallest face that may be proposed.
    """

    longest: int
    smallest: int = 20


# Most pictures end with this search; four pixels more at the small end spare a third of its time.
UPRIGHT = Reach(640, 24)
FINE = Reach(1280)  # the second search, for small faces, where the first found none
TURNED = Reach(480)  # turned copies
PROFILE = Reach(256)  # copies searched for half-turned faces: that cascade is slow
FINE_PROFILE = Reach(640)
VOTES = 2  # neighbouring windows that must agree; low, since every proposal is verified
MOST_PROPOSALS = 48  # verified per search, those with most cascade votes first
TILTS = (-40.0, 40.0)  # tried first where nothing upright is found
QUARTERS = (90.0, -90.0, 180.0)

WHOLE_BAR = 0.8  # face probability the whole picture must reach: a weak proposal, so a higher bar
# A cascade's box -> the square that facellm.face.square_crop would cut: shift right, shift down and
# side, in units of the box's side; medians over 204 published training frames.
FRONTAL_SQUARE = (0.0, 0.165, 1.17)
PROFILE_SQUARE = (-0.09, 0.165, 1.01)


class FaceDetector(Protocol):
    """Whatever finds faces: the one door for another detector."""

    def detect(self, image: Rgb) -> list[Face]:
        """Faces of an (H, W, 3) uint8 RGB picture, left to right by the centre of their box."""
        ...


class CascadeDetector:
    """The default ``FaceDetector``: OpenCV's cascades and the landmark network, CPU, offline."""

    def __init__(self, net: LandmarkNet, bar: float = BAR) -> None:
        """Load the cascades that come with OpenCV.

        Args:
            net: The landmark network, evaluation mode.
            bar: Face probability in (0, 1] that a face must reach.

        Raises:
            FaceLLMError: If this OpenCV brings no cascades (5.0 dropped them).
        """
        self.net, self.bar = net, bar
        self._frontal = _cascade(FRONTAL)
        self._profile = _cascade(SIDEWAYS)
        self._lock = Lock()  # a cascade keeps its working memory between calls

    def detect(self, image: Rgb) -> list[Face]:
        """Find the faces of a picture.

        Args:
            image: (H, W, 3) uint8 RGB.

        Returns:
            Faces left to right by the centre of their box; empty where there are none.

        Raises:
            ValueError: If ``image`` has another shape or type.
        """
        if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
            raise ValueError(f"picture {image.shape} {image.dtype}, expected (H, W, 3) uint8")
        grey: Grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)  # type: ignore[assignment]
        for search in (self._upright, self._fine, self._tilted, self._quarters):
            faces = suppress(verify(image, search(grey), self.net))
            if faces:
                return faces
        whole = whole_picture(image, max(self.bar, WHOLE_BAR))
        return suppress(verify(image, whole, self.net))

    def propose(self, grey: Grey, votes: int) -> list[Proposal]:
        """Everything the cascades see in a grey picture (H, W) with at least ``votes`` votes."""
        found = self._search(grey, FINE, self._frontal, votes=votes)
        found += self._search(grey, FINE, self._profile, votes=votes)
        return found + self._search(grey, FINE, self._profile, mirror=True, votes=votes)

    def _upright(self, grey: Grey) -> list[Proposal]:
        """Frontal faces, and half-turned ones to both sides."""
        return self._search(grey, UPRIGHT, self._frontal) + self._sides(grey, PROFILE)

    def _fine(self, grey: Grey) -> list[Proposal]:
        """Small faces, on larger copies."""
        found = self._sides(grey, FINE_PROFILE)
        if max(grey.shape) > UPRIGHT.longest:
            found += self._search(grey, FINE, self._frontal)
        return found

    def _sides(self, grey: Grey, reach: Reach) -> list[Proposal]:
        """Half-turned faces; the cascade knows one side, so the mirror image is searched too."""
        found = self._search(grey, reach, self._profile)
        return found + self._search(grey, reach, self._profile, mirror=True)

    def _tilted(self, grey: Grey) -> list[Proposal]:
        return [p for degrees in TILTS for p in self._search_turned(grey, degrees)]

    def _quarters(self, grey: Grey) -> list[Proposal]:
        return [p for degrees in QUARTERS for p in self._search_turned(grey, degrees)]

    def _search(
        self,
        grey: Grey,
        reach: Reach,
        cascade: cv2.CascadeClassifier,
        *,
        mirror: bool = False,
        votes: int = VOTES,
    ) -> list[Proposal]:
        """Proposals of one cascade on a copy of the picture, most votes first."""
        scale = min(1.0, reach.longest / max(grey.shape))
        size = (max(1, round(grey.shape[1] * scale)), max(1, round(grey.shape[0] * scale)))
        small = cv2.resize(grey, size, interpolation=cv2.INTER_AREA) if scale < 1 else grey
        if mirror:
            small = np.ascontiguousarray(small[:, ::-1])
        if min(small.shape) < reach.smallest:
            return []
        with self._lock:
            boxes, counts = cascade.detectMultiScale2(
                small, scaleFactor=1.1, minNeighbors=votes, minSize=(reach.smallest,) * 2
            )
        right, down, side_ratio = FRONTAL_SQUARE if cascade is self._frontal else PROFILE_SQUARE
        rows = sorted(
            zip(counts, map(tuple, boxes), strict=True), key=lambda row: (-row[0], row[1])
        )
        found = []
        for _, (left, top, side, _) in rows[:MOST_PROPOSALS]:
            x, y = left + (0.5 + right) * side, top + (0.5 + down) * side
            x = small.shape[1] - x if mirror else x
            grown = side_ratio * side
            square = Square((x - grown / 2) / scale, (y - grown / 2) / scale, grown / scale)
            found.append(Proposal(square, 0.0, self.bar))
        return found

    def _search_turned(self, grey: Grey, degrees: float) -> list[Proposal]:
        """Frontal proposals of a copy turned clockwise by ``degrees``, in pixels of the picture."""
        scale = min(1.0, TURNED.longest / max(grey.shape))
        height, width = (max(1, round(n * scale)) for n in grey.shape)
        small = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
        turn = turn_around((width / 2, height / 2), degrees)
        corners = turn.apply(np.array([[0, 0], [width, 0], [0, height], [width, height]]))
        matrix = turn.matrix.copy()
        matrix[:, 2] -= corners.min(axis=0)
        size = tuple(int(n) for n in np.ceil(np.ptp(corners, axis=0)))
        turned = cv2.warpAffine(small, matrix, size, borderMode=cv2.BORDER_REPLICATE)
        back, whole = Turn(matrix), Reach(max(size))  # the turned copy is searched as it is
        found = []
        for proposal in self._search(turned, whole, self._frontal):  # type: ignore[arg-type]
            square = proposal.square
            middle = np.array([square.left + square.side / 2, square.top + square.side / 2])
            x, y = back.undo(middle) / scale
            side = square.side / scale
            moved = Square(float(x - side / 2), float(y - side / 2), side)
            found.append(Proposal(moved, degrees, self.bar))
        return found


def _cascade_file(name: str) -> Path:
    data: Any = getattr(cv2, "data", None)
    return Path("" if data is None else data.haarcascades) / name


def missing_cascades() -> list[str]:
    """Names of the cascades that this OpenCV does not bring."""
    return [name for name in (FRONTAL, SIDEWAYS) if not _cascade_file(name).is_file()]


def _cascade(name: str) -> cv2.CascadeClassifier:
    path = _cascade_file(name)
    if not path.is_file():
        raise FaceLLMError(f"OpenCV {cv2.__version__} brings no {name}; 4.13 to 4.x does")
    return cv2.CascadeClassifier(str(path))
