"""Skin over the whole range: the typology angle of a look, and looks drawn bin by bin.

The angle is computed from the albedo, not from the lit picture: ITA = atan((L* - 50) / b*) in
degrees, of the skin's base colour. Renders are drawn evenly over six bins, so that a slice by skin
exists in any set without a word about groups of people.

Example: ``look_in(rng, "dark")`` -> a seed whose skin has an angle under -30 degrees.

Source: the angle and its bins: Chardon, Cretois and Hourseau, "Skin colour typology and suntanning
pathways", 1991, and Del Bino and Bernerd, 2013 (six bins).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..rig_paint import skin_tone

# Bin -> lowest angle, degrees; from light to dark.
ITA_BINS = {
    "very light": 55.0,
    "light": 41.0,
    "intermediate": 28.0,
    "tan": 10.0,
    "brown": -30.0,
    "dark": -90.0,
}
_MOST_DRAWS = 2000  # the rarest bin is one look in twelve


def ita_of(albedo: NDArray[np.floating]) -> float:
    """Typology angle in degrees of a skin colour, linear RGB (3,) in [0, 1]."""
    pixel = np.asarray(albedo, np.float32).reshape(1, 1, 3)
    lightness, _, yellow = cv2.cvtColor(pixel, cv2.COLOR_LRGB2LAB)[0, 0]
    return float(np.degrees(np.arctan2(lightness - 50, yellow)))


def bin_of(ita: float) -> str:
    """Name of the bin of an angle in degrees."""
    return next(name for name, lowest in ITA_BINS.items() if ita >= lowest)


def tone_of(look: int) -> NDArray[np.float64]:
    """Base colour of the skin of a look, linear RGB (3,): the first thing a look draws."""
    return skin_tone(np.random.default_rng(look))


def look_in(rng: np.random.Generator, wanted: str) -> int:
    """Seed of a look whose skin lies in a bin.

    Raises:
        ValueError: If none is found, which would mean that skins no longer cover the bin.
    """
    for _ in range(_MOST_DRAWS):
        look = int(rng.integers(2**31))
        if bin_of(ita_of(tone_of(look))) == wanted:
            return look
    raise ValueError(f"no skin of bin {wanted!r} in {_MOST_DRAWS} looks")
