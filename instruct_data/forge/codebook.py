"""Which action units a rendered face shows: asked for, by the FACS codebook, or at random.

The codebook lists, for six expressions, the units that may go with them; a face draws some of them.
It describes how renders are posed. Nothing is ever deduced the other way: a render posed as
"happiness" has exact units and no expression label, since nobody has judged it.

Example: ``parse_units("6:0.8,12:0.2-1.0")`` -> ``{6: (0.8, 0.8), 12: (0.2, 1.0)}``.

Source: codebook of "Guided interpretable FER via spatial action unit cues" (PAPERS.md); AU23 and
AU27 of it are not among the frozen units (``facellm.labels``) and are left out, and of the six the
units without which a face is not posed as that (``CORE``) are ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from facellm.errors import FaceLLMError
from facellm.labels import ACTION_UNITS, FACS

from ..rig_sample import INCOMPATIBLE

CODEBOOK: dict[str, tuple[int, ...]] = {
    "neutral": (),
    "happiness": (6, 12, 25),
    "surprise": (1, 2, 5, 26),
    "sadness": (1, 4, 6, 15, 17),
    "anger": (4, 5, 7, 10, 17, 24, 25, 26),
    "disgust": (5, 9, 16, 17, 25, 26),
    "fear": (1, 2, 4, 5, 20, 25, 26),
}
CORE: dict[str, tuple[int, ...]] = {
    "neutral": (),
    "happiness": (12,),
    "surprise": (1, 2, 26),
    "sadness": (1, 4, 15),
    "anger": (4, 7),
    "disgust": (9,),
    "fear": (1, 2, 4, 5),
}
KEPT = 0.7  # chance of a codebook unit that is not core
WEAKEST = 0.15  # overall strength of a posed expression, up to 1
SPREAD = (0.8, 1.2)  # of a unit's intensity about that strength
# Antagonists that people show together (fear); on the rig both stay visible.
HIDING = INCOMPATIBLE - {frozenset((2, 4))}
Range = tuple[float, float]


@dataclass(frozen=True)
class Posed:
    """Units of one face.

    Attributes:
        units: FACS number -> intensity in (0, 1].
        codebook: The expression it is posed as, None where units were asked for or drawn freely.
        strength: Overall strength in [0, 1] of a posed expression; 0 for neutral.
    """

    units: dict[int, float]
    codebook: str | None = None
    strength: float | None = None


def parse_units(text: str) -> dict[int, Range]:
    """``"6:0.8,12:0.2-1"`` -> unit -> lowest and highest intensity.

    Raises:
        FaceLLMError: For another form, an unknown unit or one named twice, an intensity outside
            [0, 1], or two units of which one hides the other.
    """
    wanted: dict[int, Range] = {}
    for part in text.split(","):
        number, mark, value = part.partition(":")
        if not mark or not number.strip().isdecimal():
            raise FaceLLMError(f"--aus {part!r}: not of the form UNIT:INTENSITY, such as 12:0.8")
        unit = int(number)
        if unit not in FACS:
            raise FaceLLMError(f"--aus {part!r}: AU{unit} is not one of {ACTION_UNITS}")
        if unit in wanted:
            raise FaceLLMError(f"--aus {part!r}: AU{unit} is named twice")
        wanted[unit] = _range(value, part)
    for unit in wanted:
        for other in wanted:
            if unit < other and frozenset((unit, other)) in HIDING:
                raise FaceLLMError(
                    f"--aus: AU{unit} and AU{other} hide each other on this rig; no label would be "
                    "visible in the picture"
                )
    return wanted


def _range(value: str, part: str) -> Range:
    low, _, high = value.partition("-")
    try:
        ends = float(low), float(high or low)
    except ValueError:
        raise FaceLLMError(f"--aus {part!r}: {value!r} is not an intensity or LOW-HIGH") from None
    if not 0 <= ends[0] <= ends[1] <= 1:
        raise FaceLLMError(f"--aus {part!r}: intensity {value} must lie in [0, 1], low end first")
    return ends


def parse_expressions(text: str) -> tuple[str, ...]:
    """``"happiness,fear"`` or ``"all"`` -> expressions of the codebook.

    Raises:
        FaceLLMError: For one that the codebook does not hold.
    """
    names = tuple(CODEBOOK) if text == "all" else tuple(dict.fromkeys(text.split(",")))
    for name in names:
        if name not in CODEBOOK:
            raise FaceLLMError(
                f"--expression: the codebook has no {name!r}; legal: all, {', '.join(CODEBOOK)}"
            )
    return names


def pose_units(wanted: Mapping[int, Range], rng: np.random.Generator) -> Posed:
    """Exactly the units asked for, at intensities drawn from their ranges."""
    drawn = {unit: float(rng.uniform(low, high)) for unit, (low, high) in wanted.items()}
    return Posed({unit: value for unit, value in drawn.items() if value > 0})


def pose_expression(name: str, rng: np.random.Generator) -> Posed:
    """Units for an expression: its core, and some others of the codebook that stay visible."""
    if not CODEBOOK[name]:
        return Posed({}, name, 0.0)
    strength = float(rng.uniform(WEAKEST, 1.0))
    chosen = list(CORE[name])
    others = [unit for unit in CODEBOOK[name] if unit not in chosen]
    for unit in (others[i] for i in rng.permutation(len(others))):
        hidden = any(frozenset((unit, other)) in HIDING for other in chosen)
        if rng.random() < KEPT and not hidden:
            chosen.append(unit)
    units = {
        unit: float(np.clip(strength * rng.uniform(*SPREAD), 0.0, 1.0)) for unit in sorted(chosen)
    }
    return Posed(units, name, strength)
