"""A timeline as shapes: what is drawn where, apart from how a page or a picture draws it.

From top to bottom for every face: a title and its crop, the shares of the eight expressions as
stacked bands, the action units as rows whose strength is the probability, and the angles of the
head as three lines; time runs to the right under one axis. Where a face is out of sight its strips
are broken; a strip that is there and empty means zero.

Example: ``layout(timeline)`` -> ``Sheet(1000, 420, (Box(...), Line(...), Words(...), ...))``.

Coordinates: pixels of the sheet (``facellm.clip.shapes``).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

from facellm.clip.events import out_of_sight
from facellm.clip.frames import clock, short, span
from facellm.clip.shapes import Box, Line, Picture, Shape, Sheet, Words
from facellm.clip.timeline import Sight, Timeline, TrackLine
from facellm.labels import EXPRESSIONS, FACS

WIDTH, LEFT, RIGHT = 1000, 190, 24  # of the sheet; strips lie between the last two
BANDS, ROW, ANGLES, GAP = 84, 15, 84, 14  # heights
CROP = 64
MOST_TRACKS = 12
LARGEST_ANGLE = 45.0  # degrees at the edge of the strip of angles
DASHES = {"yaw": (), "pitch": (7, 4), "roll": (2, 3)}  # lines differ without colour too
POSE = ("yaw", "pitch", "roll")


class Layout:
    """Puts a timeline on a sheet from top to bottom.

    Args:
        timeline: What is drawn.
    """

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.half = timeline.spacing / 2  # a sample stands for the time around it
        self.span = max(timeline.end + self.half, 1e-3)
        self.shapes: list[Shape] = []
        self.y = float(GAP)

    def x(self, time: float) -> float:
        """Where a time lies."""
        share = min(max(time / self.span, 0.0), 1.0)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def sheet(self) -> Sheet:
        """The whole drawing."""
        self.heading()
        lines = sorted(self.timeline.main_tracks()[:MOST_TRACKS], key=lambda line: line.number)
        if lines:
            self.legend()
        for line in lines:
            self.track(line)
        rest = len(self.timeline.tracks) - len(lines)
        if rest:
            self.text(f"{rest} more faces, seen in fewer frames, are not drawn.")
        return Sheet(WIDTH, math.ceil(self.y + GAP), tuple(self.shapes))

    def text(self, words: str, size: int = 13, colour: str = "ink") -> None:
        """A line of text at the left edge."""
        self.shapes.append(Words(GAP, self.y + size * 0.7, words, size, "start", colour))
        self.y += size * 1.5

    def heading(self) -> None:
        """Name, what was looked at, what was lost."""
        timeline = self.timeline
        self.text(shortened(timeline.facts.name, 90), 18)
        apart = f", {short(timeline.spacing)} s apart" if len(timeline.times) > 1 else ""
        looked = f"{len(timeline.times)} frames, {span(0.0, timeline.end)}{apart}"
        faces = len(timeline.tracks)
        said = f"{faces} face{'' if faces == 1 else 's'}" if faces else "no face in any of them"
        self.text(f"{looked}; {said}. What faces show, not what people feel.", colour="faint")
        for lost in timeline.lost[:4]:
            self.text(shortened(f"Lost: {lost}", 140), colour="faint")
        self.y += GAP / 2

    def legend(self) -> None:
        """Colours of the expressions and of the angles."""
        x, y = float(LEFT), self.y + 7
        self.shapes.append(Words(GAP, y, "expressions", 12, colour="faint"))
        for name in EXPRESSIONS:
            self.shapes.append(Box(x, y - 6, 12, 12, name))
            self.shapes.append(Words(x + 17, y, name, 12))
            x += 97
        self.y += 22 + GAP / 2

    def track(self, line: TrackLine) -> None:
        """Title, bands, units, angles and axis of a face."""
        top = self.y
        self.shapes.append(Line(((GAP, top), (WIDTH - GAP, top)), "strip", 1.0))
        self.y += GAP
        seen = f"{span(line.first, line.last)}, in {len(line.sights)} frames"
        self.shapes.append(Words(GAP, self.y + 8, f"Face {line.number}", 17))
        self.shapes.append(Words(LEFT, self.y + 8, seen, 13, colour="faint"))
        gaps = [span(*gap) for gap in out_of_sight(line)]
        if gaps:
            away = "out of sight " + ", ".join(gaps[:3]) + (" ..." if len(gaps) > 3 else "")
            place = WIDTH - RIGHT
            self.shapes.append(Words(place, self.y + 8, away, 13, "end", "faint"))
        self.y += 24
        if line.crop is not None:
            self.shapes.append(Picture(GAP, self.y + 2, CROP, line.crop))
        self.bands(line)
        self.units(line)
        self.angles(line)
        self.axis()

    def cells(self, line: TrackLine) -> Iterator[tuple[Sight, float, float]]:
        """Every sight with the left and right edge of the time it stands for."""
        sights = line.sights
        for number, sight in enumerate(sights):
            start, end = sight.time - self.half, sight.time + self.half
            if number and sight.order - sights[number - 1].order == 1:
                start = (sight.time + sights[number - 1].time) / 2
            if number + 1 < len(sights) and sights[number + 1].order - sight.order == 1:
                end = (sight.time + sights[number + 1].time) / 2
            yield sight, self.x(start), self.x(end)

    def strip(self, line: TrackLine, height: float) -> float:
        """The ground of a strip where the face is seen; its top."""
        top, edges = self.y, [(left, right) for _, left, right in self.cells(line)]
        start, end = edges[0]
        for left, right in [*edges[1:], (math.inf, math.inf)]:
            if left - end > 0.5:
                self.shapes.append(Box(start, top, end - start, height, "strip"))
                start = left
            end = right
        self.y += height
        return top

    def bands(self, line: TrackLine) -> None:
        """Shares of the expressions, stacked in the order of the legend."""
        top = self.strip(line, BANDS)
        self.label("share of", "each expression", top + BANDS / 2)
        for sight, left, right in self.cells(line):
            y = top + BANDS
            for name in EXPRESSIONS:
                share = sight.found.reading.expression[name]
                y -= share * BANDS
                note = f"{clock(sight.time)} {name} {share:.2f}"
                self.shapes.append(Box(left, y, right - left, share * BANDS, name, 1.0, note))
        self.y += 6

    def units(self, line: TrackLine) -> None:
        """Action units that hold up on real faces, a row each."""
        for number in self.timeline.units:
            top = self.strip(line, ROW - 2)
            name = f"AU{number} {FACS[number].name}"
            self.shapes.append(Words(LEFT - 8, top + 6.5, name, 11, "end"))
            for sight, left, right in self.cells(line):
                chance = sight.found.reading.action_units[number].probability
                note = f"{clock(sight.time)} {name} {chance:.2f}"
                width = right - left
                self.shapes.append(Box(left, top, width, ROW - 2, "unit", chance, note))
            self.y += 2
        self.y += 4

    def angles(self, line: TrackLine) -> None:
        """Yaw, pitch and roll as lines, broken where the face is out of sight."""
        top = self.strip(line, ANGLES)
        middle = top + ANGLES / 2
        self.shapes.append(Line(((LEFT, middle), (WIDTH - RIGHT, middle)), "faint", 0.6))
        for text, y in (
            (f"+{LARGEST_ANGLE:.0f}°", top + 7),
            (f"-{LARGEST_ANGLE:.0f}°", self.y - 7),
        ):
            self.shapes.append(Words(LEFT - 8, y, text, 11, "end", "faint"))
        for row, (name, means) in enumerate(zip(POSE, ("right", "up", "clockwise"), strict=True)):
            y = middle + (row - 1) * 17
            self.shapes.append(Line(((GAP, y), (GAP + 30, y)), name, 2.0, DASHES[name]))
            self.shapes.append(Words(GAP + 36, y, f"{name} (+ {means})", 11))
        for part in self.unbroken(line):
            for index, name in enumerate(POSE):
                points = tuple(
                    (self.x(s.time), middle - angle_share(pose[index]) * ANGLES / 2)
                    for s, pose in part
                )
                if len(points) == 1:  # a lone sight is a short dash
                    (x, y), reach = points[0], max(2.0, self.x(self.half) - self.x(0.0))
                    points = ((x - reach, y), (x + reach, y))
                self.shapes.append(Line(points, name, 2.0, DASHES[name]))

    def unbroken(self, line: TrackLine) -> list[list[tuple[Sight, tuple[float, float, float]]]]:
        """Runs of sights with a measured pose, none of them far from the one before."""
        runs: list[list[tuple[Sight, Any]]] = []
        for sight in line.sights:
            pose = sight.found.reading.pose
            if pose is None:
                continue
            if runs and sight.order - runs[-1][-1][0].order == 1:
                runs[-1].append((sight, pose))
            else:
                runs.append([(sight, pose)])
        return runs

    def axis(self) -> None:
        """Ticks in minutes and seconds."""
        top = self.y + 3
        self.shapes.append(Line(((LEFT, top), (WIDTH - RIGHT, top)), "faint"))
        for time in ticks(self.span):
            x = self.x(time)
            self.shapes.append(Line(((x, top), (x, top + 5)), "faint"))
            self.shapes.append(Words(x, top + 13, clock(time), 11, "middle", "faint"))
        self.y = top + 22 + GAP

    def label(self, first: str, second: str, middle: float) -> None:
        """Two short lines at the left of a strip, beside the crop."""
        x = LEFT - 8
        self.shapes.append(Words(x, middle - 7, first, 11, "end", "faint"))
        self.shapes.append(Words(x, middle + 7, second, 11, "end", "faint"))


def layout(timeline: Timeline) -> Sheet:
    """A timeline as shapes."""
    return Layout(timeline).sheet()


def angle_share(degrees: float) -> float:
    """An angle as a share of the strip's half height, cut off at its edges."""
    return min(max(degrees / LARGEST_ANGLE, -1.0), 1.0)


def ticks(seconds: float, most: int = 9) -> Sequence[float]:
    """Round times from 0 on, at most about ``most``."""
    steps = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200)
    step = next((s for s in steps if seconds / s <= most), seconds / most)
    return [step * k for k in range(int(seconds / step + 1e-9) + 1)]


def shortened(text: str, most: int) -> str:
    """A text of at most ``most`` characters."""
    return text if len(text) <= most else f"{text[: most - 3]}..."
