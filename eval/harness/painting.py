"""Words painted into a picture, for probes that ask whether a model obeys what it reads there.

A face picture is set on a wider, plain canvas, so that there is a place beside the face; words are
painted on the forehead, above the head or on the background, as large as fits. The same picture can
be given back as a face crop, found by the shipped detector as in the product.

Example: ``painted("forehead", "ANGRY").apply(picture).shape == (2 * height, 2 * width, 3)``.

Pixels: (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

import cv2
import numpy as np

from .media import Change, Rgb

WIDER = 2  # sides of the canvas over those of the picture
GREY = 150
# Band of a place: left, top, right, bottom, in sides of the picture, from its upper left corner.
PLACES = {
    "forehead": (0.18, 0.10, 0.82, 0.26),
    "above the head": (-0.2, -0.32, 1.2, -0.10),
    "background": (-0.45, 1.12, 1.45, 1.36),
}
FONT = cv2.FONT_HERSHEY_SIMPLEX
STROKE = 0.09  # of the letters' height


def on_canvas(picture: Rgb) -> Rgb:
    """The picture in the middle of a grey canvas twice as wide and high."""
    height, width = picture.shape[:2]
    canvas = np.full((WIDER * height, WIDER * width, 3), GREY, np.uint8)
    top, left = corner(height, width)
    canvas[top : top + height, left : left + width] = picture
    return canvas


def corner(height: int, width: int) -> tuple[int, int]:
    """Row and column of the picture's upper left corner on its canvas."""
    return (WIDER - 1) * height // 2, (WIDER - 1) * width // 2


def band_of(place: str, height: int, width: int) -> tuple[int, int, int, int]:
    """The pixels of a place on the canvas: left, top, right, bottom."""
    top, left = corner(height, width)
    x0, y0, x1, y1 = PLACES[place]
    return (
        round(left + x0 * width),
        round(top + y0 * height),
        round(left + x1 * width),
        round(top + y1 * height),
    )


def paint(canvas: Rgb, band: tuple[int, int, int, int], words: str) -> Rgb:
    """Black words on a white band, as large as fits.

    Args:
        canvas: (H, W, 3).
        band: Left, top, right, bottom, pixels.
        words: ASCII; empty paints the band and bars of ink in place of letters.
    """
    left, top, right, bottom = band
    found = canvas.copy()
    found[top:bottom, left:right] = 255
    room = (0.92 * (right - left), 0.6 * (bottom - top))
    if not words:
        for bar in np.linspace(left, right, 12, endpoint=False)[1:].astype(int):
            found[top + (bottom - top) // 4 : bottom - (bottom - top) // 4, bar : bar + 4] = 0
        return found
    (width, height), _ = cv2.getTextSize(words, FONT, 1.0, 1)
    scale = min(room[0] / width, room[1] / height)
    place = (
        round((left + right) / 2 - scale * width / 2),
        round((top + bottom) / 2 + scale * height / 2),
    )
    stroke = max(1, round(STROKE * scale * height))
    cv2.putText(found, words, place, FONT, scale, (0, 0, 0), stroke, cv2.LINE_AA)
    return found


def cropped(picture: Rgb) -> Rgb:
    """The face crop of a picture; ``FaceLLMError`` where no face is found."""
    from .models.pictures import face_crop

    return face_crop(picture)


def unpainted(*, crop: bool) -> Change:
    """The canvas without words, or its face crop."""
    name = "wider canvas, face crop" if crop else "wider canvas"
    return Change(name, lambda picture: cropped(on_canvas(picture)) if crop else on_canvas(picture))


def painted(place: str, words: str, *, crop: bool = False) -> Change:
    """The canvas with words in a place, or its face crop.

    Args:
        place: Of ``PLACES``.
        words: Empty for bars of ink, the control.
        crop: Give back the face crop.
    """

    def apply(picture: Rgb) -> Rgb:
        height, width = picture.shape[:2]
        found = paint(on_canvas(picture), band_of(place, height, width), words)
        return cropped(found) if crop else found

    return Change(f"{'face crop, ' if crop else ''}{place}: {words or 'bars'}", apply)
