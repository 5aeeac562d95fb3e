"""Sights of a face over time -> stretches: from when to when what is shown.

A stretch is a run of sampled frames with the same value; its times are those of its first and last
frame. A single weak frame between two stretches of the same value joins them: it is rather noise
than a change. A face that goes out of sight ends its stretches.

Example: ``track_events(line, timeline)["expression"]`` -> ``[Stretch("neutral", 0.0, 3.0, 7, 0.9,
1.5), Stretch("happiness", 3.5, 8.0, 10, 0.97, 5.0)]``.

Angles are degrees as in ``facellm.reading``: yaw > 0 to the image's right, pitch > 0 up.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from facellm.clip.timeline import Sight, Timeline, TrackLine
from facellm.reading import UNIT_SHOWN, Reading

UNCLEAR = "unclear"  # the expression is left open
TURNED, RAISED = 15.0, 12.0  # degrees of yaw and of pitch from which a head or a look is turned
AHEAD = "ahead"
# From where a single frame is no noise: a share or probability, degrees of yaw, of pitch.
CLEAR, CLEARLY_TURNED, CLEARLY_RAISED = 0.8, 22.0, 18.0
Point = tuple[int, float, str, float]  # order of its frame, time, value, how strongly


@dataclass(frozen=True)
class Stretch:
    """A value over some time.

    Attributes:
        value: ``happiness``, ``open``, ``to the image's left`` ...
        start: Time of its first frame.
        end: Time of its last frame.
        samples: Number of its frames.
        peak: Its largest strength: a share, a probability, or degrees.
        peak_time: Where that is.
    """

    value: str
    start: float
    end: float
    samples: int
    peak: float
    peak_time: float

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        record = vars(self).copy()
        return {n: round(v, 3) if isinstance(v, float) else v for n, v in record.items()}


def stretches(points: Sequence[Point], clear: float = CLEAR) -> list[Stretch]:
    """Runs of the same value; a frame without the face ends a run.

    Args:
        points: In order of time.
        clear: Single points between two that agree are taken for noise if weaker than this.
    """
    runs: list[list[Point]] = []
    for point in joined(points, clear):
        if runs and point[0] == runs[-1][-1][0] + 1 and runs[-1][-1][2] == point[2]:
            runs[-1].append(point)
        else:
            runs.append([point])
    found = []
    for run in runs:
        peak = max(run, key=lambda point: point[3])
        found.append(Stretch(run[0][2], run[0][1], run[-1][1], len(run), peak[3], peak[1]))
    return found


def joined(points: Sequence[Point], clear: float) -> list[Point]:
    """Points where a single weak one between two neighbours that agree has taken their value."""
    out = list(points)
    for index in range(1, len(points) - 1):
        before, point, after = out[index - 1], points[index], points[index + 1]
        near = point[0] - before[0] == 1 and after[0] - point[0] == 1
        # Of values that change with every frame none is noise.
        longer = index < 2 or out[index - 2][2] == before[2]
        if near and longer and point[3] < clear and before[2] == after[2] != point[2]:
            out[index] = (*point[:2], before[2], min(before[3], after[3]))
    return out


def across_gaps(found: Sequence[Stretch]) -> list[Stretch]:
    """Stretches where those that only a gap divides are one."""
    whole: list[Stretch] = []
    for stretch in found:
        if not whole or whole[-1].value != stretch.value:
            whole.append(stretch)
            continue
        last = whole[-1]
        top = last if last.peak >= stretch.peak else stretch
        samples = last.samples + stretch.samples
        whole[-1] = Stretch(last.value, last.start, stretch.end, samples, top.peak, top.peak_time)
    return whole


def track_events(line: TrackLine, timeline: Timeline) -> dict[str, list[Stretch]]:
    """Stretches of everything that is told of a face.

    Returns:
        ``expression``, ``mouth``, ``eyes``, ``mask``, ``head`` and ``head_pitch``, ``gaze`` and
        ``gaze_pitch``, and ``AU12`` ... of the units that hold up on real faces and come on.
    """

    def over_time(
        value: Callable[[Reading], tuple[str, float] | None], clear: float = CLEAR
    ) -> list[Stretch]:
        points = [point(sight, value) for sight in line.sights]
        known = [p for p in points if p is not None]
        return stretches(known, clear)

    events = {
        "expression": over_time(expression),
        "mouth": over_time(lambda r: flag(r.mouth_open, "open", "closed")),
        # A blink is shorter than the time between two samples: none is taken for noise.
        "eyes": over_time(lambda r: flag(r.eyes_closed, "closed", "open"), 0.0),
        "mask": over_time(lambda r: flag(r.mask, "worn", "none")),
        "head": over_time(lambda r: side(None if r.pose is None else r.pose[0]), CLEARLY_TURNED),
        "head_pitch": over_time(
            lambda r: height(None if r.pose is None else r.pose[1]), 1.5 * RAISED
        ),
        "gaze": over_time(lambda r: side(r.gaze[0]), CLEARLY_TURNED),
        "gaze_pitch": over_time(lambda r: height(r.gaze[1]), CLEARLY_RAISED),
    }
    for number in timeline.units:
        found = over_time(lambda r, n=number: flag(r.action_units[n].probability, "on", "off"))
        if any(stretch.value == "on" for stretch in found):
            events[f"AU{number}"] = found
    return events


def point(sight: Sight, value: Callable[[Reading], tuple[str, float] | None]) -> Point | None:
    """A sight's place, value and strength; None where there is nothing to measure."""
    found = value(sight.found.reading)
    return None if found is None else (sight.order, sight.time, *found)


def expression(reading: Reading) -> tuple[str, float]:
    """The expression shown and its share; ``unclear`` where it is left open."""
    return (UNCLEAR if reading.abstain else reading.top_expression), reading.confidence


def flag(probability: float, yes: str, no: str) -> tuple[str, float]:
    """A probability as one of two values, with the probability of that value."""
    shown = probability >= UNIT_SHOWN
    return (yes, probability) if shown else (no, 1 - probability)


def side(yaw: float | None) -> tuple[str, float] | None:
    """Where something points, left or right."""
    if yaw is None:
        return None
    if abs(yaw) < TURNED:
        return AHEAD, TURNED - abs(yaw)
    return f"to the image's {'right' if yaw > 0 else 'left'}", abs(yaw)


def height(pitch: float | None) -> tuple[str, float] | None:
    """Where something points, up or down."""
    if pitch is None:
        return None
    if abs(pitch) < RAISED:
        return AHEAD, RAISED - abs(pitch)
    return ("up" if pitch > 0 else "down"), abs(pitch)


def out_of_sight(line: TrackLine) -> list[tuple[float, float]]:
    """Gaps between sights of a face: (last seen, seen again)."""
    return [(a.time, b.time) for a, b in pairwise(line.sights) if b.order - a.order > 1]
