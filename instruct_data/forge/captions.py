"""A caption of a render from its exact action units: a grammar, no model.

Every unit above .3 is mentioned and none below .1; those between may be, as slight. Words for a
unit come from the FACS table of ``facellm.labels`` only, hedged by intensity. What is said is what
the face shows; no emotion is named.

Example: ``caption({12: 0.9, 6: 0.4}, rng)`` -> ``"In this rendered face the lip corners are
strongly pulled up (AU12) and the cheeks are moderately raised (AU6)."``
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from facellm.labels import FACS

MENTIONED, SILENT = 0.3, 0.1  # above: always said; below: never
_SLIGHT = 0.5  # chance that a unit in between is said
# Lowest intensity -> adverb.
ADVERBS = ((0.75, "strongly"), (0.5, "clearly"), (MENTIONED, "moderately"), (SILENT, "slightly"))
_OPENERS = ("In this rendered face", "On this rendered face,", "A rendered face:", "In the render")
_PLAIN = (
    "This rendered face shows no marked action unit.",
    "In this render no action unit stands out.",
    "The rendered face is without any marked action unit.",
)
_FORMS = ("{phrase} (AU{number})", "{phrase}", "{phrase} (AU{number}, {name})")


def caption(units: Mapping[int, float], rng: np.random.Generator) -> str:
    """One sentence about the units of a face.

    Args:
        units: FACS number -> exact intensity in [0, 1]; units that are not there are 0.
        rng: Chooses the wording.
    """
    said = sorted(chosen(units, rng), key=lambda unit: -units[unit])
    if not said:
        return str(rng.choice(_PLAIN))
    form = str(rng.choice(_FORMS))
    parts = [
        form.format(phrase=hedged(unit, units[unit]), number=unit, name=FACS[unit].name)
        for unit in said
    ]
    return f"{rng.choice(_OPENERS)} {joined(parts)}."


def chosen(units: Mapping[int, float], rng: np.random.Generator) -> list[int]:
    """Units to mention."""
    return [
        unit
        for unit, value in units.items()
        if value > MENTIONED or (value >= SILENT and rng.random() < _SLIGHT)
    ]


def hedged(unit: int, intensity: float) -> str:
    """``the lip corners are clearly pulled up``: the table's phrase with an adverb."""
    adverb = next(word for lowest, word in ADVERBS if intensity >= lowest)
    verb = " is " if " is " in FACS[unit].phrase else " are "
    return FACS[unit].phrase.replace(verb, f"{verb}{adverb} ", 1)


def joined(parts: list[str]) -> str:
    """``a; b; and c``: semicolons, since a part may hold a comma; ``a and b``."""
    if len(parts) < 3:
        return " and ".join(parts)
    return "; ".join(parts[:-1]) + f"; and {parts[-1]}"
