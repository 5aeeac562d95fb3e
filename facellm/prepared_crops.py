"""A row of a prepared set -> the crop the product would see of it.

FER+ pictures are face crops already and are taken whole, as ``facellm read --crops`` takes them.
The other sets are cut by the fixed-margin square around the landmarks stored with them
(``facellm.crops.upright_crop``); where none are stored (no face was found, or a set that came
without), by a fixed square in the middle.

Example: ``cut(data, row, 192, whole="ferplus" in WHOLE)``
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from facellm.crops import upright_crop
from facellm.face import CROP_MARGIN, BoundingBox, Face, Landmarks
from facellm.prepared import PreparedSet

WHOLE = frozenset({"ferplus"})
WHOLE_KEY = "#fer2013/"  # in a corpus's name of such a picture, whichever set a record is of
# The square taken where no landmarks are stored, as in training: centre y and side / picture side.
GUESS_CENTER, GUESS_SIDE = 0.52, 0.78


def cut(data: PreparedSet, row: int, size: int, *, whole: bool) -> NDArray[np.uint8]:
    """The crop of one stored picture.

    Args:
        data: The set.
        row: Row number.
        size: Side S of the crop.
        whole: The picture already is a crop.

    Returns:
        (S, S, 3) uint8 RGB.
    """
    picture = np.asarray(data.images[row])
    picture = np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture
    return upright_crop(picture, stored_face(data, row), size, whole=whole)


def stored_face(data: PreparedSet, row: int) -> Face:
    """The face of a stored picture: its stored landmarks, or the fixed square's box."""
    points = data.points(row)
    if points is not None:
        landmarks = Landmarks(points.astype(np.float32))
        return Face(landmarks.box, landmarks, 1.0)
    return guessed_face(data.side, data.side)


def guessed_face(width: int, height: int) -> Face:
    """The fixed square's box in a picture that one face fills, where no landmarks are found."""
    side = min(width, height)
    x, y = width / 2, height / 2 + side * (GUESS_CENTER - 0.5)
    half = side * GUESS_SIDE / CROP_MARGIN / 2
    return Face(BoundingBox(x - half, y - half, x + half, y + half), None, 0.0)
