"""Write ``docs/columns.md`` from the tables the code itself uses; a test says when it is stale.

What a column means, its unit and where its truth came from stand in ``facellm.table_notes``. When a
column is empty, and how far gaze can reach, is found by asking the row functions: the same face is
given to them whole, without landmarks, with its expression left open, and so on.

Example::

    $ python docs/columns.py
    docs/columns.md: 5 tables
"""

import itertools
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from facellm.crops import LEAST_QUALITY
from facellm.face import BoundingBox, Face, Landmarks
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS, FACS, GAZE_DEGREES, MAX_AGE
from facellm.reading import AgeReading, Reading, UnitReading
from facellm.table_columns import ARKIT, COLUMN_SETS, TableEntry, blendshapes_of
from facellm.table_notes import column_note
from facellm.tables import table_row

PAGE = Path(__file__).with_suffix(".md")
SETS = {
    "default": "py-feat's columns, then ours. No option is needed.",
    "openface": "OpenFace's names, order and units: `--columns openface`.",
    "arkit": "ARKit's 52 blendshapes: `--columns arkit`. Both sides of a face are read as one.",
}
INTRODUCTION = """\
# Columns of a table

Written by `python docs/columns.py` from the tables of the code; do not edit it by hand.

`facellm read` writes one row per face. The manifest beside a table (`faces.csv.manifest.json`) says
the same about its own columns, with the version and the weights they were read with.

**Truth from** says what a value was learnt from. *measured*: geometry of the 68 points. *trained on
real faces*: labels of photographs. *trained on renders only*: rendered faces; on photographs such a
value has been checked by ranking alone, or not at all. No photograph with action units coded by
people was used. What is known about errors stands in [MODEL_CARD.md](../MODEL_CARD.md).

**Empty when** says when a cell holds nothing. Nothing is an empty cell in CSV and null in Parquet
and JSON lines. It never is 0. A unit counts as *checked* when its readout passed a ranking check on
real faces; the manifest lists those units under `thresholds.units_filled`.

Pixels are those of the picture as it is seen, x to the right, y down. Left and right are the
viewer's. Measures are taken in the face's own frame, in distances of the outer eye corners (eye
openings: lid gap by eye width); a `z_` column gives them against neutral faces of the training
data. A value describes what a face shows in a picture. Age and gender are apparent.
"""
WHOLE = TableEntry(
    "clip",
    1,
    Face(BoundingBox(1.0, 2.0, 3.0, 4.0), Landmarks(np.ones((68, 2), np.float32)), 0.9),
    Reading(
        expression={name: 1 / len(EXPRESSIONS) for name in EXPRESSIONS},
        action_units={number: UnitReading(0.5, 0.5) for number in ACTION_UNITS},
        age=AgeReading(30.0, 20.0, 40.0),
        gender={"female": 0.5, "male": 0.5},
        mask=0.5,
        mouth_open=0.5,
        eyes_closed=0.5,
        gaze=(1.0, 1.0),
        generated=0.5,
        pose=(1.0, 1.0, 1.0),
        geometry=dict.fromkeys(MEASURES, 1.0),
        quality=0.9,
    ),
    ACTION_UNITS,
    time=1.0,
)
LACKING = {
    "a photograph": replace(WHOLE, time=None),
    "the expression is left open": replace(WHOLE, reading=replace(WHOLE.reading, abstain=True)),
    f"the points' quality is under {LEAST_QUALITY:.1f}": replace(
        WHOLE, reading=replace(WHOLE.reading, pose=None, geometry=None)
    ),
    "a detector of your own gives no points": replace(
        WHOLE, face=replace(WHOLE.face, landmarks=None)
    ),
    "the unit is not checked, unless `--all-units`": replace(WHOLE, units=()),
}


def empty_when(name: str, kind: str) -> str:
    """The cases in which a column of a set holds nothing."""
    if table_row(WHOLE, COLUMN_SETS[kind])[name] is None:
        return "always"
    cases = [
        case for case, entry in LACKING.items() if table_row(entry, COLUMN_SETS[kind])[name] is None
    ]
    return "; ".join(cases) or "never"


def bounds(name: str, kind: str) -> str:
    """The range of a column; empty where it has no bound."""
    unit = column_note(name).unit
    if name.endswith("_c"):
        return "0 or 1"
    if " to " in unit:
        return unit
    if unit == "years":
        return f"0 to {MAX_AGE}"
    if name.startswith("gaze"):
        ends = (min(GAZE_DEGREES), 0, max(GAZE_DEGREES))
        looks = [(float(yaw), float(pitch)) for yaw in ends for pitch in ends]
        entries = [replace(WHOLE, reading=replace(WHOLE.reading, gaze=look)) for look in looks]
        found = [table_row(entry, COLUMN_SETS[kind])[name] for entry in entries]
        return f"{min(found):.3g} to {max(found):.3g}"
    return ""


def described(name: str, kind: str) -> str:
    """What a column of a set holds, without the numbers that its name tells."""
    ours, _, openface = column_note(name).meaning.partition("; OpenFace: ")
    meaning = openface if openface and kind == "openface" else ours
    if name in ARKIT:
        units = [f"AU{n}" for n in FACS if name in blendshapes_of(n)]
        return f"{meaning}, from {' and '.join(units)}" if units else meaning
    return re.sub(r"point \d+ of 68", "point of 68", re.sub(r"\bAU\d+", "the unit", meaning))


def row(name: str, kind: str) -> tuple[str, ...]:
    """Everything about a column but its name."""
    note = column_note(name)
    unit = "" if " to " in note.unit else note.unit
    return described(name, kind), unit, bounds(name, kind), note.scope, empty_when(name, kind)


def rows(kind: str) -> Iterator[tuple[str, ...]]:
    """Rows of a set's table; neighbours that differ by a number only stand in one."""
    pairs = [(name, row(name, kind)) for name in COLUMN_SETS[kind].columns]
    for (_, cells), run in itertools.groupby(
        pairs, key=lambda pair: (re.sub(r"\d+", "#", pair[0]), pair[1])
    ):
        names = [name for name, _ in run]
        shown = f"`{names[0]}`"
        if len(names) > 1:
            shown += f" ... `{names[-1]}` ({len(names)})"
        yield shown, *cells


def table(head: tuple[str, ...], body: Iterator[tuple[str, ...]]) -> str:
    """A Markdown table."""
    lines = [head, ("---",) * len(head), *body]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def page() -> str:
    """The whole page."""
    head = ("column", "what", "unit", "range", "truth from", "empty when")
    parts = [INTRODUCTION]
    for kind in COLUMN_SETS:
        count = len(COLUMN_SETS[kind].columns)
        parts.append(f"## `{kind}`: {count} columns\n\n{SETS[kind]}\n\n{table(head, rows(kind))}")
    units = (
        (f"AU{u.number}", u.name, u.phrase, u.region, ", ".join(blendshapes_of(u.number)))
        for u in FACS.values()
    )
    head = ("unit", "name in FACS", "what it looks like", "region", "ARKit blendshapes it fills")
    parts.append(f"## Action units\n\n{table(head, units)}")
    expressions = ((f"`{name}`",) for name in EXPRESSIONS)
    parts.append(
        "## Expressions\n\nThe shares of a face sum to 1.\n\n"
        + table(("column of the share, and value of `expression`",), expressions)
    )
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
    written = page().count("\n| ---")
    sys.stdout.write(f"docs/{PAGE.name}: {written} tables\n")
