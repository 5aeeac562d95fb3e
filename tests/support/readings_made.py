"""A reading written by hand."""

from facellm.labels import ACTION_UNITS, EXPRESSIONS
from facellm.reading import AgeReading, Reading, UnitReading

SHARES = dict.fromkeys(EXPRESSIONS, 0.02) | {"happiness": 0.5, "sadness": 0.06, "surprise": 0.34}
READING = Reading(
    expression=SHARES,
    action_units={n: UnitReading(0.9 if n in (6, 12) else 0.1, 0.4) for n in ACTION_UNITS},
    age=AgeReading(34.4, 27.0, 42.0),
    gender={"female": 0.7, "male": 0.3},
    mask=0.02,
    mouth_open=0.8,
    eyes_closed=0.1,
    gaze=(3.0, -4.0),
    generated=0.2,
    pose=(12.0, -3.0, 1.5),
    confidence=0.5,
)
