"""Parts of the sentences about a timeline: when something is, how often, how strongly.

Example: ``told("The mouth is open", stretches)`` -> "The mouth is open from 0:01.0 to 0:02.0 and
at 0:05.5."
"""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from facellm.clip.events import AHEAD, Stretch, out_of_sight
from facellm.clip.frames import clock, span
from facellm.clip.timeline import TrackLine
from facellm.labels import FACS

MOST_TOLD = 6  # stretches of one kind that are told one by one


def name(line: TrackLine) -> str:
    """``Face 1 (0:00.0 to 0:11.5, in 24 frames)``."""
    frames = several(len(line.sights), "frame")
    return f"Face {line.number} ({span(line.first, line.last)}, in {frames})"


def when(stretch: Stretch, line: TrackLine) -> str:
    """When a stretch is, against the whole time its face is seen."""
    starts, ends = stretch.start <= line.first, stretch.end >= line.last
    if starts and ends:
        return "throughout"
    if stretch.samples > 1 and starts:
        return f"until {clock(stretch.end)}"
    return f"from {clock(stretch.start)} on" if stretch.samples > 1 and ends else during(stretch)


def during(stretch: Stretch) -> str:
    """``from 0:03.5 to 0:08.0`` or ``at 0:05.0``."""
    shown = span(stretch.start, stretch.end)
    return shown if shown.startswith("at ") else f"from {shown}"


def mouth_of(found: Sequence[Stretch]) -> str:
    """When the mouth is open; empty where it is not."""
    return told("The mouth is open", [s for s in found if s.value == "open"])


def eyes_of(found: Sequence[Stretch]) -> str:
    """When the eyes are closed; empty where they are not."""
    return told("The eyes look closed", [s for s in found if s.value == "closed"])


def worn(found: Sequence[Stretch]) -> str:
    """When a mask is worn; empty where none is."""
    return told("A mask is worn", [s for s in found if s.value == "worn"])


def head_of(events: dict[str, list[Stretch]]) -> str:
    """Where the head turns; empty where it stays."""
    said = turns("The head is turned", events["head"])
    return " ".join(said + turns("The head is turned", events["head_pitch"]))


def turns(start: str, found: Sequence[Stretch]) -> list[str]:
    """A sentence for each side something turns to."""
    sides = dict.fromkeys(s.value for s in found if s.value != AHEAD)
    sentences = []
    for value in sides:
        same = [s for s in found if s.value == value]
        most = max(same, key=lambda s: s.peak)
        told_times = told(f"{start} {value}", same).rstrip(".")
        sentences.append(
            f"{told_times}, most at {clock(most.peak_time)} ({most.peak:.0f} degrees)."
        )
    return sentences


def units_of(events: dict[str, list[Stretch]], most: int) -> str:
    """When action units come on, those that are on longest first; empty where none does."""
    on = {
        int(key[2:]): [s for s in found if s.value == "on"]
        for key, found in events.items()
        if key.startswith("AU")
    }
    order = sorted(on, key=lambda number: (-sum(s.samples for s in on[number]), number))
    said = []
    for number in order[:most]:
        top = max(on[number], key=lambda s: s.peak)
        start = f"AU{number} ({FACS[number].name}) is on"
        strongest = f", clearest at {clock(top.peak_time)} ({percent(top.peak)})."
        said.append(told(start, on[number]).rstrip(".") + strongest)
    return " ".join(said)


def age_of(line: TrackLine) -> str:
    """Apparent age over all sights; it is said once, as an impression does not change by time."""
    ages = [s.found.reading.age for s in line.sights]
    mean, low, high = (fmean(getattr(a, n) for a in ages) for n in ("mean", "low", "high"))
    return f"Apparent age {mean:.0f} ({low:.0f} to {high:.0f})."


def out_of_view(line: TrackLine) -> list[str]:
    """When a face is out of sight between its first and last frame."""
    gaps = [span(*gap) for gap in out_of_sight(line)]
    return [f"It is out of sight {listed(gaps[:MOST_TOLD])}{more(gaps)}."] if gaps else []


def told(start: str, found: Sequence[Stretch]) -> str:
    """``The mouth is open from 0:01.0 to 0:02.0 and at 0:05.5.``; empty without a stretch."""
    if not found:
        return ""
    return f"{start} {listed([during(s) for s in found[:MOST_TOLD]])}{more(found)}."


def more(found: Sequence[Any]) -> str:
    """``, and 3 times more`` where not all are told."""
    rest = len(found) - MOST_TOLD
    return f", and {rest} more (see --json)" if rest > 0 else ""


def listed(parts: Sequence[str]) -> str:
    """``a, b and c``."""
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts)


def times(moments: Sequence[float]) -> str:
    """A few moments."""
    shown = ", ".join(clock(moment) for moment in moments[:MOST_TOLD])
    return shown + (" ..." if len(moments) > MOST_TOLD else "")


def several(number: int, thing: str) -> str:
    """``1 frame``, ``2 frames``."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def be(number: int) -> str:
    """``is`` or ``are``."""
    return "is" if number == 1 else "are"


def percent(share: float) -> str:
    """A share rounded to five per cent, as the product's sentences do."""
    return f"{5 * round(20 * share)} %"


def number_of(line: TrackLine) -> int:
    """Sorting key."""
    return line.number
