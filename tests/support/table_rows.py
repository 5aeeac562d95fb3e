"""Rows of made-up faces for the tests of tables."""

import numpy as np

from facellm.face import BoundingBox, Face, Landmarks
from facellm.geometry import MEASURES
from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.reading import AgeReading, Reading, UnitReading
from facellm.table_columns import TableEntry
from facellm.tables import column_set, table_row

FACE = Face(
    BoundingBox(1.0, 2.0, 30.0, 40.0),
    Landmarks(np.arange(136, dtype=np.float32).reshape(68, 2)),
    0.8,
)
REAL_UNITS = (1, 2, 4, 12, 25, 26, 43)


def reading(**changes):
    """A reading with everything filled; by keyword, other values."""
    values = {
        "expression": {name: 1 / 8 for name in EXPRESSIONS},
        "action_units": {n: UnitReading(0.25, 0.1) for n in ACTION_UNITS},
        "age": AgeReading(34.123456789, 27.0, 42.0),
        "gender": {"female": 0.75, "male": 0.25},
        "mask": 0.0,
        "mouth_open": 0.5,
        "eyes_closed": 0.125,
        "gaze": (1.0, -2.0),
        "generated": 0.0625,
        "pose": (3.0, 4.0, 5.0),
        "geometry": dict.fromkeys(MEASURES, -0.5),
        "quality": 0.9,
        "confidence": 0.125,
    }
    return Reading(**{**values, **changes})


def row_of(file, number, value, units, columns="default"):
    """The row of a made-up face."""
    return table_row(TableEntry(file, number, FACE, value, units), column_set(columns))
