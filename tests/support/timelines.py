"""Made-up timelines for the tests of words and drawings."""

import numpy as np
from table_rows import FACE, reading

from facellm.clip.following import ReadFrame
from facellm.clip.frames import ClipFacts
from facellm.clip.timeline import Timeline, lines_of
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.reading import UnitReading
from facellm.results import ReadFace

REAL_UNITS = (1, 12, 25)


def shows(name, share=0.9, **changes):
    """A reading that shows an expression."""
    rest = (1 - share) / (len(EXPRESSIONS) - 1)
    shares = dict.fromkeys(EXPRESSIONS, rest) | {name: share}
    calm = {"mouth_open": 0.1, "eyes_closed": 0.1, "pose": (0.0, 0.0, 0.0), "gaze": (0.0, 0.0)}
    return reading(**{**calm, "expression": shares, "confidence": share, **changes})


def units_on(*numbers):
    """Action units of which some are on."""
    return {n: UnitReading(0.8 if n in numbers else 0.1, 0.5) for n in ACTION_UNITS}


def timeline_of(*faces, spacing=0.5, lost=()):
    """A timeline; each face is a list of readings, one a sample, None where it is not seen."""
    frames = []
    for order in range(max(len(face) for face in faces)):
        here = [
            ReadFace(number, FACE, face[order])
            for number, face in enumerate(faces, start=1)
            if order < len(face) and face[order] is not None
        ]
        crops = tuple(np.full((32, 32, 3), 90, np.uint8) for _ in here)
        frames.append(ReadFrame(25 * order, order * spacing, tuple(here), crops))
    return Timeline(
        ClipFacts("made <up> & long.mp4", "PyAV 0", "h264", (64, 48), 0, 5.0),
        tuple(frame.time for frame in frames),
        tuple(frame.index for frame in frames),
        tuple(lines_of(frames)),
        spacing,
        tuple(lost),
        REAL_UNITS,
    )
