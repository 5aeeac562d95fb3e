"""How a clip's stored frames are turned and mirrored to be shown, by its display matrix.

Example: a phone held upright stores frames lying on their side with the matrix ``(0, 1, -1, 0)``:
``turn_of(frame)`` -> ``(True, False, True)``, transposed and its columns flipped, which
``clockwise`` calls ``(90, False)``. A front camera's ``(-1, 0, 0, 1)`` is ``(0, True)``, mirrored.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from facellm.images import AS_STORED, Turn


def turn_of(frame: Any) -> Turn:
    """How a frame of PyAV is turned to be shown, by the display matrix of its file.

    A stored point (x, y) is shown at (a x + c y, b x + d y), up to a shift; other angles than right
    ones are taken to the nearest of those.

    Source: ISO/IEC 14496-12, section 6.2.2; ``libavutil/display.h``.
    """
    held = next((bytes(s) for s in frame.side_data if s.type.name == "DISPLAYMATRIX"), None)
    if held is None:
        return AS_STORED
    a, b, _, c, d, *_ = np.frombuffer(held, np.int32)
    return (
        (True, bool(b < 0), bool(c < 0)) if abs(b) > abs(a) else (False, bool(d < 0), bool(a < 0))
    )


def clockwise(turn: Turn) -> tuple[int, bool]:
    """A turn in words: degrees clockwise, and whether left and right are swapped after that."""
    transpose, rows, columns = turn
    mirrored = transpose ^ rows ^ columns
    quarters = {(False, False): 0, (True, False): 1, (False, True): 2, (True, True): 3}
    return 90 * quarters[transpose, rows], mirrored
