"""Automatic filters of pictures: size, number of faces, landmarks, blur.

Sharpness is the variance of the Laplacian (Pech-Pacheco et al., "Diatom autofocusing in brightfield
microscopy", ICPR 2000) of the largest face at one fixed size, so that sets of 48 and of 2,000
pixels are held against one bound.

Example: a draft of two faces -> ``Rejection("raf", "17", "filters", "several faces", "2 faces")``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from facellm.face import BoundingBox, crop_image, square_around
from facellm.readers.row import Rejection

from .config import FacesMode, PictureBounds
from .record import CorpusFace, Draft, Outcome, reject

BLUR_SIZE = 48  # pixels; the size of the smallest set


class PictureFilter:
    """Holds pictures and faces against the bounds of the config.

    Args:
        bounds: Of the config.
        modes: Of every source; without faces only the picture itself is judged.
    """

    name = "filters"

    def __init__(self, bounds: PictureBounds, modes: Sequence[FacesMode]) -> None:
        self.bounds, self.modes = bounds, tuple(modes)

    def __call__(self, drafts: Sequence[Draft]) -> list[Outcome]:
        """The drafts with the note ``sharpness``, or why not, by the first bound that is missed."""
        return [draft if draft.picture is None else self._judge(draft) for draft in drafts]

    def _judge(self, draft: Draft) -> Outcome:
        assert draft.picture is not None
        side = min(draft.picture.shape[:2])
        if side < self.bounds.least_side:
            detail = f"shorter side {side} px is under {self.bounds.least_side}"
            return reject(draft, self.name, "picture too small", detail)
        looked = self.modes[draft.notes["source"]] != "none"
        if looked and (missed := self._judge_faces(draft)) is not None:
            return missed
        face = largest(draft.faces)
        sharp = round(sharpness(draft.picture, face), 2)
        if face is not None and sharp < self.bounds.least_blur:
            detail = f"sharpness {sharp} is under {self.bounds.least_blur}"
            return reject(draft, self.name, "blurred", detail)
        return replace(draft, notes=draft.notes | {"sharpness": sharp})

    def _judge_faces(self, draft: Draft) -> Rejection | None:
        bounds, face = self.bounds, largest(draft.faces)
        if face is None:
            return reject(draft, self.name, "no face")
        if len(draft.faces) > 1 and bounds.several_faces == "reject":
            return reject(draft, self.name, "several faces", f"{len(draft.faces)} faces")
        lost = sum(face.landmarks is None for face in draft.faces)
        if lost and bounds.landmarks == "required":
            worst = min(face.quality for face in draft.faces)
            detail = f"{lost} of {len(draft.faces)} faces, lowest quality {worst:.2f}"
            return reject(draft, self.name, "no landmarks", detail)
        if (side := longer_side(face)) < bounds.least_face:
            detail = f"longer side {side:.0f} px is under {bounds.least_face}"
            return reject(draft, self.name, "face too small", detail)
        return None


def longer_side(face: CorpusFace) -> float:
    """Of its box, pixels."""
    left, top, right, bottom = face.box_xyxy
    return max(right - left, bottom - top)


def largest(faces: Sequence[CorpusFace]) -> CorpusFace | None:
    """The face with the longest box, None where there is none."""
    return max(faces, key=longer_side, default=None)


def sharpness(picture: NDArray[np.uint8], face: CorpusFace | None) -> float:
    """Variance of the Laplacian of a face, or of the whole picture, at 48 x 48 pixels.

    Args:
        picture: (H, W, 3) uint8 RGB.
        face: Where to look.

    Returns:
        8-bit grey levels squared; about 0 for a plain wall, hundreds for a sharp face.
    """
    height, width = picture.shape[:2]
    whole = BoundingBox(0.0, 0.0, float(width), float(height))
    box = whole if face is None else BoundingBox(*face.box_xyxy)
    grey = cv2.cvtColor(crop_image(picture, square_around(box, 1.0), BLUR_SIZE), cv2.COLOR_RGB2GRAY)
    return float(cv2.Laplacian(grey, cv2.CV_64F).var())
