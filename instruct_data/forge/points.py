"""68 points of a real face: those its set brings, or else those our own landmark network finds."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import numpy as np

from facellm.detection import CascadeDetector
from facellm.face import Face, square_crop
from facellm.landmarks import LandmarkNet
from facellm.refine import Proposal, verify

from .warp import Points, Rgb

LEAST_WIDTH = 24  # pixels between the outer jaw points: smaller faces hold no seam to see


class Locator:
    """Finds the largest face of a picture.

    Args:
        weights: Landmark network (``landmarks.safetensors``), opened when first needed.
    """

    def __init__(self, weights: Path) -> None:
        self.weights = weights

    @cached_property
    def detector(self) -> CascadeDetector:
        """The default detector with these weights."""
        return CascadeDetector(LandmarkNet.load(self.weights))

    def still(self, pixels: Rgb) -> Points | None:
        """Points (68, 2) of the largest face in pixels, or None where there is no face."""
        faces = [face for face in self.detector.detect(pixels) if face.landmarks is not None]
        return _points(max(faces, key=lambda face: face.box_xyxy.area)) if faces else None

    def clip(self, frames: Sequence[Rgb]) -> list[Points | None]:
        """Points of one face through the frames: searched for where it is not where it was."""
        found: list[Points | None] = []
        face: Face | None = None
        for pixels in frames:
            near = (
                []
                if face is None
                else verify(pixels, [Proposal(square_crop(face))], self.detector.net)
            )
            faces = near or self.detector.detect(pixels)
            face = max(faces, key=lambda one: one.box_xyxy.area) if faces else None
            found.append(None if face is None else _points(face))
        return found


def _points(face: Face) -> Points | None:
    return None if face.landmarks is None else face.landmarks.points.astype(np.float64)


def usable(points: Points | None) -> bool:
    """Whether points are there, finite and of a face large enough."""
    if points is None or points.shape != (68, 2) or not np.isfinite(points).all():
        return False
    return float(np.linalg.norm(points[16] - points[0])) >= LEAST_WIDTH
