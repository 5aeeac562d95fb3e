"""Face value types and the one square crop that every consumer of a face uses.

Example: a 512 x 512 portrait gives ``Face(BoundingBox(175.0, 70.2, 271.4, 188.9), landmarks,
0.98)``; ``square_crop(face)`` is ``Square(146.1, 52.4, 154.3)`` and ``crop_image(image, square,
96)`` is what the vision tower sees.

Coordinates: pixels of the ORIGINAL picture, x right, y down, the centre of the first pixel is
(0.5, 0.5), so a picture of width W spans 0 to W. "Image left" is the viewer's left.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

CROP_MARGIN = 1.3  # side of the crop / longer side of the points' bounding box; FER2013's framing
N_LANDMARKS = 68

# Point i of a mirrored face is point MIRROR_68[i] of the face.
MIRROR_68 = np.array(
    [*range(16, -1, -1), *range(26, 16, -1), *range(27, 31), *range(35, 30, -1),
     45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
     54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65]
)  # fmt: skip


@dataclass(frozen=True)
class BoundingBox:
    """An axis-parallel box.

    Attributes:
        left: Smallest x, pixels.
        top: Smallest y, pixels.
        right: Largest x, pixels.
        bottom: Largest y, pixels.
    """

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Width in pixels, never negative."""
        return max(0.0, self.right - self.left)

    @property
    def height(self) -> float:
        """Height in pixels, never negative."""
        return max(0.0, self.bottom - self.top)

    @property
    def area(self) -> float:
        """Area in square pixels."""
        return self.width * self.height

    @property
    def center(self) -> tuple[float, float]:
        """Centre (x, y), pixels."""
        return (self.left + self.right) / 2, (self.top + self.bottom) / 2

    def iou(self, other: BoundingBox) -> float:
        """Intersection over union with ``other``, in [0, 1]; 0 where both are empty."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        shared = max(0.0, width) * max(0.0, height)
        union = self.area + other.area - shared
        return shared / union if union > 0 else 0.0

    def to_list(self) -> list[float]:
        """Left, top, right, bottom in pixels, rounded to a tenth, for JSON."""
        return [round(value, 1) for value in (self.left, self.top, self.right, self.bottom)]


@dataclass(frozen=True, eq=False)
class Landmarks:
    """The 68 iBUG points of a face: 0-16 jaw, 17-26 brows, 27-35 nose, 36-47 eyes, 48-67 lips.

    Attributes:
        points: (68, 2) float32, x and y in pixels; a read-only copy of what was given.
    """

    points: NDArray[np.float32]

    def __post_init__(self) -> None:
        """Copy, check and lock the array."""
        points = np.array(self.points, dtype=np.float32)
        if points.shape != (N_LANDMARKS, 2):
            raise ValueError(f"landmarks have shape {points.shape}, expected ({N_LANDMARKS}, 2)")
        if not np.isfinite(points).all():
            raise ValueError("landmarks hold a value that is not finite")
        points.setflags(write=False)
        object.__setattr__(self, "points", points)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Landmarks) and np.array_equal(self.points, other.points)

    def __hash__(self) -> int:
        return hash(self.points.tobytes())

    @property
    def box(self) -> BoundingBox:
        """Tight box around the points, pixels."""
        (left, top), (right, bottom) = self.points.min(axis=0), self.points.max(axis=0)
        return BoundingBox(float(left), float(top), float(right), float(bottom))


@dataclass(frozen=True)
class Face:
    """One face of a picture.

    Attributes:
        box_xyxy: Tight box around the landmarks (or the proposal where there are none), pixels.
        landmarks: The 68 points in pixels, or None where they were not found.
        score: Landmark quality in [0, 1].
    """

    box_xyxy: BoundingBox
    landmarks: Landmarks | None
    score: float


@dataclass(frozen=True)
class Square:
    """A square cut-out; may reach outside the picture.

    Attributes:
        left: x of its left edge, pixels.
        top: y of its upper edge, pixels.
        side: Length of an edge, pixels.
    """

    left: float
    top: float
    side: float

    def to_unit(self, points: NDArray[np.floating]) -> NDArray[np.float32]:
        """Pixels (..., 2) of the picture -> [0, 1] of the square."""
        return ((points - np.array([self.left, self.top])) / self.side).astype(np.float32)

    def to_pixels(self, points_unit: NDArray[np.floating]) -> NDArray[np.float32]:
        """[0, 1] of the square (..., 2) -> pixels of the picture."""
        return (points_unit * self.side + np.array([self.left, self.top])).astype(np.float32)


def square_around(box: BoundingBox, margin: float = CROP_MARGIN) -> Square:
    """The square around the centre of ``box``, side ``margin`` times its longer side (>= 1 px)."""
    side = max(box.width, box.height, 1.0) * margin
    x, y = box.center
    return Square(x - side / 2, y - side / 2, side)


def square_crop(face: Face) -> Square:
    """The crop of a face: around its 68 points, or its box where it has none.

    Args:
        face: A face in pixels of the picture.

    Returns:
        Square of 1.3 times the longer side of the points' bounding box, same centre.
    """
    return square_around(face.landmarks.box if face.landmarks is not None else face.box_xyxy)


def crop_image(image: NDArray[np.uint8], square: Square, size: int) -> NDArray[np.uint8]:
    """Cut ``square`` out of ``image`` and scale it, repeating the picture's edge outside of it.

    Args:
        image: (H, W) or (H, W, C) uint8.
        square: The cut-out in pixels of ``image``.
        size: Edge of the result in pixels.

    Returns:
        (size, size) or (size, size, C) uint8.

    Raises:
        ValueError: If ``size`` or the square's side is not positive.
    """
    if size < 1 or not square.side > 0:
        raise ValueError(f"crop of side {square.side} px to size {size}: both must be positive")
    shrink = square.side / size
    if shrink > 2:
        image, square = _shrink_region(image, square, shrink)
    scale = size / square.side
    # cv2 puts pixel centres on whole numbers, we put them on halves.
    matrix = np.array(
        [
            [scale, 0, (0.5 - square.left) * scale - 0.5],
            [0, scale, (0.5 - square.top) * scale - 0.5],
        ]
    )
    return cv2.warpAffine(  # type: ignore[return-value]
        image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )


def _shrink_region(
    image: NDArray[np.uint8], square: Square, shrink: float
) -> tuple[NDArray[np.uint8], Square]:
    """Area-average the part of ``image`` under ``square`` by about ``shrink``, against aliasing."""
    height, width = image.shape[:2]
    column, row = int(np.floor(square.left)), int(np.floor(square.top))
    end = int(np.ceil(square.side)) + 1
    x0, y0 = min(max(column, 0), width - 1), min(max(row, 0), height - 1)
    x1, y1 = max(min(column + end, width), x0 + 1), max(min(row + end, height), y0 + 1)
    region = image[y0:y1, x0:x1]
    new_width, new_height = (max(1, round(n / shrink)) for n in (x1 - x0, y1 - y0))
    small = cv2.resize(region, (new_width, new_height), interpolation=cv2.INTER_AREA)
    # The two axes round differently; the square's side follows x, the error on y is below a pixel.
    factor_x, factor_y = new_width / (x1 - x0), new_height / (y1 - y0)
    left, top = (square.left - x0) * factor_x, (square.top - y0) * factor_y
    return small, Square(left, top, square.side * factor_x)  # type: ignore[return-value]
