"""What a drawing of a timeline is made of, whatever draws it.

Example: ``Sheet(1000, 420, (Box(190, 60, 20, 84, "happiness"), Words(14, 20, "Face 1")))``.

Coordinates: pixels of the sheet, x right, y down. Colours are names, keys of ``COLOURS`` or one of
``ink``, ``faint``, ``ground`` and ``strip``, which a page may show dark.
"""

from __future__ import annotations

from dataclasses import dataclass

from facellm.clip.frames import Rgb

# Okabe and Ito's colours, told apart with every common kind of colour blindness.
COLOURS = {
    "neutral": "#999999", "happiness": "#e69f00", "surprise": "#56b4e9", "sadness": "#0072b2",
    "anger": "#d55e00", "disgust": "#009e73", "fear": "#cc79a7", "contempt": "#f0e442",
    "unit": "#0072b2", "yaw": "#d55e00", "pitch": "#0072b2", "roll": "#009e73",
}  # fmt: skip


@dataclass(frozen=True)
class Box:
    """A filled rectangle; ``strength`` in [0, 1] is how opaque it is, ``note`` what it means."""

    left: float
    top: float
    width: float
    height: float
    colour: str
    strength: float = 1.0
    note: str = ""


@dataclass(frozen=True)
class Line:
    """A line through points; ``dash`` are lengths on and off, none for a whole line."""

    points: tuple[tuple[float, float], ...]
    colour: str
    width: float = 1.0
    dash: tuple[int, ...] = ()


@dataclass(frozen=True)
class Words:
    """A text; ``y`` is its middle, ``anchor`` is ``start``, ``middle`` or ``end``."""

    x: float
    y: float
    text: str
    size: int = 13
    anchor: str = "start"
    colour: str = "ink"


@dataclass(frozen=True)
class Picture:
    """A face crop (S, S, 3) drawn as a square of ``side``."""

    left: float
    top: float
    side: float
    pixels: Rgb


Shape = Box | Line | Words | Picture


@dataclass(frozen=True)
class Sheet:
    """Everything that is drawn, in order.

    Attributes:
        width: Pixels.
        height: Pixels.
        shapes: From the back to the front.
    """

    width: int
    height: int
    shapes: tuple[Shape, ...]
